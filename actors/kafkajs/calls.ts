/** The requests relisten sends by itself, as KafkaJS encodes them. */

import { readApiVersions, type SpokenVersions } from '../protocol/versions.ts'
import { crc32C, createRequest, Encoder, apiKeys as kafkaJsApiKeys, protocol } from './parts.cjs'

/** The checksum of a batch of records. */
export { crc32C }

/** What KafkaJS speaks. */
export const kafkaJsVersions: SpokenVersions = new Map(
  Object.entries(protocol.requests).flatMap(([name, { versions }]) => {
    const apiKey = kafkaJsApiKeys[name]
    const known = versions.map(Number)
    if (apiKey === undefined || known.length === 0) return []
    return [[apiKey, { least: Math.min(...known), most: Math.max(...known) }] as const]
  }),
)

/** A request of our own: how it is written and how its answer is read. Error codes in an answer stay data. */
export interface Call<Answer> {
  readonly apiKey: number
  readonly apiVersion: number
  encode(): Promise<unknown>
  /** Reads the answer's body: what follows the correlation id. */
  decode(body: Buffer): Promise<Answer>
}

/** The bytes of a request with its header and length. The connection puts its own correlation id in. */
export async function encodeCall(call: Call<unknown>, clientId: string): Promise<Buffer> {
  return (await createRequest({ correlationId: 0, clientId, request: call })).buffer
}

/** Who asks the coordinator. */
export interface GroupMember {
  readonly groupId: string
  readonly memberId: string
  readonly generation: number
  /** Of a static member (KIP-345). */
  readonly groupInstanceId?: string | undefined
}

/** Offsets to commit, by topic. */
export type Offsets = readonly {
  readonly topic: string
  readonly partitions: readonly {
    readonly partition: number
    readonly offset: string
    readonly metadata?: string | null
  }[]
}[]

interface TopicErrors {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[]
}

/** Partitions of a topic, by number. */
export interface TopicPartitionNumbers {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number }[]
}

interface TopicPartitionsAnswer<Answer> {
  readonly topic: string
  readonly partitions: readonly ({ readonly partition: number } & Answer)[]
}

/** Kafka's number for a broker among the things that have a configuration. */
const brokerResource = 4

/** A metadata answer as KafkaJS reads it. */
export interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly clusterId: string
  readonly controllerId: number
}

