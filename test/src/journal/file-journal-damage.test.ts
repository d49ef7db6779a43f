// What may happen to the bytes of a journal: torn ends, flipped bits, missing lines and files. Nothing of it passes unseen.
import fs from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { fileJournal } from '../../../src/journal/file-journal.ts'
import { type ChainEnd, chainStart, type JournalRecord } from '../../../src/journal/journal.ts'
import { createRecorder } from '../../../src/journal/recorder.ts'
import { scan } from '../../../src/journal/segment.ts'
import { recordAfter } from './journal-cases.ts'
import { newPath, opened, segmentFiles, written } from './journal-files.ts'
import { startLife } from './journal-lives.ts'

// Some of these go through a file byte by byte.
vi.setConfig({ testTimeout: 120_000 })

// Thousands of journals are opened, and none outlives its process: what a sync does is tested in file-journal-disk.test.ts.
beforeAll(() => {
  for (const sync of ['fsyncSync', 'fdatasyncSync'] as const) vi.spyOn(fs, sync).mockReturnValue()
})
afterAll(() => {
  vi.restoreAllMocks()
})

test('a tail torn at any byte of the last three records is cut off and told, and the journal goes on', () => {
  const { path, file, records, bytes } = written(6)
  const ends = [...bytes].flatMap((byte, index) => (byte === 10 ? [index + 1] : []))
  for (let length = ends[2] ?? 0; length < bytes.length; length += 1) {
    fs.writeFileSync(file, bytes.subarray(0, length))
    const good = ends.findLastIndex((end) => end <= length)
    const tail = length - (ends[good] ?? 0)
    const isWhole = length + 1 === ends[good + 1]
    opened(path, (journal) => {
      expect(journal.records).toBe(good + 1)
      if (tail === 0) expect(journal.repair).toBeUndefined()
      else expect(journal.repair).toMatchObject({ file, line: good + 2, cutBytes: isWhole ? 0 : tail })
      expect(journal.repair?.setAside ?? []).toHaveLength(isWhole ? 1 : 0)
      journal.append(recordAfter(records[good] ?? chainStart, { after: 'repair' }), good + 1)
    })
    expect(scan(fs.readFileSync(file))).toMatchObject({ records: good + 2, fault: undefined })
  }
})

test('a flipped bit at any byte of the last 64 KiB is found where it is', () => {
  const { bytes, lines } = longFile()
  const from = bytes.length - 2 ** 16
  expect(from).toBeGreaterThan(0)
  let line = 0
  let found = 0
  for (let index = from; index < bytes.length; index += 1) {
    while ((lines[line + 1]?.offset ?? Number.POSITIVE_INFINITY) <= index) line += 1
    const { offset, before } = lines[line] ?? { offset: 0, before: chainStart }
    const original = bytes[index] ?? 0
    bytes[index] = original ^ (1 << (index % 8))
    // What stands before this line is as it was and has been found good.
    const { records, fault } = scan(bytes.subarray(offset), before)
    if (records === 0 && fault && !fault.isTorn) found += 1
    bytes[index] = original
  }
  expect(found).toBe(2 ** 16)
})

test('behind a flipped bit everything is set aside and told, and what is before it goes on', () => {
  const { path, file, bytes, lines } = longFile()
  let opens = 0
  for (let index = bytes.length - 1; index > bytes.length - 2 ** 16; index -= 1601) {
    const flipped = Buffer.from(bytes)
    flipped[index] = (flipped[index] ?? 0) ^ (1 << (index % 8))
    fs.writeFileSync(file, flipped)
    const good = lines.findLastIndex(({ offset }) => offset <= index)
    const { offset, before } = lines[good] ?? { offset: 0, before: chainStart }
    opened(path, (journal) => {
      const { repair } = journal
      expect(repair).toMatchObject({ file, line: good + 1, cutBytes: 0, setAside: [expect.any(String)] })
      expect(fs.readFileSync(repair?.setAside[0] ?? '').equals(flipped.subarray(offset))).toBe(true)
      expect(fs.readFileSync(file).equals(bytes.subarray(0, offset))).toBe(true)
      journal.append(recordAfter(before), before.seq)
      expect([...journal.read()]).toHaveLength(good + 1)
    })
    opens += 1
  }
  expect(opens).toBeGreaterThan(40)
  expect(fs.readdirSync(path).filter((name) => name.includes('damaged'))).toHaveLength(opens)
})

