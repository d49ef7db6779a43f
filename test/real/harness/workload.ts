/**
 * The workload: a steady stream into all partitions of a topic through the listener that never moves, so that whatever the
 * consumer misses is the consumer's fault. Each message carries its number; the number is compared with the log later.
 */
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type Producer } from 'kafkajs'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'

export interface WorkloadOptions {
  readonly topic: string
  /** Default 6. */
  readonly partitions?: number
  /** Messages per second over all partitions. Default 200. */
  readonly perSecond?: number
  /** Number of the first message; another cluster's workload starts elsewhere, so that its messages are told apart. Default 0. */
  readonly firstSequence?: number
  /** A broker that does not answer for so long is given up, and the message is sent again. Milliseconds, default KafkaJS's 30000. */
  readonly requestTimeoutMs?: number
  /** Every message has at least so many bytes. Default 0. */
  readonly bytes?: number
  /** One request to each leader for all its partitions: for many of them. One without a leader holds up all. Default false. */
  readonly together?: boolean
}

export interface Workload {
  /** From 0 on; grows with `grow`. */
  readonly partitions: readonly number[]
  /** Begins or goes on with the stream. */
  start(): void
  /** Ends the stream; resolves when the last message was acknowledged. */
  stop(): Promise<void>
  /** Writes this many messages as fast as the brokers take them. */
  backlog(count: number): Promise<void>
  /** The topic has so many partitions from now on; the stream goes into the new ones too, at the rate of the others. */
  grow(count: number): Promise<void>
  /** Ends stream and producer; what could not be sent yet is dropped. */
  close(): Promise<void>
  /** Messages meant for the log so far. A send that fails is made again, so one of them may be in the log twice. */
  readonly sent: number
}

/** What a message of a workload carries; its timestamp is left to the broker. */
export interface Content {
  /** -1 when the message is of no workload. */
  readonly sequence: number
  /** Milliseconds since the epoch. */
  readonly sentAt: number
}

interface Line {
  readonly producer: Producer
  readonly partitions: readonly number[]
  readonly waiting: { readonly partition: number; readonly value: string }[]
  busy: Promise<void>
}

export function contentOf(value: Buffer | null): Content {
  const [, sequence = -1, sentAt = 0] = /^(\d+) (\d+) *$/.exec(value?.toString() ?? '') ?? []
  return { sequence: Number(sequence), sentAt: Number(sentAt) }
}

/** Unless `together`, partitions are written independently of each other: one without a leader holds up no other. */
export async function createWorkload(
  { internal }: Pick<KafkaCluster, 'internal'>,
  options: WorkloadOptions,
): Promise<Workload> {
  const { topic, partitions: count = 6, perSecond = 200, firstSequence = 0, requestTimeoutMs = 30_000 } = options
  const { bytes = 0, together = false } = options
  const partitions = Array.from({ length: count }, (_, partition) => partition)
  // KafkaJS retries in three places, by default with growing waits: the stream must not fall silent on their account
  const steadily = { initialRetryTime: 50, maxRetryTime: 50, multiplier: 1, factor: 0 }
  const kafka = new kafkajs.Kafka({
    clientId: 'relisten-workload',
    brokers: [...internal],
    connectionTimeout: 500,
    requestTimeout: requestTimeoutMs,
    retry: { ...steadily, retries: 2 },
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const producers: Producer[] = []
  /** A new one for each growth: it knows the partitions that were there when it connected. */
  const addProducer = async () => {
    const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { ...steadily, retries: 2 } })
    await producer.connect()
    producers.push(producer)
    return producer
  }
  let sequence = firstSequence
  let closed = false
  let timer: NodeJS.Timeout | undefined
  const lines: Line[] = []
  const addLines = async (added: readonly number[]) => {
    const producer = await addProducer()
    for (const own of together ? [added] : added.map((partition) => [partition])) {
      lines.push({ producer, partitions: own, waiting: [], busy: Promise.resolve() })
    }
  }
  await addLines(partitions)
  const add = (line: Line) => {
    const idle = line.waiting.length === 0
    for (const partition of line.partitions) {
      line.waiting.push({ partition, value: `${sequence} ${Date.now()}`.padEnd(bytes) })
      sequence += 1
    }
    if (idle) line.busy = line.busy.then(() => flush(line))
  }
  /** What came while a send was under way goes out with the next one; what could not be sent is sent again. */
  const flush = async ({ producer, waiting }: Line) => {
    while (waiting.length > 0 && !closed) {
      const messages = waiting.slice(0, 2000)
      const sent = await producer.send({ topic, acks: -1, messages }).catch(() => undefined)
      if (sent === undefined) await pause(50)
      else waiting.splice(0, messages.length)
    }
  }
  const stop = async () => {
    clearInterval(timer)
    timer = undefined
    await Promise.all(lines.map((line) => line.busy))
  }

  return {
    partitions,
    start() {
      // one message to each partition at a time: the rate of a partition is what the silences are compared with
      timer ??= setInterval(() => lines.forEach(add), (1000 * count) / perSecond)
    },
    stop,
    async backlog(wanted) {
      for (let written = 0; written < wanted; ) {
        const line = lines[written % lines.length] as Line
        add(line)
        written += line.partitions.length
      }
      await Promise.all(lines.map((line) => line.busy))
    },
    async grow(total) {
      const added = Array.from({ length: total - partitions.length }, (_, index) => partitions.length + index)
      await addLines(added)
      partitions.push(...added)
    },
    async close() {
      clearInterval(timer)
      closed = true
      await Promise.all(lines.map((line) => line.busy))
      await Promise.all(producers.map((producer) => producer.disconnect()))
    },
    get sent() {
      return sequence - firstSequence
    },
  }
}
