// The journal in files: the shared cases, its segments, its lock, and what it says of a wrong path or option.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { formatEndpoint } from '../../../machines/endpoint.ts'
import { lifecycleMachine } from '../../../machines/lifecycle.ts'
import { snapshotType } from '../../../machines/machine-snapshot.ts'
import { fileJournal } from '../../../src/journal/file-journal.ts'
import { chainStart } from '../../../src/journal/journal.ts'
import { recovery } from '../../../src/journal/recovery.ts'
import { replay } from '../../machines/replay.ts'
import { fill, journalCases, recordAfter } from './journal-cases.ts'
import { newPath, opened, segmentFiles, written } from './journal-files.ts'
import { startLife } from './journal-lives.ts'

/** Empty where the kernel does not tell. */
const bootId = fs.existsSync('/proc/sys/kernel/random/boot_id')
  ? fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  : ''
const small = { segmentBytes: 2 ** 16, maxBytes: 2 ** 18 }

afterEach(() => vi.restoreAllMocks())

journalCases('file', () => fileJournal(newPath()))

test('records outlive the process that wrote them, one line each, and the chain goes on', () => {
  const { path, file, records } = written(3)
  expect(fs.readFileSync(file, 'utf8').split('\n')).toHaveLength(4)
  const next = recordAfter(records[2] ?? chainStart)
  const seen = opened(path, (journal) => {
    expect(journal.repair).toBeUndefined()
    expect(journal.records).toBe(3)
    journal.append(next, 3)
    return [...journal.read()]
  })
  expect(seen).toEqual([...records, next])
  expect(fs.readdirSync(path)).toEqual(['000000000001.jsonl'])
})

test('a record is on the disk when append returns', () => {
  const sync = vi.spyOn(fs, 'fdatasyncSync')
  const path = newPath()
  opened(path, (journal) => {
    fill(journal, 4)
    expect(sync).toHaveBeenCalledTimes(4)
    expect(fs.readFileSync(segmentFiles(path)[0] ?? '', 'utf8').split('\n')).toHaveLength(5)
  })
})

test('a new directory and a new file are synced by name', () => {
  const synced: string[] = []
  const real = fs.fsyncSync.bind(fs)
  vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
    synced.push(fs.readlinkSync(`/proc/self/fd/${descriptor}`))
    real(descriptor)
  })
  const path = newPath()
  opened(path, (journal) => {
    expect(synced).toEqual([join(path, '..')])
    fill(journal, 2)
    expect(synced).toEqual([join(path, '..'), path])
  })
})

test('a full file is followed by one that begins with a snapshot, and the oldest make room', () => {
  const path = newPath()
  const journal = fileJournal(path, small)
  const life = startLife(journal)
  const sizes: number[] = []
  while (fs.existsSync(join(path, '000000000001.jsonl'))) {
    life.move()
    life.retry()
    sizes.push(segmentFiles(path).reduce((sum, file) => sum + fs.statSync(file).size, 0))
  }
  const records = [...journal.read()]
  journal.close()
  expect(Math.max(...sizes)).toBeLessThanOrEqual(small.maxBytes + small.segmentBytes)
  expect(Math.max(...sizes)).toBeGreaterThan(small.maxBytes / 2)
  const heads = records.filter(({ type }) => type === snapshotType)
  expect(segmentFiles(path).map((file) => Number.parseInt(file.split('/').at(-1) ?? '', 10))).toEqual(
    heads.map(({ seq }) => seq),
  )
  expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => (records[0]?.seq ?? 0) + index))
  expect(replay(lifecycleMachine, records)).toMatchObject(plain(life.snapshot()))
})

