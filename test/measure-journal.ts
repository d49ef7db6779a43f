/**
 * Figures of the file journal: `npm run measure:journal -- [DIRECTORY]` writes into a fresh folder in DIRECTORY (default: the
 * system's temporary folder) and prints a table. Appends are measured with their sync, one by one; the two long journals are written
 * without syncs, as only their size and the way back from them are looked at.
 */
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import Table from 'cli-table3'
import { lifecycleMachine } from '../machines/lifecycle.ts'
import { machineVersion } from '../machines/machine-version.ts'
import { fileJournal } from '../src/journal/file-journal.ts'
import { createRecorder } from '../src/journal/recorder.ts'
import { replay } from './machines/replay.ts'
import { type Life, startLife } from './src/journal/journal-lives.ts'

const appends = 3000
const moves = 1000
const retries = 10_000
const longRecords = 100_000

const folder = fs.mkdtempSync(join(process.argv[2] ?? tmpdir(), 'relisten-measure-'))
const table = new Table({ head: ['figure', 'measured', 'wanted'], style: { head: [], border: [] } })
try {
  const { p50, p99 } = measureAppends()
  table.push([`append with its sync, median of ${appends}`, `${p50.toFixed(2)} ms`, ''])
  table.push(['append with its sync, p99', `${p99.toFixed(2)} ms`, 'at most 1 ms'])
  const load = measureLoad()
  table.push([
    `from ${load.records} records (${megabytes(load.bytes)}) to the live state`,
    `${load.tookMs.toFixed(0)} ms`,
    'at most 1000 ms',
  ])
  const year = measureYear()
  table.push([`${moves} moves and ${retries} retries, most bytes on disk`, megabytes(year.most), 'below 20 MB'])
  table.push(['the same if nothing was deleted', megabytes(year.written), ''])
  console.log(table.toString())
} finally {
  fs.rmSync(folder, { recursive: true })
}

function measureAppends() {
  const journal = fileJournal(join(folder, 'appends'))
  const took: number[] = []
  const append = journal.append.bind(journal)
  journal.append = (record, expectedSeq) => {
    const startedAt = performance.now()
    append(record, expectedSeq)
    took.push(performance.now() - startedAt)
  }
  const life = startLife(journal)
  while (took.length < appends) live(life, 1, 1)
  journal.close()
  took.sort((one, other) => one - other)
  const at = (share: number) => took[Math.floor(took.length * share)] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}

function measureLoad() {
  const path = join(folder, 'long')
  const options = { maxBytes: 2 ** 30 }
  const journal = unsynced(() => {
    const filling = fileJournal(path, options)
    const life = startLife(filling)
    while (filling.records < longRecords) live(life, 1, 1)
    const { value, context, status } = life.snapshot()
    filling.close()
    return { records: filling.records, live: { value, context, status } }
  })
  const startedAt = performance.now()
  const again = fileJournal(path, options)
  createRecorder({ consumer: 'orders', journal: again, machineVersion, onJournalError: 'stop-intake' })
  const { value, context, status } = replay(lifecycleMachine, again.read(again.snapshotSeq))
  const tookMs = performance.now() - startedAt
  if (!isDeepStrictEqual({ value, context, status }, journal.live)) throw new Error('It is another state')
  again.close()
  return { records: journal.records, bytes: bytesIn(path), tookMs }
}

function measureYear() {
  const path = join(folder, 'year')
  return unsynced(() => {
    const journal = fileJournal(path)
    let written = 0
    const append = journal.append.bind(journal)
    journal.append = (record, expectedSeq) => {
      append(record, expectedSeq)
      written += Buffer.byteLength(JSON.stringify(record)) + 1
    }
    const life = startLife(journal)
    let most = 0
    for (let count = 0; count < moves; count += 1) {
      live(life, 1, retries / moves)
      most = Math.max(most, bytesIn(path))
    }
    journal.close()
    return { most, written }
  })
}

function live(life: Life, moveCount: number, retryCount: number): void {
  for (let count = 0; count < moveCount; count += 1) life.move()
  for (let count = 0; count < retryCount; count += 1) life.retry()
}

function unsynced<Result>(work: () => Result): Result {
  const { fdatasyncSync } = fs
  fs.fdatasyncSync = () => {}
  try {
    return work()
  } finally {
    fs.fdatasyncSync = fdatasyncSync
  }
}

function bytesIn(path: string): number {
  return fs.readdirSync(path).reduce((sum, name) => sum + fs.statSync(join(path, name)).size, 0)
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}
