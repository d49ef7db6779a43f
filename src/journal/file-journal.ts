/** A journal in files: one JSON line per record, on the disk before `append` returns. Recommended for services. */

import fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { messageOf } from '../../machines/failure.ts'
import { snapshotType } from '../../machines/machine-snapshot.ts'
import { optionError, RelistenError } from '../error.ts'
import {
  assertAppendable,
  type ChainEnd,
  chainStart,
  checkSize,
  type Journal,
  type JournalRecord,
  journalError,
} from './journal.ts'
import { lockJournal } from './journal-lock.ts'
import { checkAndRepair, type Repair } from './repair.ts'
import { type Segment, scanSegment, segmentAt, segmentsIn, syncDirectory, writeAll } from './segment.ts'

/** How a file journal is kept. */
export interface FileJournalOptions {
  /**
   * A file this large is followed by the next one, which begins with a snapshot.
   * @defaultValue `1048576`
   * @bounds 65536 or more bytes
   */
  readonly segmentBytes?: number | undefined
  /**
   * Maximum size of all files together; whole files are deleted for it, the oldest first.
   * @defaultValue `16777216`
   * @bounds at least four times `segmentBytes`
   */
  readonly maxBytes?: number | undefined
}

export interface FileJournal extends Journal {
  /** Records that are kept. */
  readonly records: number
  /** What was not good when it was opened, and what was done about it; undefined when all was well. */
  readonly repair: Repair | undefined
}

/**
 * Opens the journal in `directory`, or creates it, and locks it. The directory above it has to exist. A last line that was not written
 * to its end is cut off; where anything else is damaged, the records before it are kept and the rest is set aside in files beside
 * (`repair` says what and where, and so does the next record).
 * Throws `journal-failed` when another process writes to it, or when it can't be read or written, and `invalid-option` for sizes that
 * can't be. After an append that failed, its file is closed and nothing more is appended until the journal is opened again: a disk that
 * failed to sync may have dropped what it says it has.
 */
export function fileJournal(directory: string, options: FileJournalOptions = {}): FileJournal {
  if (typeof directory !== 'string' || directory === '') {
    throw optionError(
      `Expected the directory of the journal to be a non-empty string, got a value of type ${typeof directory}`,
      "write `fileJournal('relisten-journal')`.",
    )
  }
  if (typeof options !== 'object' || options === null)
    throw optionError(
      'Expected the options of the journal to be an object',
      'write `{ segmentBytes, maxBytes }`, or leave them out.',
    )
  const { segmentBytes = 2 ** 20, maxBytes = 2 ** 24, ...others } = options
  const [unknown] = Object.keys(others)
  if (unknown !== undefined)
    throw optionError(`Unknown option \`${unknown}\` of the journal`, 'it takes `segmentBytes` and `maxBytes`.')
  checkSize('segmentBytes', segmentBytes, 2 ** 16, 'bytes')
  checkSize('maxBytes', maxBytes, 4 * segmentBytes, 'bytes')
  const folder = resolve(directory)
  const release = prepared(folder)
  try {
    return new LockedJournal(folder, segmentBytes, maxBytes, release)
  } catch (error) {
    release()
    throw journalFailure(error, `${folder} can't be opened.`)
  }
}

class LockedJournal implements FileJournal {
  readonly repair: Repair | undefined
  private readonly folder: string
  private readonly segmentBytes: number
  private readonly maxBytes: number
  private readonly release: () => void
  private segments: Segment[]
  private end: ChainEnd
  /** The newest segment, once something is written to it, and its size. */
  private descriptor: number | undefined
  private size = 0
  private broken: Error | undefined
  private closed = false

  constructor(folder: string, segmentBytes: number, maxBytes: number, release: () => void) {
    this.folder = folder
    this.segmentBytes = segmentBytes
    this.maxBytes = maxBytes
    this.release = release
    const { segments, end, repair } = checkAndRepair(segmentsIn(folder))
    this.segments = [...segments]
    this.end = end ?? chainStart
    this.repair = repair
    const newest = this.segments.at(-1)
    if (newest) this.reopen(newest)
  }

  get records(): number {
    return this.end.seq + 1 - (this.segments[0]?.first ?? 1)
  }

  get wantsSnapshot(): boolean {
    return this.size >= this.segmentBytes
  }

  /** Every segment but the very first one begins with a snapshot. */
  get snapshotSeq(): number | undefined {
    const first = this.segments.at(-1)?.first ?? 1
    return first === 1 ? undefined : first
  }

