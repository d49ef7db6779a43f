/** What tests ask of a running cluster: topics, leaders, coordinators, and whether every broker has caught up. */
import { setTimeout as pause } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { askCoordinator, askMetadata, type BrokerView, type PartitionView } from './broker-view.ts'

export interface TopicOptions {
  /** Default 6. */
  readonly partitions?: number
  /** Default 3. */
  readonly replication?: number
  /** Its configuration, where that is not the brokers'. */
  readonly configuration?: Readonly<Record<string, string>>
}

/** Part of a cluster's interface; every call goes through INTERNAL and so is untouched by moves of CLIENT. */
export interface Admin {
  /** Resolves when every broker sees all partitions with a leader and a full in-sync replica set. */
  createTopic(name: string, options?: TopicOptions): Promise<void>
  /** From now on the topic has so many; resolves like `createTopic`. */
  addPartitions(name: string, count: number): Promise<void>
  /** Deletes the records of a partition below this offset. */
  deleteRecords(topic: string, partition: number, offset: number): Promise<void>
  /** Resolves when no broker knows the topic any more. */
  deleteTopic(name: string): Promise<void>
  /** Partition → node id of its leader. */
  leaders(topic: string): Promise<Map<number, number>>
  /** Node id of the group's coordinator. */
  coordinatorOf(group: string): Promise<number>
  /** A stock KafkaJS client attached through INTERNAL, silent. */
  kafka(): Kafka
}

/** What "settled" means: which nodes every broker lists, and in which cluster. */
export interface Expectation {
  readonly clusterId: string
  readonly nodeIds: readonly number[]
  /** Also required: this topic, healthy. By default all topics there are have to be healthy. */
  readonly topic?: string
}

/**
 * Waits until all the brokers at these endpoints list the same nodes and all their partitions are in sync. Refuses at
 * once when another cluster answers, and after `deadlineMs` (default 30 s) with what is still missing.
 */
export async function untilSettled(
  endpoints: readonly string[],
  expected: Expectation,
  deadlineMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const missing = await Promise.all(
      endpoints.map(async (endpoint) => {
        const view = await askMetadata(endpoint).catch((error: Error) => error)
        return view instanceof Error ? view.message : whatIsMissing(endpoint, view, expected)
      }),
    )
    const reasons = missing.filter((reason) => reason !== undefined)
    if (reasons.length === 0) return
    if (Date.now() > deadline) {
      throw new Error(`The cluster is not settled after ${deadlineMs} ms: ${reasons.join('; ')}`)
    }
    await pause(100)
  }
}

export function createAdmin(internal: readonly string[], expected: Expectation): Admin {
  const kafka = () => new Kafka({ clientId: 'relisten-test', brokers: [...internal], logLevel: logLevel.NOTHING })

  /** The first broker that answers: in a test some may be stopped. */
  const ask = async <Answer>(question: (endpoint: string) => Promise<Answer>): Promise<Answer> => {
    let refused: unknown
    for (const endpoint of internal) {
      try {
        return await question(endpoint)
      } catch (error) {
        refused = error
      }
    }
    throw refused
  }

  return {
    kafka,

    async createTopic(topic, { partitions = 6, replication = 3, configuration = {} } = {}) {
      // KafkaJS's own wait for leaders gives up when a broker has not heard of the topic yet
      const configEntries = Object.entries(configuration).map(([name, value]) => ({ name, value }))
      const topics = [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries }]
      await withAdmin(kafka(), (admin) => admin.createTopics({ topics, waitForLeaders: false }))
      await untilSettled(internal, { ...expected, topic })
    },

    async addPartitions(topic, count) {
      await withAdmin(kafka(), (admin) => admin.createPartitions({ topicPartitions: [{ topic, count }] }))
      const known = async (endpoint: string) => (await askMetadata(endpoint)).topics.get(topic)?.size === count
      while ((await Promise.all(internal.map(known))).includes(false)) await pause(20)
    },

    async deleteRecords(topic, partition, offset) {
      const partitions = [{ partition, offset: String(offset) }]
      await withAdmin(kafka(), async (admin) => {
        // KafkaJS deletes only where it knows the leaders already
        await admin.fetchTopicOffsets(topic)
        await admin.deleteTopicRecords({ topic, partitions })
      })
    },

    async deleteTopic(topic) {
      await withAdmin(kafka(), (admin) => admin.deleteTopics({ topics: [topic] }))
      const knows = async (endpoint: string) => (await askMetadata(endpoint)).topics.has(topic)
      while ((await Promise.all(internal.map(knows))).includes(true)) await pause(100)
    },

    async leaders(topic) {
      const partitions = await ask(async (endpoint) => {
        const found = (await askMetadata(endpoint)).topics.get(topic)
        if (found === undefined) throw new Error(`${endpoint} does not know topic ${topic}`)
        return found
      })
      return new Map([...partitions].map(([partition, view]) => [partition, view.leader]))
    },

    async coordinatorOf(group) {
      const deadline = Date.now() + 10_000
      for (;;) {
        try {
          return await ask((endpoint) => askCoordinator(endpoint, group))
        } catch (error) {
          // the first question on a fresh cluster creates the topic of the offsets, which takes a moment
          if (Date.now() > deadline) throw error
          await pause(100)
        }
      }
    },
  }
}

async function withAdmin<Result>(
  kafka: Kafka,
  work: (admin: ReturnType<Kafka['admin']>) => Promise<Result>,
): Promise<Result> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

function whatIsMissing(endpoint: string, view: BrokerView, expected: Expectation): string | undefined {
  if (view.clusterId !== expected.clusterId) {
    throw new Error(
      `Another cluster (${view.clusterId}) answers at ${endpoint}, expected ${expected.clusterId}: a broker of an earlier run is still alive. End it and start again.`,
    )
  }
  const absent = expected.nodeIds.filter((nodeId) => !view.nodes.has(nodeId))
  if (absent.length > 0) return `${endpoint} does not list node ${absent.join(', ')}`
  if (expected.topic !== undefined && !view.topics.has(expected.topic))
    return `${endpoint} lacks topic ${expected.topic}`
  for (const [topic, partitions] of view.topics) {
    for (const [partition, state] of partitions) {
      if (!isHealthy(state))
        return `${endpoint} sees ${topic}/${partition} with leader ${state.leader} and in sync ${state.inSync}`
    }
  }
  return undefined
}

const isHealthy = ({ leader, replicas, inSync }: PartitionView) => leader >= 0 && inSync.length === replicas.length
