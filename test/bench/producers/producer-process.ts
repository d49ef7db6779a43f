/** A producer under measurement in a process of its own, seen from the benchmark. The other side is producer-process-main.ts. */
import { forkChild } from '../../process/child.ts'
import { compiled } from '../compiled.ts'

/** The producers that run under Node. */
export type NodeProducer = 'kafkajs' | 'kafkajs-idempotent' | 'followed' | 'followed-idempotent' | 'platformatic'

export interface Message {
  readonly key?: string
  readonly value: string
}

/** Sends messages to a topic; resolves when they are acknowledged. */
export type Send = (topic: string, messages: Message[]) => Promise<unknown>

export type Connect = (brokers: () => Promise<string[]>, list: string[] | undefined) => Promise<Send>

/** Sends without a pause, or at a rate, for so long. */
export interface Burst {
  readonly topic: string
  /** Bytes of each message's value. */
  readonly bytes: number
  /** Messages of one `send`. */
  readonly batch: number
  readonly forMs: number
  /** So many sends are under way at any time, or so many begin each second. */
  readonly pace: { readonly atOnce: number } | { readonly perSecond: number }
}

/** What came of a burst. */
export interface BurstReading {
  /** Messages per second, from the first send to the last answer. */
  readonly perSecond: number
  /** Of sends, in milliseconds. */
  readonly medianMs: number
  readonly p99Ms: number
  /** Processor time for each 1,000 messages, in milliseconds. */
  readonly cpuMs: number
}

/** A steady stream: a send of `BATCH` messages goes out at its time, whatever became of those before it. Their values are numbers, from 0 on. */
export interface Stream {
  readonly topic: string
  readonly everyMs: number
}

/** Messages of one send of a stream. */
export const BATCH = 20

/** A send of a stream: the number of its first message, and milliseconds since the epoch. */
export interface Sent {
  readonly first: number
  readonly at: number
  /** Undefined while it is under way. */
  endedAt?: number
  /** Why it was not acknowledged. */
  error?: string
}

export type ToProducer =
  /** Without a list it asks with each call of `brokers`. */
  | { kind: 'connect'; list: readonly string[] | undefined }
  | { kind: 'burst'; burst: Burst }
  | { kind: 'stream'; stream: Stream }
  | { kind: 'stop' }
  | { kind: 'brokers'; question: number; answer: readonly string[] }

export type FromProducer =
  | { kind: 'answer'; reading?: BurstReading; error?: string }
  | { kind: 'begun'; sent: Sent }
  | { kind: 'ended'; sent: Sent }
  | { kind: 'brokers'; question: number }

export interface Streaming {
  /** In the order in which they began. */
  readonly sends: Iterable<Sent>
  /** Ends the stream; resolves when nothing is under way any more, or after `waitMs`. */
  stop(waitMs: number): Promise<void>
  /** Ends its process; resolves when it is gone. */
  kill(): Promise<void>
}

export interface ProducerProcess extends Streaming, AsyncDisposable {
  burst(burst: Burst): Promise<BurstReading>
  stream(stream: Stream): Promise<void>
}

/** Resolves when it is connected. */
export async function startProducerProcess(
  name: NodeProducer,
  brokers: readonly string[] | (() => readonly string[]),
): Promise<ProducerProcess> {
  const main = await compiled(new URL('./producer-process-main.ts', import.meta.url))
  const sends = new Map<number, Sent>()
  const answers: FromProducer[] = []
  const child = forkChild<ToProducer, FromProducer>({
    ...{ what: name, main, args: [name], execArgv: [], isQuiet: true },
    hear(message) {
      if (message.kind === 'answer') answers.push(message)
      if (message.kind === 'begun' || message.kind === 'ended') sends.set(message.sent.first, message.sent)
      if (message.kind === 'brokers' && typeof brokers === 'function')
        child.send({ kind: 'brokers', question: message.question, answer: brokers() })
    },
  })
  await child.up
  const ask = async (message: ToProducer, deadlineMs = 60_000): Promise<BurstReading | undefined> => {
    child.send(message)
    await child.until(() => (answers.length > 0 ? undefined : `it answered ${message.kind}`), deadlineMs)
    const answer = answers.shift()
    if (answer?.kind !== 'answer') return undefined
    if (answer.error !== undefined) throw new Error(`${name}: ${answer.error}`)
    return answer.reading
  }
  const list = typeof brokers === 'function' ? undefined : brokers
  await ask({ kind: 'connect', list })
  return {
    sends: { [Symbol.iterator]: () => sends.values() },
    burst: async (burst) => (await ask({ kind: 'burst', burst })) as BurstReading,
    stream: async (stream) => void (await ask({ kind: 'stream', stream })),
    stop: async (waitMs) => void (await ask({ kind: 'stop' }, waitMs).catch(() => {})),
    kill: child.kill,
    [Symbol.asyncDispose]: child.kill,
  }
}
