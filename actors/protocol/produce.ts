/** Produce requests of KafkaJS's producers and their answers, partition by partition (version 7, Kafka 2.0). */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import { apiVersionOf, FrameReader, FrameWriter, requestBodyOffset } from './frames.ts'

/** The one version that is read here; every broker has it. */
const produceVersion = 7

export interface ProducedPartition extends TopicPartition {
  readonly records: Buffer
  /** Of an idempotent or transactional producer; −1 of a plain one. */
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Of the first message. */
  readonly sequence: number
  /** The number of messages. */
  readonly count: number
}

export interface ProduceRequest {
  readonly transactionalId: string | null
  /** 0: no broker answers. */
  readonly acks: number
  /** How long the leader may wait for replicas, in milliseconds. */
  readonly timeoutMs: number
  readonly partitions: readonly ProducedPartition[]
}

/** Where a batch of records has these fields (magic 2, Kafka 0.11). The checksum is of all that stands behind it. */
const crcAt = 17
const checkedAt = 21
const producerIdAt = 43
const producerEpochAt = 51
const sequenceAt = 53
const countAt = 57
const batchHeaderBytes = 61

export const isRead = (request: Buffer): boolean => apiVersionOf(request) === produceVersion

export function readProduce(request: Buffer): ProduceRequest {
  const reader = new FrameReader(request, requestBodyOffset(request))
  const transactionalId = reader.string()
  const acks = reader.int16()
  const timeoutMs = reader.int32()
  const partitions: ProducedPartition[] = []
  reader.partitions((topic) => {
    const partition = reader.int32()
    const bytes = Math.max(0, reader.int32())
    const records = request.subarray(reader.at, reader.at + bytes)
    reader.skip(bytes)
    const isBatch = bytes >= batchHeaderBytes
    partitions.push({
      ...{ topic, partition, records },
      producerId: isBatch ? records.readBigInt64BE(producerIdAt) : -1n,
      producerEpoch: isBatch ? records.readInt16BE(producerEpochAt) : -1,
      sequence: isBatch ? records.readInt32BE(sequenceAt) : -1,
      count: isBatch ? records.readInt32BE(countAt) : 0,
    })
  })
  return { transactionalId, acks, timeoutMs, partitions }
}

/** The same batch, of this producer and from this sequence on. `checksum` is CRC-32C. */
export function renumbered(
  records: Buffer,
  { producerId, producerEpoch, sequence }: Pick<ProducedPartition, 'producerId' | 'producerEpoch' | 'sequence'>,
  checksum: (bytes: Buffer) => number,
): Buffer {
  const batch = Buffer.from(records)
  batch.writeBigInt64BE(producerId, producerIdAt)
  batch.writeInt16BE(producerEpoch, producerEpochAt)
  batch.writeInt32BE(sequence, sequenceAt)
  batch.writeUInt32BE(checksum(batch.subarray(checkedAt)), crcAt)
  return batch
}

/** The same request for some of its partitions. */
export function produceRequest(
  { transactionalId, acks }: ProduceRequest,
  partitions: readonly ProducedPartition[],
  timeoutMs: number,
  clientId: string,
): Buffer {
  const body = new FrameWriter().string(transactionalId).int16(acks).int32(timeoutMs)
  const write = ({ partition, records }: ProducedPartition) =>
    body.int32(partition).int32(records.length).bytes(records)
  return body.partitions(partitions, write).request(0, produceVersion, clientId)
}

/** What became of one partition. */
export interface ProducedResult extends TopicPartition {
  readonly errorCode: number
  /** The offset of its first message; −1 where that is not known. */
  readonly offset: bigint
  /** −1 where the topic keeps the times of its producers. */
  readonly logAppendTime: bigint
  readonly logStart: bigint
}

export function readProduced(answer: Buffer): {
  readonly results: readonly ProducedResult[]
  readonly throttleMs: number
} {
  const reader = new FrameReader(answer)
  const results: ProducedResult[] = []
  reader.partitions((topic) => {
    const [partition, errorCode] = [reader.int32(), reader.int16()]
    results.push({
      topic,
      partition,
      errorCode,
      offset: reader.int64(),
      logAppendTime: reader.int64(),
      logStart: reader.int64(),
    })
  })
  return { results, throttleMs: reader.int32() }
}

export function producedAnswer(results: readonly ProducedResult[], throttleMs: number): Buffer {
  const answer = new FrameWriter()
  const write = ({ partition, errorCode, offset, logAppendTime, logStart }: ProducedResult) =>
    answer.int32(partition).int16(errorCode).int64(offset).int64(logAppendTime).int64(logStart)
  return answer.partitions(results, write).int32(throttleMs).answer()
}
