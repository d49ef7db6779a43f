/** Requests of KafkaJS's on their way to a broker: changed where a broker should hear something else. */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import { apiKeyOf, apiKeys, FrameReader, FrameWriter, requestBodyOffset } from './frames.ts'

const maxWaitAt = 4
const maxBytesAt = 12

/** How long the broker may wait for something to send, written into a fetch. */
export const setMaxWait = (fetch: Buffer, maxWaitMs: number): void => {
  fetch.writeInt32BE(maxWaitMs, requestBodyOffset(fetch) + maxWaitAt)
}

/** Most bytes of the answer, written into a fetch; more comes only where the first batch of records is larger (KIP-74). */
export const setMaxBytes = (fetch: Buffer, maxBytes: number): void => {
  fetch.writeInt32BE(maxBytes, requestBodyOffset(fetch) + maxBytesAt)
}

/** How long the broker may wait for something to send. */
export const maxWaitOf = (fetch: Buffer): number => fetch.readInt32BE(requestBodyOffset(fetch) + maxWaitAt)

export const maxBytesOf = (fetch: Buffer): number => fetch.readInt32BE(requestBodyOffset(fetch) + maxBytesAt)

/** A partition that a fetch asks for, and from where. */
export interface AskedPartition extends TopicPartition {
  readonly from: bigint
}

/** What a fetch of version 10 or 11 asks for. */
export function readFetchRequest(fetch: Buffer): AskedPartition[] {
  const reader = new FrameReader(fetch, requestBodyOffset(fetch))
  reader.skip(4 + 4 + 4 + 4 + 1 + 4 + 4) // replica, wait, least and most bytes, isolation, session and its epoch
  const asked: AskedPartition[] = []
  reader.partitions((topic) => {
    const partition = reader.int32()
    reader.skip(4) // leader epoch
    const from = reader.int64()
    reader.skip(8 + 4) // start of the log, most bytes
    asked.push({ topic, partition, from })
  })
  return asked
}

/** The timestamps that ask ListOffsets for the first and the next offset of a log. */
const edgeTimes = { start: -2n, end: -1n } as const

/** Asks the leader of these partitions for the first or next offset of each log (ListOffsets 4, Kafka 2.1), whose answer has its leader epoch too (KIP-320). */
export const logEdgesRequest = (
  places: readonly TopicPartition[],
  edge: 'start' | 'end',
  readUncommitted: boolean,
  clientId: string,
): Buffer => {
  const body = new FrameWriter().int32(-1).int8(readUncommitted ? 0 : 1)
  const write = ({ partition }: TopicPartition) => body.int32(partition).int32(-1).int64(edgeTimes[edge])
  return body.partitions(places, write).request(apiKeys.listOffsets, 4, clientId)
}

/** A leader epoch in a partition's log. */
export interface EpochPlace extends TopicPartition {
  readonly leaderEpoch: number
  /** Who leads in another epoch than this one is not to answer; undefined: whoever leads. */
  readonly ledIn?: number | undefined
}

/** Asks the leader of these partitions where leader epochs end in their logs (OffsetForLeaderEpoch 3, Kafka 2.3; KIP-320). */
export function epochEndsRequest(places: readonly EpochPlace[], clientId: string): Buffer {
  const body = new FrameWriter().int32(-1)
  const write = ({ partition, leaderEpoch, ledIn = -1 }: EpochPlace) =>
    body.int32(partition).int32(ledIn).int32(leaderEpoch)
  return body.partitions(places, write).request(apiKeys.offsetForLeaderEpoch, 3, clientId)
}

/** The topics a metadata request of KafkaJS's (version 6) names; null for all of them. */
export function topicsAsked(metadata: Buffer): {
  readonly topics: readonly string[] | null
  readonly creates: boolean
} {
  const reader = new FrameReader(metadata, requestBodyOffset(metadata))
  const count = reader.int32()
  const topics = Array.from({ length: Math.max(0, count) }, () => reader.string() ?? '')
  return { topics: count < 0 ? null : topics, creates: metadata.readInt8(reader.at) !== 0 }
}

/** The same question in version 11 (Kafka 2.8), whose answer has the ids of topics (KIP-516). */
export function topicIdsRequest(topics: readonly string[] | null, creates: boolean, clientId: string): Buffer {
  const body = new FrameWriter().varint(topics === null ? 0 : topics.length + 1)
  for (const topic of topics ?? []) body.bytes(Buffer.alloc(16)).compactString(topic).varint(0)
  return body
    .int8(creates ? 1 : 0)
    .int8(0)
    .varint(0)
    .request(apiKeys.metadata, 11, clientId, true)
}

/** How long a broker may wait for a member that has asked for its id, in milliseconds: the default of `group.min.session.timeout.ms`. */
const idTimeoutMs = 6000

/**
 * The join of a new member, which asks for no more than an id (KIP-394). A broker holds every rebalance for the member it
 * names, for the session timeout of this request; if the answer is lost, nobody knows that id. So the copy asks for the
 * shortest session brokers allow by default. Undefined when the member has its id.
 */
export function idRequest(join: Buffer): Buffer | undefined {
  const reader = new FrameReader(join, requestBodyOffset(join))
  reader.string() // group
  const at = reader.at
  const sessionTimeoutMs = reader.int32()
  reader.int32() // rebalance timeout
  if (reader.string() !== '') return undefined
  const request = Buffer.from(join)
  request.writeInt32BE(Math.min(sessionTimeoutMs, idTimeoutMs), at)
  return request
}

/** The id of a static member (KIP-345), written into a join (version 5) or a sync (version 3) of KafkaJS's, which knows of none. */
export function withGroupInstanceId(request: Buffer, groupInstanceId: string): Buffer {
  const reader = new FrameReader(request, requestBodyOffset(request))
  reader.string() // group
  reader.skip(apiKeyOf(request) === apiKeys.joinGroup ? 4 + 4 : 4) // both timeouts, or the generation
  reader.string() // member
  const { at } = reader
  reader.string() // null
  const id = Buffer.from(groupInstanceId)
  const length = Buffer.alloc(2)
  length.writeInt16BE(id.length)
  const frame = Buffer.concat([request.subarray(0, at), length, id, request.subarray(reader.at)])
  frame.writeInt32BE(frame.length - 4, 0)
  return frame
}

/** Asks what the group has committed of all partitions of a topic (OffsetFetch 4). */
export function offsetFetchRequest(groupId: string, topic: string, partitions: number, clientId: string): Buffer {
  const body = new FrameWriter().string(groupId).int32(1).string(topic).int32(partitions)
  for (let partition = 0; partition < partitions; partition++) body.int32(partition)
  return body.request(apiKeys.offsetFetch, 4, clientId)
}
