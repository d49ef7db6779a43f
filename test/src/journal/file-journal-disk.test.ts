// What disks do to a journal. Where this process may mount one, the full and the read-only disk are real; the titles say which ran.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { fileJournal } from '../../../src/journal/file-journal.ts'
import { chainStart, type JournalRecord } from '../../../src/journal/journal.ts'
import { fill, recordAfter } from './journal-cases.ts'
import { newPath, opened } from './journal-files.ts'

type Write = (descriptor: number, bytes: Buffer, from: number, length: number) => number
const realWrite = fs.writeSync.bind(fs) as unknown as Write
const disk = mountSmallDisk()

afterEach(() => vi.restoreAllMocks())
afterAll(() => disk?.unmount())

test(`a full disk (${disk ? 'a real one of 128 KiB' : 'a double'}) loses the record that did not fit, and no other`, () => {
  const path = disk ? join(disk.folder, 'journal') : newPath()
  const journal = fileJournal(path)
  const records: JournalRecord[] = []
  let room = 100_000
  if (!disk) {
    writing((descriptor, bytes, from) => {
      if (room === 0) throw failing('ENOSPC', 'no space left on device')
      const taken = Math.min(room, bytes.length - from)
      room -= taken
      return realWrite(descriptor, bytes, from, taken)
    })
  }
  const next = () => recordAfter(records.at(-1) ?? chainStart, { text: 'x'.repeat(150) })
  const untilFull = () => {
    for (;;) {
      const record = next()
      journal.append(record, record.seq - 1)
      records.push(record)
    }
  }
  expect(untilFull).toThrow(
    expect.objectContaining({ code: 'journal-failed', failure: expect.objectContaining({ code: 'ENOSPC' }) }),
  )
  expect(records.length).toBeGreaterThan(100)
  expect(() => journal.append(next(), records.length)).toThrow('an earlier append failed')
  expect([...journal.read()]).toEqual(records)
  journal.close()
  if (disk) fs.rmSync(join(disk.folder, 'ballast'))
  room = Number.POSITIVE_INFINITY
  opened(path, (again) => {
    expect(again.repair?.cutBytes).toBeGreaterThan(0)
    expect(again.repair?.setAside).toEqual([])
    again.append(next(), records.length)
    expect([...again.read()]).toHaveLength(records.length + 1)
  })
})

test(`a disk that is read-only from now on (${disk ? 'a real one' : 'a double'}) is named, and goes on when it can be written again`, () => {
  const path = disk ? join(disk.folder, 'read-only') : newPath()
  const [first = chainStart] = opened(path, (journal) => fill(journal, 1))
  if (disk) disk.remount('ro')
  else {
    vi.spyOn(fs, 'writeFileSync').mockImplementation(() => {
      throw failing('EROFS', 'read-only file system')
    })
  }
  expect(() => fileJournal(path)).toThrow(
    expect.objectContaining({ code: 'journal-failed', failure: expect.objectContaining({ code: 'EROFS' }) }),
  )
  if (disk) disk.remount('rw')
  else vi.restoreAllMocks()
  opened(path, (journal) => journal.append(recordAfter(first), 1))
})

test('an open journal whose disk becomes read-only (a double) takes no more', () => {
  const path = newPath()
  opened(path, (journal) => {
    const [first = chainStart] = fill(journal, 1)
    writing(() => {
      throw failing('EROFS', 'read-only file system')
    })
    expect(() => journal.append(recordAfter(first), 1)).toThrow('EROFS')
    vi.restoreAllMocks()
    expect(() => journal.append(recordAfter(first), 1)).toThrow('an earlier append failed')
  })
  expect(opened(path, ({ records }) => records)).toBe(1)
})

test('short writes are continued', () => {
  const path = newPath()
  writing((descriptor, bytes, from) => realWrite(descriptor, bytes, from, Math.min(11, bytes.length - from)))
  const records = opened(path, (journal) => fill(journal, 2))
  expect(opened(path, (journal) => [...journal.read()])).toEqual(records)
})

test('after a sync that failed the file is closed, read again, and never synced again', () => {
  const path = newPath()
  const journal = fileJournal(path)
  const [first = chainStart] = fill(journal, 1)
  const close = vi.spyOn(fs, 'closeSync')
  const sync = vi.spyOn(fs, 'fdatasyncSync').mockImplementation(() => {
    throw failing('EIO', 'i/o error, fdatasync')
  })
  const second = recordAfter(first)
  expect(() => journal.append(second, 1)).toThrow('EIO')
  expect(close).toHaveBeenCalledWith(sync.mock.calls[0]?.[0])
  expect(() => journal.append(second, 1)).toThrow('an earlier append failed')
  expect(sync).toHaveBeenCalledTimes(1)
  expect([...journal.read()]).toEqual([first])
  journal.close()
  vi.restoreAllMocks()
  // What the disk has of it, it has: the next process sees a record that nothing was done for, as after a crash.
  expect(opened(path, (again) => [...again.read()])).toEqual([first, second])
})

test('a journal whose directory was deleted says so at the next append', () => {
  const path = newPath()
  const journal = fileJournal(path)
  const [first = chainStart] = fill(journal, 1)
  fs.rmSync(path, { recursive: true })
  expect(() => journal.append(recordAfter(first), 1)).toThrow('its file was deleted')
  expect(() => [...journal.read()]).toThrow(expect.objectContaining({ code: 'journal-failed' }))
  journal.close()
  expect(fs.existsSync(path)).toBe(false)
})

function writing(write: (descriptor: number, bytes: Buffer, from: number) => number): void {
  vi.spyOn(fs, 'writeSync').mockImplementation(write as unknown as typeof fs.writeSync)
}

const failing = (code: string, message: string): Error => Object.assign(new Error(`${code}: ${message}`), { code })

/** A disk of 128 KiB that is almost full, or undefined where this process may not mount one. */
function mountSmallDisk() {
  const folder = fs.mkdtempSync(join(tmpdir(), 'relisten-disk-'))
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' })
  try {
    mount('-t', 'tmpfs', '-o', 'size=128k,mode=700', 'relisten-test', folder)
  } catch {
    fs.rmSync(folder, { recursive: true })
    return undefined
  }
  fs.writeFileSync(join(folder, 'ballast'), Buffer.alloc(40 * 1024))
  return {
    folder,
    remount: (mode: 'ro' | 'rw') => mount('-o', `remount,${mode}`, folder),
    unmount() {
      execFileSync('umount', [folder])
      fs.rmSync(folder, { recursive: true })
    },
  }
}
