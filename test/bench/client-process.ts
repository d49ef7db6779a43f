/**
 * A client under measurement in a process of its own, seen from the benchmark: every hand-out arrives with the time at which it
 * happened there. The other side is client-process-main.ts.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { FactRecord } from '../../src/index.ts'
import type { Handed, Member, MemberTask } from '../real/harness/member.ts'
import { until } from '../real/harness/until.ts'
import { compiled } from './compiled.ts'

/** The clients that run under Node. */
export type NodeClient = 'relisten' | 'kafkajs' | 'kafkajs-rebuild' | 'platformatic'

/** What a handler gets, with the time at which it was called. */
export interface TimedHanded extends Handed {
  readonly startedAt: number
}

/** Options of a member, JSON only, as they are sent to its process. */
export type SentOptions = Readonly<Record<string, unknown>>

export type ToClient =
  | {
      kind: 'start'
      name: string
      groupId: string
      topic: string
      /** Undefined: it asks with each call of `brokers`. */
      list: string[] | undefined
      options: SentOptions
    }
  | { kind: 'stop'; name: string }
  | { kind: 'brokers'; question: number; answer: string[] }

export type FromClient =
  | { kind: 'up' }
  | { kind: 'handed'; handed: Omit<TimedHanded, 'signal' | 'process'> }
  | { kind: 'owns'; name: string; generation: number; partitions: number[] }
  | { kind: 'told'; name: string; record: FactRecord }
  | { kind: 'brokers'; question: number }
  | { kind: 'done'; name: string; action: 'start' | 'stop'; error?: string }

export interface ClientProcess {
  readonly pid: number
  /** Makes a member that lives in the process. `brokers` may be a list or a function. */
  member(task: MemberTask): Member & { readonly facts: readonly FactRecord[] }
  /** Ends it with SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

/** Resolves when the process runs. */
export async function startClientProcess(client: NodeClient): Promise<ClientProcess> {
  const main = await compiled(new URL('./client-process-main.ts', import.meta.url))
  // what a client in trouble prints is no matter of the benchmark's reader
  const child = fork(main, [client], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2000)
  })
  const tasks = new Map<string, MemberTask>()
  const owned = new Map<string, { generation: number; partitions: number[] }>()
  const facts = new Map<string, FactRecord[]>()
  const done = new Map<string, string | undefined>()
  let up = false
  const alive = () => child.exitCode === null && child.signalCode === null
  const send = (message: ToClient) => void (alive() && child.send(message, () => {}))
  const never = new AbortController().signal

  child.on('message', async (message: FromClient) => {
    if (message.kind === 'up') up = true
    if (message.kind === 'owns') owned.set(message.name, message)
    if (message.kind === 'told') facts.get(message.name)?.push(message.record)
    if (message.kind === 'handed') {
      const handed: TimedHanded = { ...message.handed, process: String(child.pid), signal: never }
      await tasks.get(handed.member)?.handle(handed)
    }
    if (message.kind === 'done') done.set(`${message.action} ${message.name}`, message.error)
    if (message.kind === 'brokers') {
      const [{ brokers }] = [...tasks.values()] as [MemberTask]
      const answer = typeof brokers === 'function' ? await brokers() : brokers
      send({ kind: 'brokers', question: message.question, answer: [...(answer as readonly string[])] })
    }
  })

  const finished = async (action: 'start' | 'stop', name: string) => {
    const key = `${action} ${name}`
    await until(() => (done.has(key) || !alive() ? undefined : `the ${key} of ${client}`), { deadlineMs: 60_000 })
    const error = done.has(key)
      ? done.get(key)
      : `The process of ${client} has ended: ${said.trim() || 'it said nothing'}`
    if (error !== undefined) throw new Error(error)
  }
  const kill = async () => {
    if (!alive()) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  await until(() => (up || !alive() ? undefined : `the process of ${client}`), { deadlineMs: 60_000 })
  if (!up) throw new Error(`The process of ${client} did not start: ${said.trim()}`)

  return {
    pid: child.pid as number,
    member(task) {
      const { name, groupId, topic, options, brokers } = task
      tasks.set(name, task)
      facts.set(name, [])
      return {
        name,
        async start() {
          const list = Array.isArray(brokers) ? [...brokers] : undefined
          send({ kind: 'start', name, groupId, topic, list, options: options as SentOptions })
          await finished('start', name)
        },
        async stop() {
          if (!alive()) return
          send({ kind: 'stop', name })
          await finished('stop', name)
        },
        generation: () => owned.get(name)?.generation ?? 0,
        partitions: () => owned.get(name)?.partitions ?? [],
        facts: facts.get(name) ?? [],
      }
    },
    kill,
  }
}
