/** A journal scan: the records of a file journal read without its lock and without changing anything, as far as they are good. */

import fs from 'node:fs'
import { type ChainEnd, type JournalRecord, journalError } from './journal.ts'
import { type Fault, type Scan, type Segment, scan, scanSegment, segmentsIn } from './segment.ts'

/** Where a journal stops being good, and what stands behind it. */
export interface Damage extends Fault {
  readonly file: string
  /** Lines of the file from the damaged one on. */
  readonly linesBehind: number
  readonly filesBehind: number
}

/** Iterated once, it gives the records until one is not good; what it found on the way stands in its members. */
export class JournalScan implements Iterable<JournalRecord> {
  records = 0
  oldest: JournalRecord | undefined
  newest: JournalRecord | undefined
  damage: Damage | undefined
  /** Bytes of a last line without an end: somebody is writing it, or died while writing. */
  unfinishedBytes = 0
  readonly segments: readonly Segment[]
  private readonly isFolder: boolean

  /** `path`: a journal's directory, or one file of JSON lines. Throws `journal-failed` when there is no journal there. */
  constructor(path: string) {
    const stats = fs.statSync(path, { throwIfNoEntry: false })
    if (!stats) throw journalError(`There is no journal at ${path}.`)
    this.isFolder = stats.isDirectory()
    if (!this.isFolder && stats.size === 0) throw journalError(`${path} is empty.`)
    this.segments = this.isFolder ? segmentsIn(path) : [{ path, first: 1 }]
    if (this.segments.length === 0) throw journalError(`${path} has no files of a journal in it.`)
    for (const segment of this.segments) fs.accessSync(segment.path, fs.constants.R_OK)
  }

  *[Symbol.iterator](): Generator<JournalRecord> {
    let end: ChainEnd | undefined
    for (const [index, segment] of this.segments.entries()) {
      const found: JournalRecord[] = []
      const take = (record: JournalRecord) => void found.push(record)
      const seen: Scan = this.isFolder
        ? scanSegment(segment, end, take)
        : scan(fs.readFileSync(segment.path), end, take)
      this.records += found.length
      this.oldest ??= found[0]
      this.newest = found.at(-1) ?? this.newest
      end = seen.end
      yield* found
      if (!seen.fault) continue
      const filesBehind = this.segments.length - index - 1
      const bytes = fs.readFileSync(segment.path).subarray(seen.fault.offset)
      const linesBehind = bytes.toString('latin1').replace(/\n$/, '').split('\n').length
      // Without a single record it is not known to be a journal at all.
      if (seen.fault.isTorn && filesBehind === 0 && this.records > 0) this.unfinishedBytes = bytes.length
      else this.damage = { ...seen.fault, file: segment.path, linesBehind, filesBehind }
      return
    }
  }
}
