/** A survey: the records of a file journal read without its lock and without changing anything, as far as they are good. */

import fs from 'node:fs'
import { type ChainEnd, type JournalRecord, journalError } from './journal.ts'
import { type Fault, type Scan, type Segment, scan, scanSegment, segmentsIn } from './segment.ts'

/** What was found. */
export interface Survey {
  readonly files: number
  readonly records: number
  readonly oldest: JournalRecord | undefined
  readonly newest: JournalRecord | undefined
  readonly damage: Damage | undefined
  /** Bytes of a last line without an end: somebody is writing it, or died while writing. */
  readonly unfinishedBytes: number
}

/** Where a journal stops being good, and what stands behind it. */
export interface Damage extends Fault {
  readonly file: string
  /** Lines of the file from the damaged one on. */
  readonly linesBehind: number
  readonly filesBehind: number
}

/**
 * Yields the records of a journal's directory, or of one file of JSON lines, until one is not good; returns what it found. Throws
 * `journal-failed` when there is no journal at `path`.
 */
export function* survey(path: string): Generator<JournalRecord, Survey> {
  const isFolder = kindOf(path).isDirectory()
  if (!isFolder && fs.statSync(path).size === 0) throw journalError(`${path} is empty.`)
  const segments: readonly Segment[] = isFolder ? segmentsIn(path) : [{ path, first: 1 }]
  if (segments.length === 0) throw journalError(`${path} has no files of a journal in it.`)
  let records = 0
  let oldest: JournalRecord | undefined
  let newest: JournalRecord | undefined
  let end: ChainEnd | undefined
  for (const [index, segment] of segments.entries()) {
    const found: JournalRecord[] = []
    const take = (record: JournalRecord) => void found.push(record)
    const seen: Scan = isFolder ? scanSegment(segment, end, take) : scan(fs.readFileSync(path), end, take)
    records += found.length
    oldest ??= found[0]
    newest = found.at(-1) ?? newest
    end = seen.end
    yield* found
    const { fault } = seen
    if (!fault) continue
    const filesBehind = segments.length - index - 1
    const bytes = fs.readFileSync(segment.path).subarray(fault.offset)
    const whole = { files: segments.length, records, oldest, newest }
    // Without a single record it is not known to be a journal at all.
    if (fault.isTorn && filesBehind === 0 && records > 0)
      return { ...whole, damage: undefined, unfinishedBytes: bytes.length }
    const linesBehind = bytes.toString('latin1').replace(/\n$/, '').split('\n').length
    return { ...whole, damage: { ...fault, file: segment.path, linesBehind, filesBehind }, unfinishedBytes: 0 }
  }
  return { files: segments.length, records, oldest, newest, damage: undefined, unfinishedBytes: 0 }
}

function kindOf(path: string): fs.Stats {
  try {
    return fs.statSync(path)
  } catch (error) {
    throw journalError(`There is no journal at ${path}.`, error)
  }
}
