// Journals in files for tests: fresh paths, written journals, and opening without forgetting to close.
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FileJournal, fileJournal } from '../../../src/journal/file-journal.ts'
import { chainStart, type JournalRecord, sealed } from '../../../src/journal/journal.ts'
import { fill } from './journal-cases.ts'

const folder = fs.mkdtempSync(join(tmpdir(), 'relisten-journal-'))
let journals = 0

process.once('exit', () => fs.rmSync(folder, { recursive: true }))

/** Where no journal is yet. */
export const newPath = (): string => join(folder, `journal-${++journals}`)

/** A closed journal of `count` records in one file. */
export function written(count: number) {
  const path = newPath()
  const records = opened(path, (journal) => fill(journal, count))
  const [file = ''] = segmentFiles(path)
  return { path, file, records, bytes: fs.readFileSync(file) }
}

export function opened<Result>(path: string, look: (journal: FileJournal) => Result): Result {
  const journal = fileJournal(path)
  try {
    return look(journal)
  } finally {
    journal.close()
  }
}

/** The files with records, in order. */
export function segmentFiles(path: string): string[] {
  return fs
    .readdirSync(path)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .map((name) => join(path, name))
}

/** A file of these records. */
export function exported(records: readonly JournalRecord[]): string {
  const path = newPath()
  fs.writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  return path
}

/** The records with their chain made anew, as if they had been written so. */
export function resealed(records: readonly JournalRecord[]): JournalRecord[] {
  const chain: JournalRecord[] = []
  for (const { seq: _, previous: __, checksum: ___, ...open } of records)
    chain.push(sealed(open, chain.at(-1) ?? chainStart))
  return chain
}
