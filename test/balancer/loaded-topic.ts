// A topic whose replicas are placed by hand, with a steady load in each partition, and a group that reads all of it; and what became of the messages.
import type { Kafka } from 'kafkajs'
import type { ClusterModel } from '../../machines/balancer/cluster-model.ts'
import { partitionKey } from '../../machines/topic-partition.ts'
import { type Consumer, createConsumer } from '../../src/index.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import { until } from '../real/harness/until.ts'
import { broker, partition as partitionModel } from './decisions.ts'
import { type LoadGenerator, type SteadyLoad, startLoad } from './load-generator.ts'

export interface LoadedTopicOptions {
  readonly cluster: KafkaCluster
  /** Produces the load. */
  readonly kafka: Kafka
  readonly topic: string
  /** Of each partition; the first one leads. */
  readonly replicas: readonly (readonly number[])[]
  /** Where the group finds the brokers. */
  readonly brokers: () => string[]
  /** Of each partition; default 8 messages a second of 1000 bytes. */
  readonly messagesPerSecond?: number
  readonly valueBytes?: number
}

/** Where a partition is now. */
export interface Placed {
  readonly partition: number
  readonly leader: number
  readonly replicas: readonly number[]
}

/** What each broker carries over what the mean one does, by all bytes that were acknowledged, which come steadily, and where replicas and leaders are now. */
export interface Shares {
  readonly in: readonly number[]
  readonly out: readonly number[]
}

export interface Losses {
  /** Partitions whose log is shorter than what was acknowledged, or that were not read to their end. */
  readonly missing: readonly string[]
  /** Messages that the group handled twice, and those that it went past. */
  readonly twice: number
  readonly skipped: number
  /** Messages that were acknowledged and are not in the log, or were not handled. */
  readonly lost: number
}

export interface LoadedTopic extends AsyncDisposable {
  readonly topic: string
  readonly replicas: LoadedTopicOptions['replicas']
  readonly loads: readonly SteadyLoad[]
  readonly generator: LoadGenerator
  placed(): Promise<readonly Placed[]>
  /** Of the brokers with these ids; default: all. */
  shares(ids?: readonly number[]): Promise<Shares>
  /** Ends the load, lets the group read to the end, and compares. */
  losses(): Promise<Losses>
}

export async function stageLoad(options: LoadedTopicOptions): Promise<LoadedTopic> {
  const { cluster, kafka, topic, replicas, brokers, messagesPerSecond = 8, valueBytes = 1000 } = options
  const admin = cluster.kafka().admin()
  await admin.connect()
  const replicaAssignment = replicas.map((each, partition) => ({ partition, replicas: [...each] }))
  await admin.createTopics({ topics: [{ topic, replicaAssignment }], waitForLeaders: false })
  await cluster.waitReady()
  const loads = replicas.map((_, partition) => ({ topic, partition, valueBytes, messagesPerSecond }))
  const generator = await startLoad(kafka, loads)
  const next = new Map<number, bigint>()
  let [twice, skipped] = [0, 0]
  const consumer: Consumer = createConsumer({
    ...{ brokers, groupId: `${topic}-readers`, topics: [topic], fromBeginning: true, logger: false },
    ...{ commitIntervalMs: 500 },
    eachMessage: async ({ partition, message }) => {
      const offset = BigInt(message.offset)
      const due = next.get(partition) ?? 0n
      if (offset < due) twice++
      if (offset > due) skipped += Number(offset - due)
      next.set(partition, offset + 1n)
    },
  })
  await consumer.start()
  let isOver = false
  const end = async () => {
    if (isOver) return
    isOver = true
    await generator[Symbol.asyncDispose]()
  }
  const placed = async (): Promise<Placed[]> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return (topics[0]?.partitions ?? []).map(({ partitionId: partition, leader, replicas }) => {
      return { partition, leader, replicas }
    })
  }
  return {
    ...{ topic, replicas, loads, generator, placed },
    async shares(ids = cluster.nodeIds) {
      const [taken, given] = [new Map(ids.map((id) => [id, 0])), new Map(ids.map((id) => [id, 0]))]
      for (const { partition, leader, replicas: places } of await placed()) {
        const key = partitionKey({ topic, partition })
        const bytes = generator.sent.get(key) ?? 0
        for (const id of places) taken.set(id, (taken.get(id) ?? 0) + bytes)
        // To those that read it, and to the other replicas.
        given.set(leader, (given.get(leader) ?? 0) + bytes * places.length)
      }
      return { in: overMean([...taken.values()]), out: overMean([...given.values()]) }
    },
    async losses() {
      await end()
      const ends = new Map(
        (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, BigInt(high)]),
      )
      const unread = () =>
        [...ends]
          .filter(([partition, high]) => (next.get(partition) ?? 0n) < high)
          .map(([partition]) => `${topic}/${partition}`)
      await until(() => (unread().length === 0 ? undefined : `the end of ${unread().join()}`), {
        deadlineMs: 30_000,
      }).catch(() => {})
      const lacking = [...ends].map(([partition, high]) => {
        return (generator.acknowledged.get(partitionKey({ topic, partition })) ?? 0) - Number(high)
      })
      const short = [...ends.keys()].filter((_, index) => (lacking[index] ?? 0) > 0)
      const unhandled = [...ends].map(([partition, high]) => Number(high - (next.get(partition) ?? 0n)))
      const lost = [...unhandled, ...lacking].reduce((sum, count) => sum + Math.max(0, count), skipped)
      return { missing: [...unread(), ...short.map((partition) => `${topic}/${partition}`)], twice, skipped, lost }
    },
    async [Symbol.asyncDispose]() {
      await end()
      await consumer.stop()
      await admin.deleteTopics({ topics: [topic] })
      await admin.disconnect()
    },
  }
}

const overMean = (values: readonly number[]): number[] => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.map((value) => value / mean)
}

/** The model of this topic as it was placed, with the load and the sizes that were produced; for the baseline. */
export const modelOf = ({ topic, replicas, loads, generator }: LoadedTopic, ids: readonly number[]): ClusterModel => ({
  brokers: ids.map((id) => broker(id)),
  partitions: replicas.map((each, number) => {
    const { messagesPerSecond = 0, valueBytes = 0 } = loads[number] ?? {}
    const bytes = messagesPerSecond * valueBytes
    const size = generator.sent.get(partitionKey({ topic, partition: number })) ?? 0
    return partitionModel(topic, number, {
      replicas: each,
      leader: each[0] ?? -1,
      isr: each,
      bytesIn: bytes,
      bytesOut: bytes,
      size,
    })
  }),
  storage: 'replicated',
})
