/** The requests by which load is measured, each in a version that brokers 2.4 to 4.x speak. Error codes in an answer stay data. */

import { errorCodes, FrameReader } from '../protocol/frames.ts'
import { type Call, callOf } from './calls.ts'
import { Encoder } from './parts.cjs'

/** Kafka's number of DescribeLogDirs, which KafkaJS does not know. */
const describeLogDirs = 35
/** Kafka's number for a topic among the things that have a configuration. */
const topicResource = 2

/** A replica as its broker has it on its disk. */
export interface ReplicaSize {
  readonly topic: string
  readonly partition: number
  /** In bytes. */
  readonly size: number
}

/** The headers of the batches that a fetch brought of one partition: their bytes and offsets together. */
export interface FetchedBatches {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly bytes: number
  readonly offsets: number
}

/** What is fetched, from where. */
export type FetchPlaces = readonly {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly from: bigint }[]
}[]

export const loadCalls = {
  /** All replicas of one broker (version 1), without those that are being moved between its disks. */
  replicaSizes: (): Call<{ readonly errorCode: number; readonly replicas: readonly ReplicaSize[] }> => ({
    ...{ apiKey: describeLogDirs, apiVersion: 1 },
    // Null: of all topics.
    encode: async () => new Encoder().writeInt32(-1),
    decode: async (body) => readReplicaSizes(body),
  }),
  /** The groups that one broker coordinates. */
  groups: () =>
    callOf<{ errorCode: number; groups: readonly { groupId: string; protocolType: string }[] }>('ListGroups', 2, {}),
  /** All that a group has committed, asked of its coordinator. */
  committed: (groupId: string) => ({
    ...callOf<{
      errorCode: number
      responses: readonly {
        topic: string
        partitions: readonly { partition: number; offset: string; errorCode: number }[]
      }[]
    }>('OffsetFetch', 4, { groupId, topics: [] }),
    // Null: of all partitions.
    encode: async () => new Encoder().writeString(groupId).writeInt32(-1),
  }),
  /** How topics are cleaned up: `delete`, `compact`, or both with a comma. */
  cleanupPolicies: (topics: readonly string[]) =>
    callOf<{
      resources: readonly {
        errorCode: number
        resourceName: string
        configEntries: readonly { configName: string; configValue: string | null }[]
      }[]
    }>('DescribeConfigs', 2, {
      resources: topics.map((name) => ({ type: topicResource, name, configNames: ['cleanup.policy'] })),
    }),
  /** The first batches at these places, at most so many bytes of each: their headers are all that is read. */
  batches: (places: FetchPlaces, bytesEach: number): Call<readonly FetchedBatches[]> => ({
    ...callOf<never>('Fetch', 10, {
      ...{ replicaId: -1, maxWaitTime: 0, minBytes: 0, maxBytes: bytesEach * countOf(places), isolationLevel: 0 },
      topics: places.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, from }) => ({
          ...{ partition, currentLeaderEpoch: -1, fetchOffset: String(from), maxBytes: bytesEach },
        })),
      })),
    }),
    decode: async (body) => readBatches(body),
  }),
}

const countOf = (places: FetchPlaces): number => places.reduce((sum, { partitions }) => sum + partitions.length, 0)

function readReplicaSizes(body: Buffer) {
  const reader = new FrameReader(body, 0)
  reader.skip(4) // throttle
  const replicas: ReplicaSize[] = []
  let errorCode: number = errorCodes.none
  reader.array(() => {
    errorCode = reader.int16() || errorCode
    reader.string() // the directory
    reader.partitions((topic) => {
      const partition = reader.int32()
      const size = Number(reader.int64())
      reader.skip(8) // how far it is behind
      const isFuture = reader.int8() !== 0
      if (!isFuture) replicas.push({ topic, partition, size })
    })
  })
  return { errorCode, replicas }
}

/** In a batch of records: where its length ends, where its format, its last offset and the number of its records are, and what of it is a header. */
const batch = {
  lengthAt: 8,
  lengthEnd: 12,
  magicAt: 16,
  lastOffsetDeltaAt: 23,
  recordsAt: 57,
  headerBytes: 61,
} as const

function readBatches(body: Buffer): FetchedBatches[] {
  const reader = new FrameReader(body, 0)
  reader.skip(4 + 2 + 4) // throttle, error, session
  const found: FetchedBatches[] = []
  reader.partitions((topic) => {
    const partition = reader.int32()
    const errorCode = reader.int16()
    reader.skip(8 + 8 + 8) // high watermark, last stable offset, start
    reader.skip(16 * Math.max(0, reader.int32())) // aborted transactions
    const length = Math.max(0, reader.int32())
    const headers = headersIn(body, reader.at, reader.at + length)
    reader.skip(length)
    found.push({ topic, partition, errorCode, ...headers })
  })
  return found
}

/** The last batch may be cut behind its header. One that was compacted has fewer records than offsets, and says nothing of how it was written. */
function headersIn(body: Buffer, from: number, end: number) {
  let [bytes, offsets] = [0, 0]
  for (let at = from; at + batch.headerBytes <= end; ) {
    const length = batch.lengthEnd + body.readInt32BE(at + batch.lengthAt)
    if (length < batch.headerBytes || body.readInt8(at + batch.magicAt) < 2) break
    const records = body.readInt32BE(at + batch.recordsAt)
    if (records === body.readInt32BE(at + batch.lastOffsetDeltaAt) + 1) {
      bytes += length
      offsets += records
    }
    at += length
  }
  return { bytes, offsets }
}
