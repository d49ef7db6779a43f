// The journal in a file: the shared cases, then what disks and processes do to it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { type FileJournal, fileJournal } from '../../src/file-journal.ts'
import { fill, journalCases, recordAfter } from './journal-cases.ts'

const folder = fs.mkdtempSync(join(tmpdir(), 'relisten-journal-'))
let files = 0
const newPath = (): string => join(folder, `journal-${++files}.jsonl`)

/** Empty where the kernel does not tell. */
const bootId = fs.existsSync('/proc/sys/kernel/random/boot_id')
  ? fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  : ''

afterEach(() => vi.restoreAllMocks())
afterAll(() => fs.rmSync(folder, { recursive: true }))

journalCases('file', () => fileJournal(newPath()))

/** A closed journal of `count` records. */
function written(count: number) {
  const path = newPath()
  const journal = fileJournal(path)
  const records = fill(journal, count)
  journal.close()
  return { path, records, bytes: fs.readFileSync(path) }
}

function opened<Result>(path: string, look: (journal: FileJournal) => Result): Result {
  const journal = fileJournal(path)
  try {
    return look(journal)
  } finally {
    journal.close()
  }
}

test('records outlive the process that wrote them, one line each, and the chain goes on', () => {
  const { path, records, bytes } = written(3)
  expect(bytes.toString().split('\n')).toHaveLength(4)
  const next = recordAfter(records[2] ?? { seq: 0, checksum: '' })
  const seen = opened(path, (journal) => {
    expect(journal.opening).toEqual({ records: 3, cutBytes: 0 })
    journal.append(next, 3)
    return [...journal.read()]
  })
  expect(seen).toEqual([...records, next])
  expect(fs.existsSync(`${path}.lock`)).toBe(false)
})

test('a line torn at any of its bytes is cut off and reported, and the journal goes on', () => {
  const { path, records, bytes } = written(3)
  const lastLine = bytes.lastIndexOf(10, bytes.length - 2) + 1
  for (let length = lastLine; length < bytes.length; length += 1) {
    fs.writeFileSync(path, bytes.subarray(0, length))
    opened(path, (journal) => {
      expect(journal.opening).toEqual({ records: 2, cutBytes: length - lastLine })
      journal.append(recordAfter(records[1] ?? { seq: 0, checksum: '' }, { after: 'repair' }), 2)
    })
    expect(opened(path, (journal) => [...journal.read()].length)).toBe(3)
  }
})

test('a damaged byte in a whole line is found, named, and left as it is', () => {
  const { path, bytes } = written(3)
  const secondLine = bytes.indexOf(10) + 1
  for (let index = secondLine; index < bytes.indexOf(10, secondLine); index += 7) {
    const flipped = Buffer.from(bytes)
    flipped[index] = (flipped[index] ?? 0) ^ 1
    fs.writeFileSync(path, flipped)
    expect(() => fileJournal(path)).toThrow(/damaged in line (2|3): .+ The [12] records before it are good/)
    expect(fs.readFileSync(path)).toEqual(flipped)
    expect(fs.existsSync(`${path}.lock`)).toBe(false)
  }
})

test('a missing line is found', () => {
  const { path, bytes } = written(3)
  const [first, , third] = bytes.toString().split('\n')
  fs.writeFileSync(path, `${first}\n${third}\n`)
  expect(() => fileJournal(path)).toThrow(
    'damaged in line 2: expected record 2, got 3. The 1 records before it are good.',
  )
})

test('a record is on the disk when append returns', () => {
  const sync = vi.spyOn(fs, 'fdatasyncSync')
  const path = newPath()
  opened(path, (journal) => {
    fill(journal, 4)
    expect(sync).toHaveBeenCalledTimes(4)
    expect(fs.readFileSync(path, 'utf8').split('\n')).toHaveLength(5)
  })
})

