/**
 * A process of its own with members in it, seen from the test: it can be killed, and asked what resources it holds. The
 * other side is member-process-main.ts.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Handed, Member, MemberTask } from './member.ts'
import { until } from './until.ts'

/** What a process holds. */
export interface Resources {
  /** Kind → fewest alive at any moment of two seconds, such as `TCPSocketWrap` and `Timeout`. */
  readonly active: Readonly<Record<string, number>>
  /** Listeners on sockets and on the process itself, fewest at any moment. */
  readonly listeners: number
  /** Heap in use after a collection, in bytes. */
  readonly heapBytes: number
}

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
  | { kind: 'measured'; resources: Resources }
  | { kind: 'told'; question: number; told: Told }

export interface MemberProcess extends AsyncDisposable {
  readonly pid: number
  /** Makes a member that lives in the process. Its handler runs here, after the fact: it can only record. */
  member(task: MemberTask): Member
  measure(): Promise<Resources>
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
  const child = fork(main, { execArgv: ['--expose-gc', '--import', 'tsx'] })
  const tasks = new Map<string, MemberTask>()
  const owned = new Map<string, { generation: number; partitions: number[] }>()
  const done = new Map<string, string | undefined>()
  const stopsMs: number[] = []
  let resources: Resources | undefined
  const answers = new Map<number, Told>()
  let asked = 0
  let up = false
  const alive = () => child.exitCode === null && child.signalCode === null
  const send = (message: ToProcess) => void (alive() && child.send(message, () => {}))
  const never = new AbortController().signal

  child.on('message', async (message: FromProcess) => {
    if (message.kind === 'up') up = true
    if (message.kind === 'measured') resources = message.resources
    if (message.kind === 'told') answers.set(message.question, message.told)
    if (message.kind === 'owns') owned.set(message.name, message)
    if (message.kind === 'handed') {
      const handed: Handed = { ...message.handed, process: String(child.pid), signal: never }
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
  })

  const finished = async (action: 'start' | 'stop', name: string) => {
    const key = `${action} ${name}`
    await until(() => (done.has(key) || !alive() ? undefined : `the ${key}`), { deadlineMs: 60_000 })
    const error = done.get(key)
    if (error !== undefined) throw new Error(error)
  }
  const kill = async () => {
    if (!alive()) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const told = async () => {
    asked += 1
    const question = asked
    send({ kind: 'tell', question })
    await until(() => (answers.has(question) || !alive() ? undefined : 'what the members told'))
    return answers.get(question) as Told
  }
  await until(() => (up ? undefined : 'the process of the member'))

  return {
    pid: child.pid as number,
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
          if (!alive()) return
          send({ kind: 'stop', name })
          await finished('stop', name)
        },
        generation: () => owned.get(name)?.generation ?? 0,
        partitions: () => owned.get(name)?.partitions ?? [],
      }
    },
    async measure() {
      resources = undefined
      send({ kind: 'measure' })
      await until(() => {
        if (!alive()) throw new Error('The process of the members has ended by itself; what it said last is above')
        return resources === undefined ? 'what the process holds' : undefined
      })
      return resources as unknown as Resources
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
