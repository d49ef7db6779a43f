/** A journal in a file: one JSON line per record, on the disk before `append` returns. Recommended for services. */

import fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  assertAppendable,
  brokenChain,
  type ChainEnd,
  chainStart,
  type Journal,
  type JournalRecord,
  journalError,
} from './journal.ts'
import { lockJournal } from './journal-lock.ts'

/** What was found when the file was opened. */
export interface Opening {
  /** Records in the file. */
  readonly records: number
  /** Bytes of a last line that was not written to its end, and is cut off: its record never counted as appended. 0 if there was none. */
  readonly cutBytes: number
}

export interface FileJournal extends Journal {
  readonly opening: Opening
}

/**
 * Opens the journal at `path`, or creates it, and locks it (`path` with `.lock` added). Its directory has to exist.
 * Throws `journal-failed` when another process writes to it, when it can't be read or written, or when a record before the last line is
 * damaged: the message says in which line, and nothing is changed. After an append that failed, nothing more is appended until it is
 * opened anew, as a disk that failed to sync may have dropped what it says it has.
 */
export function fileJournal(path: string): FileJournal {
  const file = resolve(path)
  const release = lockJournal(`${file}.lock`)
  let descriptor: number | undefined
  let broken: Error | undefined
  let end: ChainEnd = chainStart

  function open(): Opening {
    const isNew = !fs.existsSync(file)
    descriptor = fs.openSync(file, 'a+', 0o600)
    if (isNew) syncDirectory(dirname(file))
    const bytes = fs.readFileSync(file)
    const whole = bytes.lastIndexOf(newline) + 1
    let records = 0
    for (const record of parse(bytes.subarray(0, whole), file)) {
      const reason = brokenChain(record, end)
      // The first one may continue a journal that was cut at its head.
      if (reason !== undefined && !(records === 0 && brokenChain(record, before(record)) === undefined)) {
        throw damaged(file, records + 1, reason)
      }
      end = record
      records += 1
    }
    if (whole < bytes.length) {
      fs.ftruncateSync(descriptor, whole)
      fs.fsyncSync(descriptor)
    }
    return { records, cutBytes: bytes.length - whole }
  }

  function close(): void {
    const open = descriptor
    descriptor = undefined
    try {
      if (open !== undefined) fs.closeSync(open)
    } finally {
      release()
    }
  }

  let opening: Opening
  try {
    opening = open()
  } catch (error) {
    close()
    throw journalFailure(error, `${file} can't be opened.`)
  }

  return {
    opening,
    append(record, expectedSeq) {
      if (broken) throw journalError(`nothing was appended to ${file} since an earlier append failed.`, broken)
      if (descriptor === undefined) throw journalError(`the journal ${file} is closed.`)
      assertAppendable(record, expectedSeq, end)
      try {
        writeAll(descriptor, Buffer.from(`${JSON.stringify(record)}\n`))
        fs.fdatasyncSync(descriptor)
      } catch (error) {
        broken = error as Error
        throw journalError(`record ${record.seq} can't be written to ${file}: ${broken.message}.`, error)
      }
      end = record
    },
    *read(from = 1) {
      const bytes = fs.readFileSync(file)
      for (const record of parse(bytes.subarray(0, bytes.lastIndexOf(newline) + 1), file)) {
        if (record.seq >= from && record.seq <= end.seq) yield record
      }
    },
    close,
  }
}

const newline = 10

/** A full disk takes a part of the line and says so only at the next write. */
function writeAll(descriptor: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    const written = fs.writeSync(descriptor, bytes, done)
    if (written === 0) throw new Error(`only ${done} of ${bytes.length} bytes were written`)
    done += written
  }
}

function* parse(bytes: Buffer, file: string): Generator<JournalRecord> {
  let line = 0
  for (const text of bytes.toString('utf8').split('\n').slice(0, -1)) {
    line += 1
    try {
      yield JSON.parse(text) as JournalRecord
    } catch (error) {
      if (error instanceof SyntaxError) throw damaged(file, line, 'it is no JSON')
      throw error
    }
  }
}

/** A new name in a directory is durable only when the directory is. */
function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, 'r')
  try {
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

const before = ({ seq, previous }: JournalRecord): ChainEnd => ({ seq: seq - 1, checksum: previous })

const damaged = (file: string, line: number, reason: string): Error =>
  journalError(`${file} is damaged in line ${line}: ${reason}. The ${line - 1} records before it are good.`)

const journalFailure = (error: unknown, message: string): unknown =>
  (error as Error).name === 'RelistenError' ? error : journalError(`${message} ${(error as Error).message}`, error)