test('short writes are continued', () => {
  const path = newPath()
  const write = fs.writeSync.bind(fs) as (descriptor: number, bytes: Buffer, from: number, length: number) => number
  const short = (descriptor: number, bytes: unknown, from: unknown) =>
    write(descriptor, bytes as Buffer, from as number, Math.min(11, (bytes as Buffer).length - (from as number)))
  vi.spyOn(fs, 'writeSync').mockImplementation(short as typeof fs.writeSync)
  const records = opened(path, (journal) => fill(journal, 2))
  expect(opened(path, (journal) => [...journal.read()])).toEqual(records)
})

test('a disk that fills up in the middle of a line loses that record only, and takes no more until it is opened anew', () => {
  const path = newPath()
  const journal = fileJournal(path)
  const [first] = fill(journal, 1)
  const write = fs.writeSync.bind(fs) as (descriptor: number, bytes: Buffer, from: number, length: number) => number
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  const filling = vi.spyOn(fs, 'writeSync').mockImplementation(((descriptor: number, bytes: Buffer, from: number) => {
    if (from > 0) throw full
    return write(descriptor, bytes, 0, 20)
  }) as typeof fs.writeSync)
  const next = recordAfter(first ?? { seq: 0, checksum: '' })
  expect(() => journal.append(next, 1)).toThrow(
    expect.objectContaining({ code: 'journal-failed', failure: expect.objectContaining({ code: 'ENOSPC' }) }),
  )
  filling.mockRestore()
  expect(() => journal.append(next, 1)).toThrow('an earlier append failed')
  expect([...journal.read()]).toEqual([first])
  journal.close()
  opened(path, (again) => {
    expect(again.opening).toEqual({ records: 1, cutBytes: 20 })
    again.append(next, 1)
  })
})

test('a sync that fails is not tried again on the same file', () => {
  const path = newPath()
  const journal = fileJournal(path)
  const sync = vi.spyOn(fs, 'fdatasyncSync').mockImplementation(() => {
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  })
  expect(() => fill(journal, 1)).toThrow('EIO')
  expect(() => fill(journal, 1)).toThrow('an earlier append failed')
  expect(sync).toHaveBeenCalledTimes(1)
  journal.close()
})

test('a second writer is refused, in this process and from another one', async () => {
  const path = newPath()
  opened(path, () => {
    expect(() => fileJournal(path)).toThrow(`another writer holds ${path}.lock (process ${process.pid})`)
  })
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000); console.log("up")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  const stat = fs.existsSync(`/proc/${child.pid}/stat`) ? fs.readFileSync(`/proc/${child.pid}/stat`, 'utf8') : ''
  const began = stat.split(') ').at(-1)?.split(' ')[19] ?? ''
  const lock = { pid: child.pid, bootId, began }
  fs.writeFileSync(`${path}.lock`, JSON.stringify(lock))
  expect(() => fileJournal(path)).toThrow(`another writer holds ${path}.lock (process ${child.pid})`)
  child.kill('SIGKILL')
  await once(child, 'close')
  expect(opened(path, (journal) => journal.opening.records)).toBe(0)
})

test.each([
  ['another boot', { pid: process.ppid, bootId: 'another', began: '' }],
  ['a process that had our id before', { pid: process.pid, bootId, began: '1' }],
  ['a process that died while it wrote the lock', 'torn'],
])('a lock left by %s is taken over', (_, holder) => {
  const path = newPath()
  fs.writeFileSync(`${path}.lock`, typeof holder === 'string' ? holder : JSON.stringify(holder))
  expect(opened(path, (journal) => fill(journal, 1))).toHaveLength(1)
  expect(fs.existsSync(`${path}.lock`)).toBe(false)
})

test('a directory that does not exist is named in the error', () => {
  const path = join(folder, 'missing', 'journal.jsonl')
  expect(() => fileJournal(path)).toThrow(
    expect.objectContaining({ code: 'journal-failed', message: expect.stringContaining(path) }),
  )
})
