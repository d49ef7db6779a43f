/**
 * A process of its own with members in it, seen from the test: it can be killed, and asked what resources it holds. The
 * other side is member-process-main.ts.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, forkChild, runsTypeScript } from '../../process/child.ts'
import type { Holdings } from '../../process/holdings.ts'
import type { Handed, Member, MemberTask } from './member.ts'

/** Options of a member in a process of its own: JSON only, as they are sent to it. */
export type SentOptions = Readonly<Record<string, unknown>>

/** What the members of a process told, over all of them. */
export interface Told {
  /** How often each fact was told, by its type. */
  readonly facts: Readonly<Record<string, number>>
  /** What the process has dialled so far. */
  readonly dials: number
}

export type ToProcess =
  | { kind: 'start'; name: string; groupId: string; topic: string; options: SentOptions }
  | { kind: 'stop'; name: string }
  | { kind: 'brokers'; question: number; answer: string[] }
  | { kind: 'measure' }
  | { kind: 'block'; forMs: number }
  | { kind: 'tell'; question: number }

export type FromProcess =
  | { kind: 'up' }
  | { kind: 'handed'; handed: Omit<Handed, 'signal' | 'process'> }
  | { kind: 'owns'; name: string; generation: number; partitions: number[] }
  | { kind: 'brokers'; name: string; question: number }
  | { kind: 'done'; name: string; action: 'start' | 'stop'; tookMs: number; error?: string }
  | { kind: 'measured'; holdings: Holdings }
  | { kind: 'told'; question: number; told: Told }

export interface MemberProcess extends AsyncDisposable {
  readonly pid: number
  /** Makes a member that lives in the process. Its handler runs here, after the fact: it can only record. */
  member(task: MemberTask): Member
  measure(): Promise<Holdings>
  told(): Promise<Told>
  /** Its event loop stands still for so long; resolves when it moves again. */
  block(forMs: number): Promise<void>
  /** Milliseconds that the stop of each member took. */
  readonly stopsMs: readonly number[]
  /** Ends it with SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

/** Resolves when the process runs. `root` is the checkout whose code it runs, by default this one; it may be an older one. */
export async function startMemberProcess(root?: string): Promise<MemberProcess> {
  const own = fileURLToPath(new URL('./member-process-main.ts', import.meta.url))
  const main = root === undefined ? own : join(root, 'test/real/harness/member-process-main.ts')
  const tasks = new Map<string, MemberTask>()
  const owned = new Map<string, { generation: number; partitions: number[] }>()
  const done = new Map<string, string | undefined>()
  const stopsMs: number[] = []
  let held: Holdings | undefined
  const answers = new Map<number, Told>()
  let asked = 0
  const never = new AbortController().signal

  const hear = async (message: FromProcess, { pid, send }: Child<ToProcess>) => {
    if (message.kind === 'measured') held = message.holdings
    if (message.kind === 'told') answers.set(message.question, message.told)
    if (message.kind === 'owns') owned.set(message.name, message)
    if (message.kind === 'handed') {
      const handed: Handed = { ...message.handed, process: String(pid), signal: never }
      await tasks.get(handed.member)?.handle(handed)
    }
    if (message.kind === 'done') {
      done.set(`${message.action} ${message.name}`, message.error)
      if (message.action === 'stop') stopsMs.push(message.tookMs)
    }
    if (message.kind === 'brokers') {
      const { brokers } = tasks.get(message.name) as MemberTask
      const answer = typeof brokers === 'function' ? await brokers() : brokers
      send({ kind: 'brokers', question: message.question, answer: [...(answer as readonly string[])] })
    }
  }
  const execArgv = ['--expose-gc', ...runsTypeScript]
  const child = forkChild<ToProcess, FromProcess>({ what: 'the members', main, execArgv, hear })
  await child.up
  const { pid, send, kill } = child

  const finished = async (action: 'start' | 'stop', name: string) => {
    const key = `${action} ${name}`
    await child.until(() => (done.has(key) ? undefined : `the ${key}`))
    const error = done.get(key)
    if (error !== undefined) throw new Error(error)
  }
  const told = async () => {
    asked += 1
    const question = asked
    send({ kind: 'tell', question })
    await child.until(() => (answers.has(question) ? undefined : 'it said what the members told'))
    return answers.get(question) as Told
  }

  return {
    pid,
    stopsMs,
    member(task) {
      const { name, groupId, topic, options } = task
      tasks.set(name, task)
      return {
        name,
        async start() {
          send({ kind: 'start', name, groupId, topic, options: options as SentOptions })
          await finished('start', name)
        },
        async stop() {
          if (!child.alive) return
          send({ kind: 'stop', name })
          await finished('stop', name)
        },
        generation: () => owned.get(name)?.generation ?? 0,
        partitions: () => owned.get(name)?.partitions ?? [],
      }
    },
    async measure() {
      held = undefined
      send({ kind: 'measure' })
      await child.until(() => (held === undefined ? 'it said what it holds' : undefined))
      return held as unknown as Holdings
    },
    told,
    async block(forMs) {
      send({ kind: 'block', forMs })
      // answered when it moves again
      await told()
    },
    kill,
    [Symbol.asyncDispose]: kill,
  }
}
