/**
 * A client under measurement in a process of its own, seen from the benchmark: every hand-out arrives with the time at which it
 * happened there. The other side is client-process-main.ts.
 */
import type { AnyRecord } from '../../src/index.ts'
import { type Child, forkChild } from '../process/child.ts'
import type { Handed, Member, MemberTask } from '../real/harness/member.ts'
import { compiled } from './compiled.ts'

/** The clients that run under Node. */
export type NodeClient = 'relisten' | 'kafkajs' | 'kafkajs-rebuild' | 'kafkajs-followed' | 'platformatic'

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
  | { kind: 'told'; name: string; record: AnyRecord }
  | { kind: 'brokers'; question: number }
  | { kind: 'done'; name: string; action: 'start' | 'stop'; error?: string }

export interface ClientProcess {
  readonly pid: number
  /** Makes a member that lives in the process. `brokers` may be a list or a function. */
  member(task: MemberTask): Member & { readonly facts: readonly AnyRecord[] }
  /** Ends it with SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

/** Resolves when the process runs. */
export async function startClientProcess(client: NodeClient): Promise<ClientProcess> {
  const main = await compiled(new URL('./client-process-main.ts', import.meta.url))
  const tasks = new Map<string, MemberTask>()
  const owned = new Map<string, { generation: number; partitions: number[] }>()
  const facts = new Map<string, AnyRecord[]>()
  const done = new Map<string, string | undefined>()
  const never = new AbortController().signal

  const hear = async (message: FromClient, { pid, send }: Child<ToClient>) => {
    if (message.kind === 'owns') owned.set(message.name, message)
    if (message.kind === 'told') facts.get(message.name)?.push(message.record)
    if (message.kind === 'handed') {
      const handed: TimedHanded = { ...message.handed, process: String(pid), signal: never }
      await tasks.get(handed.member)?.handle(handed)
    }
    if (message.kind === 'done') done.set(`${message.action} ${message.name}`, message.error)
    if (message.kind === 'brokers') {
      const [{ brokers }] = [...tasks.values()] as [MemberTask]
      const answer = typeof brokers === 'function' ? await brokers() : brokers
      send({ kind: 'brokers', question: message.question, answer: [...(answer as readonly string[])] })
    }
  }
  // what a client in trouble prints is no matter of the benchmark's reader
  const child = forkChild<ToClient, FromClient>({
    what: client,
    main,
    args: [client],
    execArgv: [],
    isQuiet: true,
    hear,
  })
  const { pid, send, kill } = child

  const finished = async (action: 'start' | 'stop', name: string) => {
    const key = `${action} ${name}`
    await child.until(() => (done.has(key) ? undefined : `the ${key}`))
    const error = done.get(key)
    if (error !== undefined) throw new Error(error)
  }
  await child.up

  return {
    pid,
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
          if (!child.alive) return
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
