/** A segment: one file of a file journal, named by its first record, and how it is read, checked and written. */

import fs from 'node:fs'
import { join } from 'node:path'
import { brokenChain, type ChainEnd, endBefore, type JournalRecord } from './journal.ts'

export interface Segment {
  readonly path: string
  /** Seq of its first record. */
  readonly first: number
}

/** Where a segment stops being good. */
export interface Fault {
  /** Line in the file, from 1. */
  readonly line: number
  /** Bytes before it. */
  readonly offset: number
  readonly reason: string
  /** Whether it is only a last line that was not written to its end: its record never counted as appended. */
  readonly isTorn: boolean
}

/** The good part of a segment, and what ends it if something does. */
export interface Scan {
  /** The newest good record, or what was given; undefined when nothing was given and nothing is good. */
  readonly end: ChainEnd | undefined
  readonly records: number
  readonly bytes: number
  readonly fault: Fault | undefined
}

export function segmentAt(directory: string, first: number): Segment {
  return { path: join(directory, `${String(first).padStart(12, '0')}.jsonl`), first }
}

/** The segments in a directory, in order. */
export function segmentsIn(directory: string): Segment[] {
  return fs
    .readdirSync(directory)
    .filter((name) => /^\d{12,}\.jsonl$/.test(name))
    .map((name) => ({ path: join(directory, name), first: Number.parseInt(name, 10) }))
    .sort((one, other) => one.first - other.first)
}

/**
 * Checks the lines of `bytes` until one is not good: whole, JSON, the next in the chain, and equal to its checksum. `start` is where the
 * chain ended before; without it the first line says so itself, as a journal may have lost its head.
 */
export function scan(bytes: Buffer, start?: ChainEnd, found: (record: JournalRecord) => void = () => {}): Scan {
  let end = start
  let records = 0
  let offset = 0
  const stopped = (reason: string, isTorn = false): Scan => {
    return { end, records, bytes: offset, fault: { line: records + 1, offset, reason, isTorn } }
  }
  while (offset < bytes.length) {
    const newline = bytes.indexOf(10, offset)
    if (newline < 0) {
      // A whole record without its line's end did count once: then the end was damaged.
      const isWhole = isRecord(bytes.subarray(offset)) || isRecord(bytes.subarray(offset, -1))
      return stopped(isWhole ? 'it has no end' : 'it was not written to its end', !isWhole)
    }
    const record = parse(bytes.subarray(offset, newline))
    if (record === undefined) return stopped('it is no record')
    const broken = brokenChain(record, end ?? endBefore(record))
    if (broken !== undefined) return stopped(broken)
    found(record)
    end = record
    records += 1
    offset = newline + 1
  }
  return { end, records, bytes: offset, fault: undefined }
}

/** Reads and checks a whole segment; its name has to fit its first record. */
export function scanSegment(
  { path, first }: Segment,
  start?: ChainEnd,
  found: (record: JournalRecord) => void = () => {},
): Scan {
  let begins: number | undefined
  const seen = scan(fs.readFileSync(path), start, (record) => {
    begins ??= record.seq
    if (begins === first) found(record)
  })
  if (begins === undefined || begins === first) return seen
  const reason = `its name says record ${first}, its first line is record ${begins}`
  return { end: start, records: 0, bytes: 0, fault: { line: 1, offset: 0, reason, isTorn: false } }
}

/** Writes all of `bytes`: a full disk takes a part of them and says so only at the next write. */
export function writeAll(descriptor: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    const written = fs.writeSync(descriptor, bytes, done)
    if (written === 0) throw new Error(`only ${done} of ${bytes.length} bytes were written`)
    done += written
  }
}

/** Opens a file or a directory; what `change` does to it is on the disk when this returns. */
export function durably(path: string, flags: string, change: (descriptor: number) => void): void {
  const descriptor = fs.openSync(path, flags, 0o600)
  try {
    change(descriptor)
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** A new name in a directory, or a name less, is durable only when the directory is. */
export const syncDirectory = (directory: string): void => durably(directory, 'r', () => {})

const isRecord = (bytes: Buffer): boolean => parse(bytes) !== undefined

function parse(bytes: Buffer): JournalRecord | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof (value as JournalRecord | null)?.seq === 'number' ? (value as JournalRecord) : undefined
  } catch {
    return undefined
  }
}
