// Kafka's primitive types as the simulated brokers write them, and record batches.

import { FrameReader } from '../../../actors/frames.ts'

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

/** A batch of records, not compressed. */
export function recordBatch(firstOffset: number, records: readonly { key: string; value: string }[]): Buffer {
  const body = new Bytes()
  for (const [index, { key, value }] of records.entries()) {
    const record = new Bytes().int8(0).varint(0).varint(index)
    for (const text of [key, value]) {
      const bytes = Buffer.from(text)
      record.varint(bytes.length).raw(bytes)
    }
    const bytes = record.varint(0).taken()
    body.varint(bytes.length).raw(bytes)
  }
  const content = new Bytes().int32(0).int8(2).int32(0).int16(0)
  content
    .int32(records.length - 1)
    .int64(0)
    .int64(0)
    .int64(-1)
    .int16(-1)
    .int32(-1)
  content.int32(records.length).raw(body.taken())
  return new Bytes().int64(firstOffset).block(content.taken()).taken()
}