test('damage in the file before the newest sets both aside, and a damaged head leads back to the file before', () => {
  const { path, files, journal } = manyFiles(4)
  const [, , third = '', fourth = ''] = files
  const heads = journal.map(({ seq }) => seq)
  const middle = fs.readFileSync(third)
  const secondLine = middle.indexOf(10) + 1
  fs.writeFileSync(
    third,
    Buffer.concat([middle.subarray(0, secondLine), Buffer.from('?'), middle.subarray(secondLine)]),
  )
  const newest = fs.readFileSync(fourth)
  const [behind = '', after = ''] = opened(path, ({ repair, records }) => {
    expect(repair).toMatchObject({ file: third, line: 2, reason: 'it is no record' })
    expect(records).toBe(heads[2])
    return repair?.setAside ?? []
  })
  expect(fs.readFileSync(behind).equals(Buffer.concat([Buffer.from('?'), middle.subarray(secondLine)]))).toBe(true)
  expect(fs.readFileSync(after).equals(newest)).toBe(true)

  fs.writeFileSync(third, 'nothing of a journal\n')
  opened(path, ({ repair, records }) => {
    expect(repair).toMatchObject({ file: third, line: 1, setAside: [`${third}.damaged-2`] })
    expect(records).toBe((heads[2] ?? 0) - 1)
  })
  expect(segmentFiles(path)).toEqual(files.slice(0, 2))
})

test('a missing line, a missing file, and a file under another name are found', () => {
  const { path, file, bytes } = written(3)
  const [first, , last] = bytes.toString().split('\n')
  fs.writeFileSync(file, `${first}\n${last}\n`)
  expect(opened(path, ({ repair }) => repair)).toMatchObject({ line: 2, reason: 'expected record 2, got 3' })

  const { path: other, files } = manyFiles(4)
  fs.rmSync(files[1] ?? '')
  opened(other, (journal) => {
    expect(() => [...journal.read()]).toThrow(`${files[2]} is damaged in line 1: expected record`)
  })
  fs.renameSync(files[3] ?? '', `${other}/000000999999.jsonl`)
  expect(opened(other, ({ repair }) => repair)).toMatchObject({
    line: 1,
    reason: expect.stringContaining('its name says'),
  })
})

test('a file without a line, from a process that died while it began it, is taken away', () => {
  const { path } = written(2)
  fs.writeFileSync(`${path}/000000000003.jsonl`, '')
  opened(path, (journal) => {
    expect(journal.repair).toMatchObject({ cutBytes: 0, setAside: [] })
    expect(journal.records).toBe(2)
  })
  expect(segmentFiles(path)).toHaveLength(1)
})

test('a repair is the next record, before anything else, and listeners hear it', () => {
  const { path, file, bytes } = written(2)
  fs.writeFileSync(file, bytes.subarray(0, -5))
  const journal = fileJournal(path)
  const options = { consumer: 'orders', machineVersion: '1', onJournalError: 'stop-intake' } as const
  const recorder = createRecorder({ ...options, journal })
  const heard: JournalRecord[] = []
  recorder.onFact((record) => heard.push(record))
  recorder.append({
    ...{ actor: 'consumer', type: 'actor.started', data: {}, from: undefined, to: 'idle', changed: true, context: {} },
  })
  recorder.close()
  expect(heard.map(({ seq, type }) => [seq, type])).toEqual([
    [2, 'journal.repaired'],
    [3, 'actor.started'],
  ])
  expect(heard[0]?.data).toMatchObject({ file, line: 2, cutBytes: expect.any(Number), setAside: [] })
  expect(opened(path, ({ repair }) => repair)).toBeUndefined()
})

/** A closed journal in one file beyond 64 KiB, with the chain before each of its lines. */
function longFile() {
  const path = newPath()
  const journal = fileJournal(path)
  const life = startLife(journal)
  while (journal.records < 220) {
    life.move()
    life.retry()
  }
  const records = [...journal.read()]
  journal.close()
  const [file = ''] = segmentFiles(path)
  const bytes = fs.readFileSync(file)
  const lines: { offset: number; before: ChainEnd }[] = []
  let offset = 0
  for (const [index] of records.entries()) {
    lines.push({ offset, before: records[index - 1] ?? chainStart })
    offset = bytes.indexOf(10, offset) + 1
  }
  return { path, file, bytes, lines }
}

/** A closed journal in `count` files, and the first record of each. */
function manyFiles(count: number) {
  const path = newPath()
  const journal = fileJournal(path, { segmentBytes: 2 ** 16 })
  const life = startLife(journal)
  while (segmentFiles(path).length < count) life.retry()
  life.retry()
  const files = segmentFiles(path)
  const heads = files.map((file) => Number.parseInt(file.split('/').at(-1) ?? '', 10))
  const records = [...journal.read()].filter(({ seq }) => heads.includes(seq))
  journal.close()
  return { path, files, journal: records }
}
