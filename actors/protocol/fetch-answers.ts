/** Answers to fetches on their way to KafkaJS: read, and changed where KafkaJS would take an error that passes for more than it is. */

import { errorCodes, FrameReader, FrameWriter } from './frames.ts'

/**
 * Versions of Fetch. From 11 on, a broker that follows a partition answers a consumer's fetch itself: right for reading in
 * one's own rack, but a consumer that asks the wrong broker is not told so and stays with it. Up to 10 it is.
 */
export type FetchVersion = 10 | 11

/** "Nothing new": what a long poll ends with. */
export const emptyFetchAnswer = (): FrameWriter => new FrameWriter().int32(0).int16(errorCodes.none).int32(0).int32(0)

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
  reader.partitions((topic) => {
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
    reader.skip(8) // start of the log
    reader.skip(16 * Math.max(0, reader.int32())) // aborted transactions
    if (version === 11) {
      // The preferred read replica. One that is no replica any more would be asked until that preference expires.
      if (passes && leader !== undefined && leader !== nodeId) frame.writeInt32BE(leader, reader.at)
      reader.skip(4)
    }
    const bytes = Math.max(0, reader.int32())
    const epochs = epochsIn(frame, reader.at, bytes)
    reader.skip(bytes)
    recordBytes += bytes
    partitions.push({ topic, partition, errorCode, highWatermark, lastStableOffset, ...epochs, errorAt })
  })
  return { throttleMs, stale, recordBytes, partitions }
}

const batchHeaderBytes = 12
const epochAt = 12
const magicAt = 16
const lastOffsetDeltaAt = 23

/** The leader epochs of the record batches in these bytes; the last one may be cut off. */
function epochsIn(frame: Buffer, from: number, bytes: number) {
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
