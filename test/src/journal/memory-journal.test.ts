// The journal in memory: the shared cases, and its bound.
import { expect, test } from 'vitest'
import { memoryJournal } from '../../../src/journal/memory-journal.ts'
import { fill, journalCases } from './journal-cases.ts'

journalCases('memory', () => memoryJournal())

test('the oldest records make room for new ones', () => {
  const journal = memoryJournal({ capacity: 3 })
  const records = fill(journal, 8)
  expect([...journal.read()]).toEqual(records.slice(5))
  expect([...journal.read(8)]).toEqual(records.slice(7))
})

test('ten thousand records are kept by default', () => {
  const journal = memoryJournal()
  fill(journal, 10_001)
  const seqs = [...journal.read()].map(({ seq }) => seq)
  expect([seqs[0], seqs.at(-1), seqs.length]).toEqual([2, 10_001, 10_000])
})

test('a chain begun elsewhere goes on', () => {
  const first = memoryJournal()
  const end = fill(first, 4).at(-1)
  const second = memoryJournal(end ? { after: end } : {})
  expect(fill(second, 1, end).map(({ seq }) => seq)).toEqual([5])
})

test('a capacity below one is refused', () => {
  expect(() => memoryJournal({ capacity: 0 })).toThrow('Expected `capacity` to be a whole number of at least 1, got 0')
})
