/**
 * Answers on their way to KafkaJS: read, changed, or made up.
 *
 * KafkaJS is told to speak exactly the versions named here (brokers 2.4 to 4.x know them, see versions.ts), so each answer has one layout.
 */

import type { PartitionsByTopic, TopicPartition } from '../../machines/fact.ts'
import { apiKeys, errorCodes, FrameReader, FrameWriter, requestBodyOffset } from './frames.ts'

/**
 * Versions of Fetch. From 11 on, a broker that follows a partition answers a consumer's fetch itself: right for reading in
 * one's own rack, but a consumer that asks the wrong broker is not told so and stays with it. Up to 10 it is.
 */
export type FetchVersion = 10 | 11

/** The version of each other request KafkaJS is allowed to send. */
const versions: readonly (readonly [apiKey: number, version: number])[] = [
  [apiKeys.listOffsets, 3],
  [apiKeys.metadata, 6],
  [apiKeys.offsetCommit, 5],
  [apiKeys.offsetFetch, 4],
  [apiKeys.findCoordinator, 2],
  [apiKeys.joinGroup, 5],
  [apiKeys.heartbeat, 3],
  [apiKeys.leaveGroup, 3],
  [apiKeys.syncGroup, 3],
  [apiKeys.apiVersions, 2],
]

/** The virtual node that stands for "the group coordinator, wherever it is". */
export const coordinatorNodeId = 2147483647

/** The port of every node for KafkaJS. */
export const anyPort = 9092

/** The constant name under which KafkaJS knows a node. */
export const nodeName = (nodeId: number): string => `node-${nodeId}`
/** The node behind a constant name; undefined for any other host. */
export const nodeOfName = (host: string): number | undefined => {
  const match = /^node-(\d+)$/.exec(host)
  return match ? Number(match[1]) : undefined
}
/** `host:port` of a node for KafkaJS. */
export const nodeAddress = (nodeId: number): string => `${nodeName(nodeId)}:${anyPort}`

export function apiVersionsAnswer(fetchVersion: FetchVersion): FrameWriter {
  const spoken = [[apiKeys.fetch, fetchVersion] as const, ...versions]
  const answer = new FrameWriter().int16(errorCodes.none).int32(spoken.length)
  for (const [apiKey, version] of spoken) answer.int16(apiKey).int16(version).int16(version)
  return answer.int32(0)
}

/** The coordinator is a node of its own for KafkaJS: its requests go wherever the coordinator is. */
export const findCoordinatorAnswer = (): FrameWriter =>
  new FrameWriter()
    .int32(0)
    .int16(errorCodes.none)
    .string(null)
    .int32(coordinatorNodeId)
    .string(nodeName(coordinatorNodeId))
    .int32(anyPort)

/** A heartbeat's answer. */
export const heartbeatAnswer = (errorCode: number): FrameWriter => new FrameWriter().int32(0).int16(errorCode)
export const leaveGroupAnswer = (): FrameWriter => new FrameWriter().int32(0).int16(errorCodes.none).int32(0)
/** "Nothing new": what a long poll ends with. */
export const emptyFetchAnswer = (): FrameWriter => new FrameWriter().int32(0).int16(errorCodes.none).int32(0).int32(0)

/** What KafkaJS wants to commit. It does so only to give up a position that is out of range. */
export interface CommitRequest {
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[]
  readonly answer: FrameWriter
}

export function readOffsetCommit(request: Buffer): CommitRequest {
  const reader = new FrameReader(request, requestBodyOffset(request))
  reader.string() // group
  reader.int32() // generation
  reader.string() // member
  const partitions: { topic: string; partition: number }[] = []
  const answer = new FrameWriter().int32(0)
  const topics = reader.int32()
  answer.int32(topics)
  for (let index = 0; index < topics; index++) {
    const topic = reader.string() ?? ''
    const count = reader.int32()
    answer.string(topic).int32(count)
    for (let inner = 0; inner < count; inner++) {
      const partition = reader.int32()
      reader.int64()
      reader.string()
      partitions.push({ topic, partition })
      answer.int32(partition).int16(errorCodes.none)
    }
  }
  return { partitions, answer }
}

