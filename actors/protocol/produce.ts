/** Produce requests of KafkaJS's producers and their answers, partition by partition (version 7, Kafka 2.0). */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import { apiVersionOf, FrameReader, FrameWriter, requestBodyOffset } from './frames.ts'
import { type BatchNumbers, numbersOf } from './record-batch.ts'

/** The one version that is read here; every broker has it. */
const produceVersion = 7

export interface ProducedPartition extends TopicPartition, BatchNumbers {
  readonly records: Buffer
}

/** What holds for all of a request. */
export interface ProduceTerms {
  readonly transactionalId: string | null
  /** 0: no broker answers. */
  readonly acks: number
  /** How long the leader may wait for replicas, in milliseconds. */
  readonly timeoutMs: number
}

export interface ProduceRequest extends ProduceTerms {
  readonly partitions: readonly ProducedPartition[]
}

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
    partitions.push({ topic, partition, records, ...numbersOf(records) })
  })
  return { transactionalId, acks, timeoutMs, partitions }
}

/** The same request for some of its partitions. */
export function produceRequest(
  { transactionalId, acks }: ProduceTerms,
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
