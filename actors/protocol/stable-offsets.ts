/**
 * OffsetFetch in a version that KafkaJS does not know: with `require_stable` the coordinator gives no offset that an open transaction is about to
 * commit (version 7, Kafka 2.5; KIP-447). Requests and answers of version 4 are what KafkaJS writes and reads.
 */

import { apiKeys, errorCodes, FrameReader, FrameWriter, requestBodyOffset } from './frames.ts'
import type { CommittedOffset } from './group-answers.ts'

/** The version that is asked for, as far as brokers speak it. */
export const stableVersion = 7

/** An offset fetch of KafkaJS's that asks for stable offsets. */
export function stableOffsetFetch(request: Buffer, clientId: string): Buffer {
  const reader = new FrameReader(request, requestBodyOffset(request))
  const body = new FrameWriter().compactString(reader.string() ?? '')
  // Null, for all of them, is −1 there and 0 here.
  const length = () => {
    const count = reader.int32()
    body.varint(count + 1)
    return count
  }
  for (let topics = length(); topics > 0; topics--) {
    body.compactString(reader.string() ?? '')
    for (let partitions = length(); partitions > 0; partitions--) body.int32(reader.int32())
    body.varint(0)
  }
  return body.int8(1).varint(0).request(apiKeys.offsetFetch, stableVersion, clientId, true)
}

/** What the coordinator answers to it. */
export interface StableOffsets {
  readonly throttleMs: number
  /** Those of which an open transaction is about to commit another offset have the error UNSTABLE_OFFSET_COMMIT. */
  readonly offsets: readonly CommittedOffset[]
  readonly errorCode: number
}

export function readStableOffsets(frame: Buffer): StableOffsets {
  const reader = new FrameReader(frame)
  reader.tags()
  const throttleMs = reader.int32()
  const offsets: CommittedOffset[] = []
  reader.compactArray(() => {
    const topic = reader.compactString() ?? ''
    reader.compactArray(() => {
      const partition = reader.int32()
      const offset = reader.int64()
      reader.skip(4) // leader epoch
      offsets.push({ topic, partition, offset, metadata: reader.compactString(), errorCode: reader.int16() })
      reader.tags()
    })
    reader.tags()
  })
  return { throttleMs, offsets, errorCode: reader.int16() }
}

export const isUnstable = ({ offsets }: StableOffsets): boolean =>
  offsets.some(({ errorCode }) => errorCode === errorCodes.unstableOffsetCommit)

/** The same as KafkaJS reads it. */
export function committedOffsetsAnswer({ throttleMs, offsets, errorCode }: StableOffsets): Buffer {
  const answer = new FrameWriter().int32(throttleMs)
  const write = ({ partition, offset, metadata, errorCode }: CommittedOffset) =>
    answer.int32(partition).int64(offset).string(metadata).int16(errorCode)
  return answer.partitions(offsets, write).int16(errorCode).answer()
}
