/** A subject: a process of its own that consumes, seen from the benchmark. The other side is subject-main.ts. */
import { forkChild } from '../../process/child.ts'
import { compiled } from '../compiled.ts'
import type { Consuming } from './consuming.ts'
import type { Metered } from './meters.ts'
import type { TappedSocket } from './tap.ts'

export interface SubjectTask {
  readonly brokers: string[]
  readonly consuming: Consuming
  /** So many consumers of so many groups. Default 1. */
  readonly consumers?: number
  /** Sockets are tapped. What the tap keeps of each grows with the dials, so memory is measured without. Default false. */
  readonly tapped?: boolean
  /** Dials, look-ups and facts are counted, and names resolved as those of fake brokers. Default false. */
  readonly metered?: boolean
}

/** What a process has used and done so far. */
export interface Reading {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly cpuMs: number
  readonly rssMb: number
  /** Resident memory of the heap that malloc grows in place, as the kernel counts it: what is free there may stay. 0 but on Linux. */
  readonly mallocMb: number
  /** After a collection where one was asked for. */
  readonly heapMb: number
  readonly handled: number
  /** When the first and the newest message were handled, in milliseconds since the epoch. */
  readonly firstAt: number
  readonly lastAt: number
  /** Processor time until the first message was handled, and until the newest, in milliseconds. */
  readonly cpuAtFirstMs: number
  readonly cpuAtLastMs: number
  /** The longest time any consumer's partition went without a message since the last reading, in milliseconds. */
  readonly longestGapMs: number
  /** The longest time from a message's timestamp to its handler since the last reading, in milliseconds; of `eachMessage` only. */
  readonly longestWaitMs: number
  /** Messages handled in each tenth of a second since the first, all consumers together. */
  readonly perTenth: readonly number[]
  /** Empty unless they are tapped. */
  readonly sockets: readonly TappedSocket[]
  /** Undefined unless it is metered. */
  readonly metered?: Metered | undefined
}

export type ToSubject =
  | { kind: 'start'; task: SubjectTask }
  | { kind: 'brokers'; brokers: string[] }
  | { kind: 'read'; collect: boolean }
  | { kind: 'reach'; messages: number }
  | { kind: 'describe'; times: number }
  | { kind: 'stop' }

/** Every word of the benchmark is answered once, in order. */
export type FromSubject = { kind: 'answer'; reading?: Reading; error?: string }

export interface Subject extends AsyncDisposable {
  /** Where the brokers are from now on, for whoever asks. */
  tell(brokers: string[]): Promise<void>
  /** `collect`: the heap after a collection. */
  read(options?: { readonly collect?: boolean }): Promise<Reading>
  /** Resolves as soon as so many messages are handled. */
  reach(messages: number): Promise<Reading>
  /** Asks the cluster so many times with KafkaJS's `describeCluster`. */
  describe(times: number): Promise<Reading>
  stop(): Promise<void>
}

/** Resolves when its consumers have joined. `execArgv` is added to Node's own options. */
export async function startSubject(task: SubjectTask, execArgv: readonly string[] = []): Promise<Subject> {
  const main = await compiled(new URL('./subject-main.ts', import.meta.url))
  const waiting: { resolve: (answer: FromSubject) => void; reject: (error: Error) => void }[] = []
  const child = forkChild<ToSubject, FromSubject>({
    what: 'the subject',
    main,
    execArgv: ['--expose-gc', ...execArgv],
    hear: (answer) => {
      const next = waiting.shift()
      if (answer.error === undefined) next?.resolve(answer)
      else next?.reject(new Error(answer.error))
    },
  })
  void child.gone.then(() => {
    const ended = new Error(`The subject ended with ${child.ending}; what it said last is above`)
    for (const { reject } of waiting.splice(0)) reject(ended)
  })
  await child.up
  const ask = (message: ToSubject) =>
    new Promise<FromSubject>((resolve, reject) => {
      waiting.push({ resolve, reject })
      child.send(message)
    })
  const read = async (message: ToSubject): Promise<Reading> => {
    const { reading } = await ask(message)
    if (!reading) throw new Error(`The subject answered ${message.kind} without a reading`)
    return reading
  }
  const end = child.kill
  try {
    await ask({ kind: 'start', task })
  } catch (error) {
    await end()
    throw error
  }
  return {
    async tell(brokers) {
      await ask({ kind: 'brokers', brokers })
    },
    read: ({ collect = false } = {}) => read({ kind: 'read', collect }),
    reach: (messages) => read({ kind: 'reach', messages }),
    describe: (times) => read({ kind: 'describe', times }),
    async stop() {
      await ask({ kind: 'stop' })
      await end()
    },
    [Symbol.asyncDispose]: end,
  }
}