  append(record: JournalRecord, expectedSeq: number): void {
    if (this.broken) {
      throw journalError(`nothing was appended to ${this.folder} since an earlier append failed.`, this.broken)
    }
    if (this.closed) throw journalError(`the journal ${this.folder} is closed.`)
    assertAppendable(record, expectedSeq, this.end)
    try {
      if (this.descriptor === undefined) this.begin(record)
      else if (record.type === snapshotType) this.rotate(record)
      else this.write(this.descriptor, record)
    } catch (error) {
      this.broken = error as Error
      this.letGo()
      throw journalError(`record ${record.seq} can't be written to ${this.folder}: ${messageOf(error)}.`, error)
    }
    this.end = record
  }

  *read(from = 1): Generator<JournalRecord> {
    const last = this.end.seq
    const start = Math.max(
      0,
      this.segments.findLastIndex(({ first }) => first <= from),
    )
    let end: ChainEnd | undefined
    for (const segment of this.segments.slice(start)) {
      const found: JournalRecord[] = []
      try {
        const seen = scanSegment(segment, end, (record) => found.push(record))
        end = seen.end
        const { fault } = seen
        if (fault && (end?.seq ?? 0) < last) {
          const good = found.length === 0 ? 'Nothing in it is good.' : `Its ${found.length} records before it are good.`
          throw journalError(`${segment.path} is damaged in line ${fault.line}: ${fault.reason}. ${good}`)
        }
      } catch (error) {
        // It has made room for others meanwhile.
        if (!this.segments.includes(segment)) continue
        yield* found
        throw journalFailure(error, `${segment.path} can't be read.`)
      }
      for (const record of found) if (record.seq >= from && record.seq <= last) yield record
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    try {
      this.letGo()
    } finally {
      this.release()
    }
  }

  private letGo(): void {
    const open = this.descriptor
    this.descriptor = undefined
    if (open !== undefined) fs.closeSync(open)
  }

  private reopen({ path }: Segment): void {
    this.descriptor = fs.openSync(path, 'a')
    this.size = fs.fstatSync(this.descriptor).size
  }

  private write(descriptor: number, record: JournalRecord): void {
    const { nlink, size } = fs.fstatSync(descriptor)
    if (nlink === 0) throw new Error('its file was deleted')
    if (size !== this.size) throw new Error(`its file has ${size} bytes, expected ${this.size}; another writer uses it`)
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`)
    writeAll(descriptor, bytes)
    fs.fdatasyncSync(descriptor)
    this.size += bytes.length
  }

  /** A file that loses its name, or has a name and no line, when the power goes now, is a record that never counted. */
  private begin(record: JournalRecord): void {
    const segment = segmentAt(this.folder, record.seq)
    const descriptor = fs.openSync(segment.path, 'ax', 0o600)
    const before = this.descriptor
    this.descriptor = descriptor
    if (before !== undefined) fs.closeSync(before)
    this.size = 0
    this.write(descriptor, record)
    syncDirectory(this.folder)
    this.segments = [...this.segments, segment]
  }

  private rotate(record: JournalRecord): void {
    this.begin(record)
    const kept = this.segments.map((segment) => ({ segment, bytes: fs.statSync(segment.path).size }))
    // Room for the new one to grow.
    let total = kept.reduce((sum, { bytes }) => sum + bytes, this.segmentBytes)
    while (total > this.maxBytes && kept.length > 2) {
      const oldest = kept.shift()
      if (!oldest) break
      this.segments = kept.map(({ segment }) => segment)
      fs.rmSync(oldest.segment.path)
      total -= oldest.bytes
    }
    syncDirectory(this.folder)
  }
}

/** Creates the directory where there is none, and takes the lock in it. */
function prepared(folder: string): () => void {
  try {
    if (!fs.existsSync(folder)) {
      fs.mkdirSync(folder, { mode: 0o700 })
      syncDirectory(dirname(folder))
    }
  } catch (error) {
    throw journalFailure(error, `${folder} can't be created.`)
  }
  if (!fs.statSync(folder).isDirectory()) throw journalError(`${folder} is a file; the journal is a directory.`)
  return lockJournal(join(folder, 'lock'))
}

const journalFailure = (error: unknown, message: string): unknown =>
  error instanceof RelistenError ? error : journalError(`${message} ${messageOf(error)}.`, error)
