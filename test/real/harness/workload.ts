/**
 * The workload: a steady stream into all partitions of a topic through the listener that never moves, so that whatever the
 * consumer misses is the consumer's fault. Each message carries its number; the number is compared with the log later.
 */
import type { Kafka } from 'kafkajs'

export interface WorkloadOptions {
  readonly topic: string
  /** Default 6. */
  readonly partitions?: number
  /** Messages per second over all partitions. Default 200. */
  readonly perSecond?: number
  /** Number of the first message; another cluster's workload starts elsewhere, so that its messages are told apart. Default 0. */
  readonly firstSequence?: number
}

export interface Workload {
  readonly partitions: readonly number[]
  /** Begins or goes on with the stream. */
  start(): void
  /** Ends the stream; resolves when the last message was acknowledged or given up. */
  stop(): Promise<void>
  /** Writes this many messages as fast as the brokers take them. */
  backlog(count: number): Promise<void>
  /** Ends stream and producer. */
  close(): Promise<void>
  /** Messages given to the producer. */
  readonly sent: number
  /** Sends that failed in the end. Says nothing about the log. */
  readonly failed: number
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

export async function createWorkload(kafka: Kafka, options: WorkloadOptions): Promise<Workload> {
  const { topic, partitions: count = 6, perSecond = 200, firstSequence = 0 } = options
  const partitions = Array.from({ length: count }, (_, partition) => partition)
  // a constant short wait between retries: while a broker restarts, its partitions must not fall silent on our account
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    retry: { retries: 400, initialRetryTime: 50, maxRetryTime: 50, multiplier: 1, factor: 0 },
  })
  await producer.connect()

  let sequence = firstSequence
  let failed = 0
  let timer: NodeJS.Timeout | undefined
  const inFlight = new Set<Promise<unknown>>()
  const message = (partition: number) => {
    sequence += 1
    return { partition, value: `${sequence - 1} ${Date.now()}` }
  }
  const send = (messages: ReturnType<typeof message>[]) => {
    const sending = producer
      .send({ topic, acks: -1, messages })
      .catch(() => {
        failed += 1
      })
      .finally(() => inFlight.delete(sending))
    inFlight.add(sending)
    return sending
  }

  const stop = async () => {
    clearInterval(timer)
    timer = undefined
    await Promise.all(inFlight)
  }

  return {
    partitions,
    start() {
      // one message to each partition at a time: the rate of a partition is what the silences are compared with
      timer ??= setInterval(() => void send(partitions.map(message)), (1000 * count) / perSecond)
    },
    stop,
    async backlog(wanted) {
      for (let left = wanted; left > 0; left -= 1000) {
        await send(Array.from({ length: Math.min(left, 1000) }, (_, index) => message(index % count)))
      }
    },
    async close() {
      await stop()
      await producer.disconnect()
    },
    get sent() {
      return sequence - firstSequence
    },
    get failed() {
      return failed
    },
  }
}
