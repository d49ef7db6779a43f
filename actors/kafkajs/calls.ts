/** The requests relisten sends by itself, as KafkaJS encodes them. */

import { readApiVersions, type SpokenVersions } from '../protocol/versions.ts'
import { createRequest, Encoder, protocol } from './parts.cjs'

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
  findCoordinator: (groupId: string) =>
    callOf<{ errorCode: number; coordinator: { nodeId: number; host: string; port: number } }>('GroupCoordinator', 2, {
      groupId,
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
    callOf<{ groups: readonly { errorCode: number; members: readonly { memberAssignment: Buffer }[] }[] }>(
      'DescribeGroups',
      0,
      { groupIds: [groupId] },
    ),
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

function callOf<Answer>(name: string, version: number, payload: Record<string, unknown>): Call<Answer> {
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
