// The progress of a partition whose user seeks, or whose log is cut: what was under way moves no mark, and what is committed.
import { expect, test } from 'vitest'
import { before, begun, now, progressWith, tenureOf } from './progress-stage.ts'

test('a seek may be committed downwards once, then commits only go up again', () => {
  const progress = progressWith({ mark: 20n, acknowledged: 20n })
  progress.seek(5n, now)
  expect(progress.uncommitted).toBe(5n)
  progress.committed(5n, true)
  expect(progress.uncommitted).toBeUndefined()
  progress.mark = 4n
  expect(progress.uncommitted).toBeUndefined()
})

test.each<{ what: string; seeks: readonly bigint[]; handled: bigint; mark: bigint; leaderEpoch: number }>([
  { what: 'back', seeks: [16n], handled: 26n, mark: 26n, leaderEpoch: 7 },
  { what: 'ahead', seeks: [40n], handled: 45n, mark: 20n, leaderEpoch: 5 },
  { what: 'ahead, and from there back a little', seeks: [40n, 30n], handled: 31n, mark: 20n, leaderEpoch: 5 },
  { what: 'ahead, and back below what is handled', seeks: [40n, 12n], handled: 13n, mark: 13n, leaderEpoch: 7 },
])('a seek $what that ends before it is committed leaves all below $mark handled', (row) => {
  const progress = progressWith({ mark: 20n, acknowledged: 0n, leaderEpoch: 5 })
  for (const offset of row.seeks) progress.seek(offset, before)
  progress.leaderEpoch = 7
  progress.mark = row.handled
  progress.endSeek()
  expect(progress.leaderEpoch).toBe(row.leaderEpoch)
  expect(begun(progress, 0n, now)).toEqual({ offset: row.mark, dropped: undefined })
  expect(progress.sought).toBeUndefined()
})

test('a handler of before the end of a seek ahead moves no mark: what lies before the sought place is not handled', () => {
  const progress = progressWith({ mark: 20n })
  progress.seek(40n, before)
  const { seeks } = progress
  progress.endSeek()
  expect([progress.advance(40n, 41n, seeks), progress.mark]).toEqual([false, 20n])
})

test('once a seek ahead is committed its end takes nothing back', () => {
  const progress = progressWith({ mark: 20n })
  progress.seek(40n, before)
  progress.committed(40n, true)
  progress.endSeek()
  expect(progress.mark).toBe(40n)
})

test('a commit that was under way when the user sought does not stand for the sought place', () => {
  const progress = progressWith({ mark: 20n, acknowledged: 15n })
  const { seeks } = progress
  progress.seek(1n, now)
  progress.committed(20n, true, seeks)
  expect(progress.uncommitted).toBe(1n)
  expect(begun(progress, 20n, tenureOf(3)).offset).toBe(1n)
})

test('a seek that took effect before the assignment ended does not come back after others went on', () => {
  const progress = progressWith({ mark: 10n, acknowledged: 10n })
  progress.seek(10n, before)
  expect(begun(progress, 500n, now)).toEqual({ offset: 500n, dropped: 10n })
  expect(progress.uncommitted).toBeUndefined()
})

test('what was under way before several seeks moves no mark, however many there were', () => {
  const progress = progressWith({ mark: 10n })
  const { seeks } = progress
  progress.forget()
  progress.seek(3n, now)
  expect(progress.advance(3n, 20n, seeks)).toBe(false)
  expect(progress.mark).toBe(3n)
})

test('where the log was cut ahead, what was under way counts up to the cut, until the mark is set once more', () => {
  const progress = progressWith({ mark: 10n })
  const { seeks } = progress
  progress.seek(10n, now, 12n)
  expect([progress.advance(10n, 11n, seeks), progress.mark]).toEqual([true, 11n])
  expect([progress.advance(10n, 15n, seeks), progress.mark]).toEqual([true, 12n])
  expect([progress.advance(10n, 15n, seeks), progress.mark]).toEqual([false, 12n])
  progress.seek(12n, now)
  expect(progress.advance(12n, 14n, progress.seeks - 1)).toBe(false)
  const cut = progress.seeks
  progress.seek(12n, now, 20n)
  progress.forget()
  expect([progress.advance(12n, 14n, progress.seeks - 1), progress.advance(12n, 14n, cut)]).toEqual([false, false])
})
