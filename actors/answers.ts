/**
 * Answers on their way to KafkaJS: read, changed, or made up.
 *
 * KafkaJS is told to speak exactly the versions named here (brokers 2.4 to 4.x know them, see versions.ts), so each answer has one layout.
 */

import { apiKeys, errorCodes, FrameReader, FrameWriter, requestBodyOffset } from './frames.ts'
import { coordinatorNodeId } from './kafka.ts'

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

const anyPort = 9092

/** The constant name under which KafkaJS knows a node. */
const nodeName = (nodeId: number): string => `node-${nodeId}`
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

/** A metadata answer for KafkaJS. */
export interface HiddenMetadata {
  readonly answer: FrameWriter
  /** A partition has no leader at the moment: ask again soon. */
  readonly leaderless: boolean
}

/**
 * Replaces every address by the node's constant name, keeps nodes that vanished (a restarting broker must not make
 * KafkaJS tear its fetchers down), adds the coordinator's, and takes back the errors of single partitions, each of which
 * would fail the whole refresh for KafkaJS. Errors of topics stay.
 */
export function hideMetadata(frame: Buffer, knownNodes: Iterable<number>): HiddenMetadata {
  const reader = new FrameReader(frame)
  const throttleMs = reader.int32()
  const nodes = new Set([...knownNodes, coordinatorNodeId])
  reader.array(() => {
    nodes.add(reader.int32())
    reader.string()
    reader.int32()
    reader.string()
  })
  const answer = new FrameWriter().int32(throttleMs).int32(nodes.size)
  for (const nodeId of nodes) answer.int32(nodeId).string(nodeName(nodeId)).int32(anyPort).string(null)
  const rest = reader.at
  reader.string() // cluster id
  reader.int32() // controller
  let leaderless = false
  reader.array(() => {
    reader.int16()
    reader.string()
    reader.skip(1)
    reader.array(() => {
      if (reader.int16() !== errorCodes.none) frame.writeInt16BE(errorCodes.none, reader.at - 2)
      reader.int32()
      if (reader.int32() < 0) leaderless = true
      for (let list = 0; list < 3; list++) reader.skip(4 * Math.max(0, reader.int32()))
    })
  })
  return { answer: answer.bytes(frame.subarray(rest)), leaderless }
}

/** What a fetch answer shows without its records. */
export interface FetchSummary {
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
}

// Unknown topic or partition, leader not available, not leader, replica not available, network exception, storage error,
// fenced leader epoch, unknown leader epoch, offset not available, unknown topic id. KafkaJS would rejoin or crash.
const passing = new Set([3, 5, 6, 9, 13, 56, 74, 75, 78, 100])

/**
 * Reads the headers of a fetch answer and turns passing errors of single partitions into "nothing new", in the frame.
 * An offset is out of range only if the partition's leader says so: a replica in one's rack may lag behind.
 */
export function readFetch(
  frame: Buffer,
  version: FetchVersion,
  isLeader: (topic: string, partition: number) => boolean,
): FetchSummary {
  const reader = new FrameReader(frame)
  reader.skip(4 + 2 + 4) // throttle, error, session
  let stale = false
  let recordBytes = 0
  const partitions: FetchedPartition[] = []
  reader.array(() => {
    const topic = reader.string() ?? ''
    reader.array(() => {
      const partition = reader.int32()
      const errorCode = reader.int16()
      const lags = errorCode === errorCodes.offsetOutOfRange && !isLeader(topic, partition)
      if (lags || passing.has(errorCode)) {
        stale = true
        frame.writeInt16BE(errorCodes.none, reader.at - 2)
      }
      const highWatermark = reader.int64()
      const lastStableOffset = reader.int64()
      reader.skip(8)
      reader.skip(16 * Math.max(0, reader.int32()))
      if (version === 11) reader.skip(4) // preferred read replica
      const bytes = Math.max(0, reader.int32())
      reader.skip(bytes)
      recordBytes += bytes
      partitions.push({ topic, partition, errorCode, highWatermark, lastStableOffset, recordBytes: bytes })
    })
  })
  return { stale, recordBytes, partitions }
}

/** The error code of an answer that begins with throttle time and error: join, sync, heartbeat, leave. */
export const groupErrorOf = (frame: Buffer): number => frame.readInt16BE(12)

/** The error code of an offset fetch, which is its last field. */
export const offsetFetchErrorOf = (frame: Buffer): number => frame.readInt16BE(frame.length - 2)

/** A join's answer. */
export function readJoin(frame: Buffer): { errorCode: number; generation: number; memberId: string } {
  const reader = new FrameReader(frame)
  reader.int32()
  const errorCode = reader.int16()
  const generation = reader.int32()
  reader.string() // protocol
  reader.string() // leader
  return { errorCode, generation, memberId: reader.string() ?? '' }
}

/** One committed offset in an answer; −1 where nothing was committed. `start` writes where reading begins. */
export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  start(offset: bigint): void
}

/** The committed offsets of an offset fetch. Reading begins where the answer says, so this is where positions are set. */
export function readOffsetFetch(frame: Buffer): CommittedOffset[] {
  const reader = new FrameReader(frame)
  reader.int32()
  const found: CommittedOffset[] = []
  reader.array(() => {
    const topic = reader.string() ?? ''
    reader.array(() => {
      const partition = reader.int32()
      const at = reader.at
      const offset = reader.int64()
      reader.string()
      reader.int16()
      found.push({ topic, partition, offset, start: (value) => frame.writeBigInt64BE(value, at) })
    })
  })
  return found
}
