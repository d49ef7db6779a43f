/** What is compared: a consumer of relisten, of bare KafkaJS, or of KafkaJS on `follow`, with the same options and the same handler. */
import { Kafka, logLevel } from 'kafkajs'
import { type ConsumerOptions, createConsumer, follow, memoryJournal } from '../../../src/index.ts'

export type Client = 'relisten' | 'kafkajs' | 'followed'

export interface Consuming {
  readonly client: Client
  readonly groupId: string
  readonly topic: string
  readonly each: 'batch' | 'message'
  /** `partitionsConsumedConcurrently`. */
  readonly concurrency: number
  /** How long a broker holds a fetch, in milliseconds; undefined: each client's own default. */
  readonly maxWaitTimeInMs?: number | undefined
  /** The handler of a message takes so long, in milliseconds. Default 0. */
  readonly handlerMs?: number | undefined
  /** Records kept by the journal in memory. Default: relisten's own. */
  readonly journalCapacity?: number | undefined
}

/** Asked by both clients whenever they want to know. */
export type Brokers = () => Promise<string[]>

/** Called with the number of messages that were handled, the partition, and the timestamp of a single message. */
export type OnHandled = (messages: number, partition: number, timestamp?: string) => void

const commitIntervalMs = 1000

/** Resolves with what stops it, when it has joined. `given`: options of relisten that are no data. */
export async function startConsuming(
  { client, groupId, topic, each, concurrency, maxWaitTimeInMs, handlerMs = 0, journalCapacity }: Consuming,
  brokers: Brokers,
  onHandled: OnHandled,
  given: Pick<ConsumerOptions, 'lookup' | 'journal'> = {},
): Promise<() => Promise<void>> {
  const work = async (partition: number, timestamp: string) => {
    if (handlerMs > 0) await new Promise((resolve) => setTimeout(resolve, handlerMs))
    onHandled(1, partition, timestamp)
  }
  const handlers =
    each === 'batch'
      ? {
          eachBatch: async ({ batch }: { batch: { partition: number; messages: unknown[] } }) =>
            onHandled(batch.messages.length, batch.partition),
        }
      : {
          eachMessage: ({ partition, message }: { partition: number; message: { timestamp: string } }) =>
            work(partition, message.timestamp),
        }
  const wait = maxWaitTimeInMs === undefined ? {} : { maxWaitTimeInMs }

  if (client === 'relisten') {
    const consumer = createConsumer({
      logger: false,
      brokers,
      kafka: { clientId: 'costs' },
      groupId,
      topics: [topic],
      fromBeginning: true,
      partitionsConsumedConcurrently: concurrency,
      commitIntervalMs,
      ...wait,
      ...(journalCapacity === undefined ? {} : { journal: memoryJournal({ capacity: journalCapacity }) }),
      ...given,
      ...(handlers as { eachMessage: () => Promise<void> }),
    })
    await consumer.start()
    return () => consumer.stop()
  }
  const config = { clientId: 'costs', brokers, logLevel: logLevel.NOTHING }
  const kafka = new Kafka(client === 'followed' ? follow(config, { logger: false }) : config)
  const consumer = kafka.consumer({ groupId, ...wait })
  const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    partitionsConsumedConcurrently: concurrency,
    autoCommitInterval: commitIntervalMs,
    ...handlers,
  })
  await joined
  return () => consumer.disconnect()
}