test('the newest file alone leads to the live state, and to what is known of cluster and members', () => {
  const path = newPath()
  const journal = fileJournal(path, small)
  const life = startLife(journal)
  while (segmentFiles(path).length < 3) {
    life.move()
    life.retry()
  }
  life.move()
  const live = life.snapshot()
  const newest = segmentFiles(path).at(-1) ?? ''
  journal.close()
  const read = vi.spyOn(fs, 'readFileSync')
  opened(path, (again) => {
    expect(replay(lifecycleMachine, again.read(again.snapshotSeq))).toMatchObject(plain(live))
    read.mockClear()
    const { cluster, members } = recovery(again)
    expect(read.mock.calls.map(([file]) => file)).toEqual([newest])
    expect(cluster?.clusterId).toBe('EbqYVNZ4Q9eP-7G3cGQdOg')
    expect(members).toEqual(live.context.members)
    expect(members.length).toBeGreaterThan(1)
    const brokers = [...(cluster?.endpoints ?? [])].map(([nodeId, endpoint]) => [nodeId, formatEndpoint(endpoint)])
    expect(Object.fromEntries(brokers)).toEqual(life.brokers())
  })
})

test('a snapshot that says something else than the records before it is found', () => {
  const path = newPath()
  const journal = fileJournal(path, small)
  const life = startLife(journal)
  while (segmentFiles(path).length < 2) life.retry()
  const records = [...journal.read()].map((record) => {
    if (record.type !== snapshotType) return record
    const { consumer } = record.data.machines as { consumer: { context: object } }
    return { ...record, data: { machines: { consumer: { ...consumer, context: { ...consumer.context, epoch: 1 } } } } }
  })
  journal.close()
  expect(() => replay(lifecycleMachine, records)).toThrow(/after step \d+, a snapshot of consumer says something else/)
})

test('a second writer is refused, in this process and from another one', async () => {
  const path = newPath()
  opened(path, () => {
    expect(() => fileJournal(path)).toThrow(`another writer holds ${path}/lock (process ${process.pid})`)
  })
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000); console.log("up")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  const stat = fs.existsSync(`/proc/${child.pid}/stat`) ? fs.readFileSync(`/proc/${child.pid}/stat`, 'utf8') : ''
  const began = stat.split(') ').at(-1)?.split(' ')[19] ?? ''
  const lock = { pid: child.pid, bootId, began }
  fs.writeFileSync(`${path}/lock`, JSON.stringify(lock))
  expect(() => fileJournal(path)).toThrow(`another writer holds ${path}/lock (process ${child.pid})`)
  child.kill('SIGKILL')
  await once(child, 'close')
  expect(opened(path, (journal) => journal.records)).toBe(0)
})

test.each([
  ['another boot', { pid: process.ppid, bootId: 'another', began: '' }],
  ['a process that had our id before', { pid: process.pid, bootId, began: '1' }],
  ['a process that died while it wrote the lock', 'torn'],
])('a lock left by %s is taken over', (_, holder) => {
  const path = newPath()
  fs.mkdirSync(path)
  fs.writeFileSync(`${path}/lock`, typeof holder === 'string' ? holder : JSON.stringify(holder))
  expect(opened(path, (journal) => fill(journal, 1))).toHaveLength(1)
  expect(fs.existsSync(`${path}/lock`)).toBe(false)
})

test('a writer that got past the lock, as from another container, is noticed at the next append', () => {
  const path = newPath()
  opened(path, (journal) => {
    const [first] = fill(journal, 1)
    fs.appendFileSync(segmentFiles(path)[0] ?? '', `${JSON.stringify(recordAfter(first ?? chainStart))}\n`)
    expect(() => journal.append(recordAfter(first ?? chainStart), 1)).toThrow('another writer uses it')
  })
})

test('a directory whose parent does not exist, and a path that is a file, are named in the error', () => {
  const missing = join(newPath(), 'journal')
  expect(() => fileJournal(missing)).toThrow(
    expect.objectContaining({ code: 'journal-failed', message: expect.stringContaining(missing) }),
  )
  const file = newPath()
  fs.writeFileSync(file, '')
  expect(() => fileJournal(file)).toThrow(`${file} is a file; the journal is a directory.`)
})

test.each([
  [{ segmentBytes: 1000 }, 'Expected `segmentBytes` to be a whole number of at least 65536, got 1000'],
  [{ segmentBytes: 2 ** 20, maxBytes: 2 ** 20 }, 'Expected `maxBytes` to be a whole number of at least 4194304'],
])('sizes that can not be are refused: %o', (options, message) => {
  expect(() => fileJournal(newPath(), options)).toThrow(message)
})

const plain = ({ value, context, status }: { value: unknown; context: unknown; status: string }) => {
  return { value, context, status }
}
