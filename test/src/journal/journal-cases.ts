// What every journal has to do, whatever keeps its records.
import { expect, test } from 'vitest'
import { type ChainEnd, chainStart, type Journal, type JournalRecord, sealed } from '../../../src/journal/journal.ts'

/** A record that continues `end`. */
export function recordAfter(end: ChainEnd, data: Record<string, unknown> = {}): JournalRecord {
  const open = { at: 1_000 + end.seq, consumer: 'orders', epoch: 1, actor: 'lifecycle', type: 'backoff.elapsed', data }
  return sealed({ ...open, from: 'retrying', to: 'connecting', plan: null, cause: null, machineVersion: '1' }, end)
}

/** Appends `count` records and returns them. */
export function fill(journal: Journal, count: number, end: ChainEnd = chainStart): JournalRecord[] {
  const records: JournalRecord[] = []
  for (let index = 0; index < count; index += 1) {
    const before = records.at(-1) ?? end
    const record = recordAfter(before, { attempt: index, text: 'zwölf "quoted"\nlines' })
    journal.append(record, before.seq)
    records.push(record)
  }
  return records
}

/** Runs the shared cases against journals that `open` makes, each empty. */
export function journalCases(name: string, open: () => Journal): void {
  test(`${name}: an empty journal has no records`, () => {
    const journal = open()
    expect([...journal.read()]).toEqual([])
    journal.close()
  })

  test(`${name}: records come back as they were appended, in order`, () => {
    const journal = open()
    const records = fill(journal, 5)
    expect([...journal.read()]).toEqual(records)
    expect(records.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    journal.close()
  })

  test(`${name}: reading begins where it is told to`, () => {
    const journal = open()
    const records = fill(journal, 5)
    expect([...journal.read(4)]).toEqual(records.slice(3))
    expect([...journal.read(6)]).toEqual([])
    journal.close()
  })

  test(`${name}: a writer that missed a record is refused, and nothing is stored`, () => {
    const journal = open()
    const [, second] = fill(journal, 2)
    expect(() => journal.append(recordAfter(second ?? chainStart), 1)).toThrow(
      'expected record 1 to be the newest, but 2 is',
    )
    expect([...journal.read()]).toHaveLength(2)
    journal.close()
  })

  test(`${name}: a record that does not continue the chain is refused`, () => {
    const journal = open()
    const [first] = fill(journal, 1)
    const next = recordAfter(first ?? chainStart)
    const refused: [JournalRecord, string][] = [
      [{ ...next, seq: 3 }, 'expected record 2, got 3'],
      [recordAfter({ seq: 1, checksum: 'another' }), 'does not continue the record before it'],
      [{ ...next, epoch: 2 }, 'does not fit its checksum'],
      [{ ...next, data: { attempt: 7 } }, 'does not fit its checksum'],
    ]
    for (const [record, reason] of refused) expect(() => journal.append(record, 1)).toThrow(reason)
    journal.append(next, 1)
    expect([...journal.read()]).toEqual([first, next])
    journal.close()
  })

  test(`${name}: a closed journal takes nothing, and closing twice is harmless`, () => {
    const journal = open()
    fill(journal, 1)
    journal.close()
    journal.close()
    expect(() => fill(journal, 1)).toThrow(expect.objectContaining({ name: 'RelistenError', code: 'journal-failed' }))
  })
}