/** What a fetch answer shows without its records. */
export interface FetchSummary {
  /** The next fetch of this node waits so long, as the broker asks for it; in milliseconds. */
  readonly throttleMs: number
  /** A partition was asked of the wrong node, or is away for a moment: leaders have to be looked up. */
  readonly stale: boolean
  readonly recordBytes: number
  readonly partitions: readonly FetchedPartition[]
}

export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: bigint
  readonly lastStableOffset: bigint
  readonly recordBytes: number
  /** Leader epochs of the first and the last batch of records; −1 where there is none, or its format has no epochs. */
  readonly firstEpoch: number
  readonly lastEpoch: number
  /** The last offset of that last batch; −1 where there is none. */
  readonly lastOffset: bigint
  /** Where its error code is in the frame. */
  readonly errorAt: number
}

/** Errors of a partition that pass, by Kafka's names for them. KafkaJS would rejoin or crash. */
const passing: ReadonlyMap<number, string> = new Map([
  [3, 'UNKNOWN_TOPIC_OR_PARTITION'],
  [5, 'LEADER_NOT_AVAILABLE'],
  [6, 'NOT_LEADER_OR_FOLLOWER'],
  [9, 'REPLICA_NOT_AVAILABLE'],
  [13, 'NETWORK_EXCEPTION'],
  [56, 'KAFKA_STORAGE_ERROR'],
  [74, 'FENCED_LEADER_EPOCH'],
  [75, 'UNKNOWN_LEADER_EPOCH'],
  [78, 'OFFSET_NOT_AVAILABLE'],
  [100, 'UNKNOWN_TOPIC_ID'],
])

/** An error of a fetch as a reader looks it up. */
export const fetchErrorName = (code: number): string =>
  `${passing.get(code) ?? (code === errorCodes.offsetOutOfRange ? 'OFFSET_OUT_OF_RANGE' : 'an error')} (error ${code})`

/**
 * Reads the headers of a fetch answer and turns passing errors of single partitions into "nothing new", in the frame.
 * An offset is out of range only if the partition's leader says so: a replica in one's rack may lag behind.
 */
export function readFetch(
  frame: Buffer,
  version: FetchVersion,
  nodeId: number,
  leaderOf: (topic: string, partition: number) => number | undefined,
): FetchSummary {
  const reader = new FrameReader(frame)
  const throttleMs = reader.int32()
  reader.skip(2 + 4) // error, session
  let stale = false
  let recordBytes = 0
  const partitions: FetchedPartition[] = []
  reader.array(() => {
    const topic = reader.string() ?? ''
    reader.array(() => {
      const partition = reader.int32()
      const errorAt = reader.at
      const errorCode = reader.int16()
      const leader = leaderOf(topic, partition)
      const lags = errorCode === errorCodes.offsetOutOfRange && leader !== nodeId
      const passes = lags || passing.has(errorCode)
      if (passes) {
        stale = true
        frame.writeInt16BE(errorCodes.none, errorAt)
      }
      const highWatermark = reader.int64()
      const lastStableOffset = reader.int64()
      reader.skip(8)
      reader.skip(16 * Math.max(0, reader.int32()))
      if (version === 11) {
        // The preferred read replica. One that is no replica any more would be asked until that preference expires.
        if (passes && leader !== undefined && leader !== nodeId) frame.writeInt32BE(leader, reader.at)
        reader.skip(4)
      }
      const bytes = Math.max(0, reader.int32())
      const epochs = epochsIn(frame, reader.at, bytes)
      reader.skip(bytes)
      recordBytes += bytes
      const read = { topic, partition, errorCode, highWatermark, lastStableOffset, recordBytes: bytes }
      partitions.push({ ...read, ...epochs, errorAt })
    })
  })
  return { throttleMs, stale, recordBytes, partitions }
}

const batchHeaderBytes = 12
const epochAt = 12
const magicAt = 16
const lastOffsetDeltaAt = 23

