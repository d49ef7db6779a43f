// Kafka's primitive types as the simulated brokers write them, and record batches.

import { gzipSync } from 'node:zlib'
import { FrameReader } from '../../../actors/protocol/frames.ts'

/** Bytes that grow. */
export class Bytes {
  private buffer = Buffer.allocUnsafe(256)
  private length = 0

  int8(value: number): this {
    this.room(1)
    this.buffer[this.length++] = value & 0xff
    return this
  }

  int16(value: number): this {
    this.room(2)
    this.length = this.buffer.writeInt16BE(value, this.length)
    return this
  }

  int32(value: number): this {
    this.room(4)
    this.length = this.buffer.writeInt32BE(value, this.length)
    return this
  }

  int64(value: number): this {
    this.room(8)
    this.length = this.buffer.writeBigInt64BE(BigInt(value), this.length)
    return this
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const bytes = Buffer.byteLength(value)
    this.int16(bytes).room(bytes)
    this.length += this.buffer.write(value, this.length)
    return this
  }

  /** With the length before it. */
  block(bytes: Buffer): this {
    return this.int32(bytes.length).raw(bytes)
  }

  raw(bytes: Buffer): this {
    this.room(bytes.length)
    this.length += bytes.copy(this.buffer, this.length)
    return this
  }

  /** A number of variable length, as records have them. */
  varint(value: number): this {
    let rest = value >= 0 ? value * 2 : -value * 2 - 1
    while (rest > 127) {
      this.int8((rest % 128) + 128)
      rest = Math.floor(rest / 128)
    }
    return this.int8(rest)
  }

  /** A number without a sign, as flexible versions write lengths. */
  uvarint(value: number): this {
    let rest = value
    while (rest > 127) {
      this.int8((rest % 128) + 128)
      rest = Math.floor(rest / 128)
    }
    return this.int8(rest)
  }

  compactString(value: string): this {
    const bytes = Buffer.from(value)
    return this.uvarint(bytes.length + 1).raw(bytes)
  }

  array<Item>(items: readonly Item[], each: (item: Item) => void): this {
    this.int32(items.length)
    for (const item of items) each(item)
    return this
  }

  taken(): Buffer {
    return this.buffer.subarray(0, this.length)
  }

  private room(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }
}

/** An answer frame around a body. */
export function answerFrame(correlation: number, body: Buffer): Buffer {
  return new Bytes()
    .int32(body.length + 4)
    .int32(correlation)
    .raw(body)
    .taken()
}

/** Reads a request's body. */
export class Reading extends FrameReader {
  long(): number {
    return Number(this.int64())
  }

  text(): string {
    return this.string() ?? ''
  }

  block(): Buffer {
    const length = Math.max(0, this.int32())
    this.at += length
    return Buffer.from(this.frame.subarray(this.at - length, this.at))
  }

  list<Item>(each: () => Item): Item[] {
    return Array.from({ length: Math.max(0, this.int32()) }, each)
  }
}

/** How a batch is marked. */
export interface BatchMarks {
  readonly leaderEpoch: number
  /** Packed with gzip. */
  readonly isPacked?: boolean
  /** Part of a transaction of this producer. */
  readonly producerId?: number
  /** The end of a transaction: no message. */
  readonly isControl?: boolean
}

export interface RawRecord {
  readonly key: Buffer
  readonly value: Buffer
}

const attributes = { gzip: 1, transactional: 16, control: 32 } as const

/** A batch of records as brokers keep them. */
export function recordBatch(firstOffset: number, records: readonly RawRecord[], marks: BatchMarks): Buffer {
  const { leaderEpoch, isPacked = false, producerId = -1, isControl = false } = marks
  const body = new Bytes()
  for (const [index, { key, value }] of records.entries()) {
    const record = new Bytes().int8(0).varint(0).varint(index)
    for (const bytes of [key, value]) record.varint(bytes.length).raw(bytes)
    const bytes = record.varint(0).taken()
    body.varint(bytes.length).raw(bytes)
  }
  const flags =
    (isPacked ? attributes.gzip : 0) +
    (producerId < 0 ? 0 : attributes.transactional) +
    (isControl ? attributes.control : 0)
  const content = new Bytes().int32(leaderEpoch).int8(2).int32(0).int16(flags)
  content
    .int32(records.length - 1)
    .int64(0)
    .int64(0)
    .int64(producerId)
    .int16(producerId < 0 ? -1 : 0)
    .int32(-1)
  const packed = isPacked ? gzipSync(body.taken(), { level: 1 }) : body.taken()
  content.int32(records.length).raw(packed)
  return new Bytes().int64(firstOffset).block(content.taken()).taken()
}