/** The requests relisten sends by itself, each in a version that brokers 2.4 to 4.x speak. */
export const calls = {
  /** Version 2, the last one with an answer that is read without knowing what the broker speaks. KafkaJS reads it only where nothing is wrong. */
  apiVersions: (): Call<SpokenVersions> => ({
    ...callOf<SpokenVersions>('ApiVersions', 2, {}),
    decode: async (body) => readApiVersions(body),
  }),
  /** The brokers and nothing else: KafkaJS would ask for all topics. */
  metadata: (): Call<MetadataAnswer> => ({
    ...callOf<MetadataAnswer>('Metadata', 6, { topics: [] }),
    encode: async () => new Encoder().writeArray([]).writeBoolean(false),
  }),
  topics: (topics: readonly string[]) =>
    callOf<{
      topicMetadata: readonly {
        topicErrorCode: number
        partitionMetadata: readonly { partitionId: number; leader: number }[]
      }[]
    }>('Metadata', 6, { topics, allowAutoTopicCreation: false }),
  saslHandshake: (mechanism: string) =>
    callOf<{ errorCode: number; enabledMechanisms: readonly string[] }>('SaslHandshake', 1, { mechanism }),
  /** Of a group, or of a transactional id. */
  findCoordinator: (groupId: string, coordinatorType: 0 | 1 = 0) =>
    callOf<{ errorCode: number; coordinator: { nodeId: number; host: string; port: number } }>('GroupCoordinator', 2, {
      ...{ groupId, coordinatorType },
    }),
  /** A new id for an idempotent producer, from any broker. */
  initProducerId: () =>
    callOf<{ errorCode: number; producerId: string; producerEpoch: number }>('InitProducerId', 1, {
      ...{ transactionalId: null, transactionTimeout: 0 },
    }),
  heartbeat: ({ groupId, memberId, generation, groupInstanceId }: GroupMember) =>
    callOf<{ errorCode: number }>('Heartbeat', 3, {
      ...{ groupId, memberId, groupGenerationId: generation },
      groupInstanceId: groupInstanceId ?? null,
    }),
  /** Version 5, and 7 of a static member; both have the same answer. */
  offsetCommit: (member: GroupMember, topics: Offsets): Call<{ responses: readonly TopicErrors[] }> => {
    const { groupId, memberId, generation: groupGenerationId, groupInstanceId } = member
    const payload = { groupId, memberId, groupGenerationId, topics }
    const call = callOf<{ responses: readonly TopicErrors[] }>('OffsetCommit', 5, payload)
    if (groupInstanceId === undefined) return call
    const encode = async () =>
      new Encoder()
        .writeString(groupId)
        .writeInt32(groupGenerationId)
        .writeString(memberId)
        .writeString(groupInstanceId)
        .writeArray(topics.map(encodeTopic))
    return { ...call, apiVersion: 7, encode }
  },
  /** What a group has given to each of its members, as it was written; nothing while it rebalances. */
  describeGroup: (groupId: string) =>
    callOf<{
      groups: readonly {
        errorCode: number
        state: string
        protocolType: string
        protocol: string
        members: readonly { memberId: string; clientId: string; clientHost: string; memberAssignment: Buffer }[]
      }[]
    }>('DescribeGroups', 0, { groupIds: [groupId] }),
  /** What a broker was configured with, if it calls itself this node. */
  describeBroker: (nodeId: number, configNames: readonly string[]) =>
    callOf<{
      resources: readonly {
        errorCode: number
        errorMessage: string | null
        configEntries: readonly { configName: string; configValue: string | null }[]
      }[]
    }>('DescribeConfigs', 2, { resources: [{ type: brokerResource, name: String(nodeId), configNames }] }),
  offsetFetch: (groupId: string, topics: readonly TopicPartitionNumbers[]) =>
    callOf<{ errorCode: number; responses: readonly TopicPartitionsAnswer<{ offset: string; errorCode: number }>[] }>(
      'OffsetFetch',
      4,
      { groupId, topics },
    ),
  /** Where logs begin (`-2`) or end (`-1`), or the first message of this time or later, in milliseconds since 1970; `-1` where there is none. */
  listOffsets: (topics: readonly TopicPartitionNumbers[], timestamp: string) =>
    callOf<{ responses: readonly TopicPartitionsAnswer<{ offset: string; errorCode: number }>[] }>('ListOffsets', 3, {
      topics: topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition }) => ({ partition, timestamp })),
      })),
    }),
  /** A fetch that says whether this user may read there, and brings at most one batch. */
  fetchOnce: (topic: string, partition: number, fetchOffset: string) =>
    callOf<{ errorCode: number; responses: readonly { partitions: readonly { errorCode: number }[] }[] }>('Fetch', 10, {
      ...{ maxWaitTime: 0, minBytes: 0, maxBytes: 1 },
      topics: [{ topic, partitions: [{ partition, currentLeaderEpoch: -1, fetchOffset, maxBytes: 1 }] }],
    }),
  deleteGroup: (groupId: string) => callOf<{ results: readonly { errorCode: number }[] }>('DeleteGroups', 1, [groupId]),
  leaveGroup: (groupId: string, memberId: string) =>
    callOf<{ errorCode: number; members?: readonly { errorCode: number }[] }>('LeaveGroup', 3, { groupId, memberId }),
}

const encodeTopic = ({ topic, partitions }: Offsets[number]) =>
  new Encoder().writeString(topic).writeArray(
    partitions.map(({ partition, offset, metadata = null }) =>
      new Encoder()
        .writeInt32(partition)
        .writeInt64(offset)
        // The leader epoch: it stands in the metadata, as OffsetFetch in version 4 does not tell it.
        .writeInt32(-1)
        .writeString(metadata),
    ),
  )

/** Any request of KafkaJS's by its name, in a version it has. */
export function callOf<Answer>(name: string, version: number, payload: object): Call<Answer> {
  const found = protocol.requests[name]
  if (!found) throw new Error(`KafkaJS has no request ${name}: is another version of it installed than 2.2.4?`)
  const { request, response } = found.protocol({ version })(payload)
  return {
    apiKey: request.apiKey,
    apiVersion: version,
    encode: () => request.encode(),
    decode: (body) => response.decode(body),
  }
}