/** The leader epochs of the record batches in these bytes; the last one may be cut off. */
function epochsIn(
  frame: Buffer,
  from: number,
  bytes: number,
): { firstEpoch: number; lastEpoch: number; lastOffset: bigint } {
  const end = from + bytes
  let firstEpoch = -1
  let lastEpoch = -1
  let lastOffset = -1n
  for (let at = from; at + lastOffsetDeltaAt + 4 <= end; ) {
    const length = frame.readInt32BE(at + 8)
    if (length <= 0) break
    if (frame.readInt8(at + magicAt) >= 2) {
      lastEpoch = frame.readInt32BE(at + epochAt)
      if (firstEpoch < 0) firstEpoch = lastEpoch
      lastOffset = frame.readBigInt64BE(at) + BigInt(frame.readInt32BE(at + lastOffsetDeltaAt))
    }
    at += batchHeaderBytes + length
  }
  return { firstEpoch, lastEpoch, lastOffset }
}

/** The error code of an answer that begins with throttle time and error: join, sync, heartbeat, leave. */
export const groupErrorOf = (frame: Buffer): number => frame.readInt16BE(12)

/** The error code of an offset fetch, which is its last field. */
export const offsetFetchErrorOf = (frame: Buffer): number => frame.readInt16BE(frame.length - 2)

/** A join's answer. */
export function readJoin(frame: Buffer): { errorCode: number; generation: number; leaderId: string; memberId: string } {
  const reader = new FrameReader(frame)
  reader.int32()
  const errorCode = reader.int16()
  const generation = reader.int32()
  reader.string() // protocol
  return { errorCode, generation, leaderId: reader.string() ?? '', memberId: reader.string() ?? '' }
}

/** The partitions in a sync's answer; none where it has an error or gives nothing. */
export function readSync(frame: Buffer): PartitionsByTopic {
  const reader = new FrameReader(frame)
  reader.skip(4 + 2) // throttle, error
  const bytes = reader.int32()
  const assigned: Record<string, number[]> = {}
  if (bytes <= 0) return assigned
  reader.skip(2) // version
  reader.array(() => {
    const partitions: number[] = []
    assigned[reader.string() ?? ''] = partitions
    reader.array(() => partitions.push(reader.int32()))
  })
  return assigned
}

/** What the group has committed of one partition; the offset is −1 where nothing was committed. */
export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly metadata: string | null
  readonly errorCode: number
}

/** The committed offsets of an offset fetch. */
export function readOffsetFetch(frame: Buffer): CommittedOffset[] {
  const reader = new FrameReader(frame)
  reader.int32()
  const found: CommittedOffset[] = []
  reader.array(() => {
    const topic = reader.string() ?? ''
    reader.array(() => {
      const partition = reader.int32()
      const offset = reader.int64()
      found.push({ topic, partition, offset, metadata: reader.string(), errorCode: reader.int16() })
    })
  })
  return found
}

/** The partitions an offset fetch asks for. */
export function readOffsetFetchRequest(request: Buffer): TopicPartition[] {
  const reader = new FrameReader(request, requestBodyOffset(request))
  reader.string() // group
  const asked: TopicPartition[] = []
  reader.array(() => {
    const topic = reader.string() ?? ''
    reader.array(() => asked.push({ topic, partition: reader.int32() }))
  })
  return asked
}

/** The answer to an offset fetch. Reading begins where it says, so this is where positions are set; KafkaJS asks again for what is left out. */
export function offsetFetchAnswer(places: readonly (TopicPartition & { readonly offset: bigint })[]): FrameWriter {
  const topics = new Map<string, (typeof places)[number][]>()
  for (const place of places) topics.set(place.topic, [...(topics.get(place.topic) ?? []), place])
  const answer = new FrameWriter().int32(0).int32(topics.size)
  for (const [topic, list] of topics) {
    answer.string(topic).int32(list.length)
    for (const { partition, offset } of list) {
      answer.int32(partition).int64(offset).string(null).int16(errorCodes.none)
    }
  }
  return answer.int16(errorCodes.none)
}
