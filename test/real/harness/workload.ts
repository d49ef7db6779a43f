/**
 * The workload: a steady stream into all partitions of a topic through the listener that never moves, so that whatever the
 * consumer misses is the consumer's fault. Each message carries its number; the number is compared with the log later.
 */
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs from 'kafkajs'
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
}

export interface Workload {
  readonly partitions: readonly number[]
  /** Begins or goes on with the stream. */
  start(): void
  /** Ends the stream; resolves when the last message was acknowledged. */
  stop(): Promise<void>
  /** Writes this many messages as fast as the brokers take them. */
  backlog(count: number): Promise<void>
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

export function contentOf(value: Buffer | null): Content {
  const [, sequence = -1, sentAt = 0] = /^(\d+) (\d+)$/.exec(value?.toString() ?? '') ?? []
  return { sequence: Number(sequence), sentAt: Number(sentAt) }
}

/** Partitions are written independently of each other: one without a leader holds up no other. */
export async function createWorkload(
  { internal }: Pick<KafkaCluster, 'internal'>,
  options: WorkloadOptions,
): Promise<Workload> {
  const { topic, partitions: count = 6, perSecond = 200, firstSequence = 0, requestTimeoutMs = 30_000 } = options
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
  const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { ...steadily, retries: 2 } })
  await producer.connect()

  let sequence = firstSequence
  let closed = false
  let timer: NodeJS.Timeout | undefined
  const lines = partitions.map((partition) => ({
    partition,
    waiting: [] as { value: string }[],
    busy: Promise.resolve(),
  }))
  const add = (line: (typeof lines)[number]) => {
    line.waiting.push({ value: `${sequence} ${Date.now()}` })
    sequence += 1
    if (line.waiting.length === 1) line.busy = line.busy.then(() => flush(line))
  }
  /** What came while a send was under way goes out with the next one; what could not be sent is sent again. */
  const flush = async ({ partition, waiting }: (typeof lines)[number]) => {
    while (waiting.length > 0 && !closed) {
      const messages = waiting.slice(0, 500).map((message) => ({ ...message, partition }))
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
      for (let written = 0; written < wanted; written += 1) add(lines[written % count] as (typeof lines)[number])
      await Promise.all(lines.map((line) => line.busy))
    },
    async close() {
      clearInterval(timer)
      closed = true
      await Promise.all(lines.map((line) => line.busy))
      await producer.disconnect()
    },
    get sent() {
      return sequence - firstSequence
    },
  }
}
