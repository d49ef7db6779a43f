/** Batches of records as producers write them (magic 2, Kafka 0.11): whose they are, numbered otherwise, and several of them as one. */

/** Of which producer a batch is, and which of its messages are in it. */
export interface BatchNumbers {
  /** Of an idempotent or transactional producer; −1 of a plain one. */
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Of the first message. */
  readonly sequence: number
  /** The number of messages. */
  readonly count: number
}

/** CRC-32C. */
export type Checksum = (bytes: Buffer) => number

/** Where a batch has these fields. The length is of all that stands behind it, and so is the checksum. */
const lengthAt = 8
const leaderEpochAt = 12
const magicAt = 16
const crcAt = 17
const attributesAt = 21
const lastOffsetDeltaAt = 23
const firstTimestampAt = 27
const maxTimestampAt = 35
const producerIdAt = 43
const producerEpochAt = 51
const sequenceAt = 53
const countAt = 57
const headerBytes = 61

const none: BatchNumbers = { producerId: -1n, producerEpoch: -1, sequence: -1, count: 0 }

export function numbersOf(records: Buffer): BatchNumbers {
  if (records.length < headerBytes) return none
  return {
    producerId: records.readBigInt64BE(producerIdAt),
    producerEpoch: records.readInt16BE(producerEpochAt),
    sequence: records.readInt32BE(sequenceAt),
    count: records.readInt32BE(countAt),
  }
}

/** The same batch, of this producer and from this sequence on. */
export function renumbered(
  records: Buffer,
  { producerId, producerEpoch, sequence }: Omit<BatchNumbers, 'count'>,
  checksum: Checksum,
): Buffer {
  const batch = Buffer.from(records)
  batch.writeBigInt64BE(producerId, producerIdAt)
  batch.writeInt16BE(producerEpoch, producerEpochAt)
  batch.writeInt32BE(sequence, sequenceAt)
  batch.writeUInt32BE(checksum(batch.subarray(attributesAt)), crcAt)
  return batch
}

/** Whether it is one batch of a plain producer, not compressed, outside transactions, with the times of the producer. */
export function isJoinable(records: Buffer): boolean {
  return (
    records.length > headerBytes &&
    records.readInt32BE(lengthAt) === records.length - leaderEpochAt &&
    records.readInt8(magicAt) === 2 &&
    records.readInt16BE(attributesAt) === 0 &&
    records.readInt32BE(producerIdAt) < 0
  )
}

/** One batch with the messages of all of these, which can be joined, in their order. */
export function joined(batches: readonly Buffer[], checksum: Checksum): Buffer {
  const [first] = batches
  if (!first || batches.length === 1) return first ?? Buffer.alloc(0)
  const bytes = batches.reduce((sum, { length }) => sum + length, 0)
  const count = batches.reduce((sum, each) => sum + each.readInt32BE(countAt), 0)
  const timestamps = batches.map((each) => Number(each.readBigInt64BE(firstTimestampAt)))
  const firstTimestamp = Math.min(...timestamps)
  const maxTimestamp = Math.max(...batches.map((each) => Number(each.readBigInt64BE(maxTimestampAt))))
  const writing = new RecordWriter(bytes + count * mostGrowth)
  writing.copy(first, 0, headerBytes)
  let offset = 0
  for (const [index, each] of batches.entries()) {
    const laterMs = (timestamps[index] ?? 0) - firstTimestamp
    const records = new RecordReader(each)
    if (laterMs === 0 && offset === 0) writing.copy(each, headerBytes, each.length)
    else while (records.at < each.length) writing.moved(records, laterMs, offset)
    offset += each.readInt32BE(countAt)
  }
  const batch = writing.bytes.subarray(0, writing.at)
  batch.writeInt32BE(batch.length - leaderEpochAt, lengthAt)
  batch.writeInt32BE(count - 1, lastOffsetDeltaAt)
  batch.writeBigInt64BE(BigInt(firstTimestamp), firstTimestampAt)
  batch.writeBigInt64BE(BigInt(maxTimestamp), maxTimestampAt)
  batch.writeInt32BE(count, countAt)
  batch.writeUInt32BE(checksum(batch.subarray(attributesAt)), crcAt)
  return batch
}

/** A record gets no longer than by this: its time takes up to 10 bytes, its offset and its length up to 5. */
const mostGrowth = 20

/** Numbers of variable length in zigzag order: 0, −1, 1, −2 … are written as 0, 1, 2, 3 … */
class RecordReader {
  readonly bytes: Buffer
  at = headerBytes

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  varint(): number {
    let value = 0
    for (let place = 1; ; place *= 128) {
      const byte = this.bytes.readUInt8(this.at++)
      value += (byte % 128) * place
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
  }
}

class RecordWriter {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafe(bytes)
  }

  copy(from: Buffer, start: number, end: number): void {
    this.at += from.copy(this.bytes, this.at, start, end)
  }

  /** The next record, with its time and its offset moved by so much. */
  moved(records: RecordReader, laterMs: number, offset: number): void {
    const end = records.varint() + records.at
    const attributes = records.bytes.readUInt8(records.at++)
    const [timestampDelta, offsetDelta] = [records.varint() + laterMs, records.varint() + offset]
    const rest = end - records.at
    this.varint(1 + sizeOf(timestampDelta) + sizeOf(offsetDelta) + rest)
    this.bytes[this.at++] = attributes
    this.varint(timestampDelta)
    this.varint(offsetDelta)
    this.copy(records.bytes, records.at, end)
    records.at = end
  }

  private varint(value: number): void {
    let left = zigzag(value)
    for (; left >= 128; left = Math.floor(left / 128)) this.bytes[this.at++] = (left % 128) + 128
    this.bytes[this.at++] = left
  }
}

const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value)

function sizeOf(value: number): number {
  let bytes = 1
  for (let left = zigzag(value); left >= 128; left = Math.floor(left / 128)) bytes++
  return bytes
}
