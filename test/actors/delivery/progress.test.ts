// The progress of a partition: its mark and commits: where reading begins after an assignment, and what is to be committed.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { acquireProgress, Progress } from '../../../actors/delivery/progress.ts'
import { before, begun, type Known, now, ours, progressWith } from './progress-stage.ts'

test.each<{ what: string; known: Known; noted: number; expected: number }>([
  { what: 'of our own last commit, before the log was cut', known: { ...ours, leaderEpoch: 7 }, noted: 5, expected: 7 },
  {
    what: 'of our own commit, at the mark',
    known: { mark: 15n, acknowledged: 15n, leaderEpoch: 7 },
    noted: 5,
    expected: 7,
  },
  { what: 'that is newer than ours', known: { mark: 15n, acknowledged: 15n }, noted: 5, expected: 5 },
  { what: 'of somebody else', known: { mark: 20n, acknowledged: 12n, leaderEpoch: 7 }, noted: 5, expected: 5 },
  {
    what: 'of our own commit, ahead of the mark since a seek',
    known: { mark: 12n, acknowledged: 15n, leaderEpoch: 7 },
    noted: 5,
    expected: 5,
  },
  { what: 'of the place behind the one that was sought now', known: { mark: 3n, sought: now }, noted: 5, expected: 5 },
  {
    what: 'of the place before the one that was sought now',
    known: { mark: 30n, sought: now },
    noted: 5,
    expected: -1,
  },
])('the leader epoch in a commit $what gives $expected', ({ known, noted, expected }) => {
  const progress = progressWith(known)
  progress.startFrom(15n, now, noted)
  expect(progress.leaderEpoch).toBe(expected)
})

test.each<{ what: string; known: Known; committed: bigint; offset: bigint; dropped?: bigint }>([
  { what: 'nothing is known here', known: {}, committed: 10n, offset: 10n },
  { what: 'our own last commit', known: ours, committed: 15n, offset: 20n },
  {
    what: 'a commit of ours whose outcome was unknown',
    known: { ...ours, unknown: [18n] },
    committed: 18n,
    offset: 20n,
  },
  { what: 'the one before it, as it was not applied', known: { ...ours, unknown: [18n] }, committed: 15n, offset: 20n },
  { what: 'an earlier one of unknown outcome', known: { ...ours, unknown: [16n, 18n] }, committed: 16n, offset: 20n },
  { what: 'our mark itself', known: { ...ours, unknown: [20n] }, committed: 20n, offset: 20n },
  {
    what: 'our own last commit, with a mark that fell behind it',
    known: { ...ours, mark: 10n },
    committed: 15n,
    offset: 15n,
  },
  { what: 'somebody else, further than ours', known: ours, committed: 17n, offset: 17n, dropped: 20n },
  { what: 'somebody else, behind ours', known: ours, committed: 12n, offset: 12n, dropped: 20n },
  { what: 'somebody else, beyond our mark', known: ours, committed: 30n, offset: 30n },
  { what: 'somebody else, beyond the unknown one', known: { ...ours, unknown: [18n] }, committed: 25n, offset: 25n },
  {
    what: 'somebody else, between our last commit and the unknown one',
    known: { ...ours, unknown: [18n] },
    committed: 17n,
    offset: 17n,
    dropped: 20n,
  },
  {
    what: 'somebody else, between the unknown one and our mark',
    known: { ...ours, unknown: [18n] },
    committed: 19n,
    offset: 19n,
    dropped: 20n,
  },
  {
    what: 'somebody else, behind all of ours',
    known: { ...ours, unknown: [18n] },
    committed: 12n,
    offset: 12n,
    dropped: 20n,
  },
  {
    what: 'anything, after a seek back in this assignment',
    known: { mark: 5n, acknowledged: 15n, sought: now },
    committed: 99n,
    offset: 5n,
  },
  {
    what: 'anything, after a seek on in this assignment',
    known: { mark: 40n, acknowledged: 15n, sought: now },
    committed: 99n,
    offset: 40n,
  },
  {
    what: 'our own last commit, after a seek back in the assignment before',
    known: { mark: 5n, acknowledged: 15n, sought: before },
    committed: 15n,
    offset: 5n,
  },
  {
    what: 'somebody else, after a seek back in the assignment before',
    known: { mark: 5n, acknowledged: 15n, sought: before },
    committed: 500n,
    offset: 500n,
    dropped: 5n,
  },
])('the group has committed $committed: $what → begin at $offset', ({ known, committed, offset, dropped }) => {
  const progress = progressWith(known)
  expect(begun(progress, committed, now)).toEqual({ offset, dropped })
  expect(progress).toMatchObject({ mark: offset, acknowledged: committed, unknown: new Set() })
})

test.each<{ what: string; known: Known; commit: bigint | undefined }>([
  { what: 'no position yet', known: {}, commit: undefined },
  { what: 'a position the group does not have', known: { mark: 7n }, commit: 7n },
  { what: 'progress', known: { mark: 20n, acknowledged: 15n }, commit: 20n },
  { what: 'what the group has', known: { mark: 15n, acknowledged: 15n }, commit: undefined },
  { what: 'less than the group has', known: { mark: 10n, acknowledged: 15n }, commit: undefined },
  { what: 'less, after a seek', known: { mark: 10n, acknowledged: 15n, sought: now }, commit: 10n },
  { what: 'progress whose commit has no known outcome', known: { ...ours, unknown: [20n] }, commit: 20n },
])('to commit with $what: $commit', ({ known, commit }) => {
  expect(progressWith(known).uncommitted).toBe(commit)
})

test('a mark moves up over what was handed out, and over nothing else', () => {
  const progress = progressWith({ mark: 10n })
  expect(progress.advance(10n, 15n, 0)).toBe(true)
  expect(progress.advance(8n, 20n, 0)).toBe(true)
  expect(progress.advance(20n, 20n, 0)).toBe(false)
  expect(() => progress.advance(21n, 30n, 0)).toThrow('what lies between was not handed out')
  expect(progress.mark).toBe(20n)
  progress.seek(3n, now)
  expect(progress.advance(20n, 30n, 0)).toBe(false)
  expect(progress.mark).toBe(3n)
})

test('before the first position no mark moves: nobody has said where reading began', () => {
  expect(() => new Progress().advance(0n, 5n, 0)).toThrow('what lies between was not handed out')
})

test.each<{ what: string; mark?: bigint; to: bigint; leaderEpoch: number }>([
  { what: 'back', mark: 10n, to: 9n, leaderEpoch: 7 },
  { what: 'to where reading is', mark: 10n, to: 10n, leaderEpoch: 7 },
  { what: 'ahead', mark: 10n, to: 11n, leaderEpoch: -1 },
  { what: 'before the first position', to: 10n, leaderEpoch: -1 },
])('after a seek $what the leader epoch is $leaderEpoch: nobody told the one of a place that lies ahead', (row) => {
  const progress = Object.assign(progressWith(row.mark === undefined ? {} : { mark: row.mark }), { leaderEpoch: 7 })
  progress.seek(row.to, now)
  expect(progress.leaderEpoch).toBe(row.leaderEpoch)
})

test('forgotten progress is as new, but for what was under way', () => {
  const progress = progressWith({ ...ours, unknown: [18n], sought: now })
  Object.assign(progress, { leaderEpoch: 7, topicId: 'a' })
  const { seeks } = progress
  progress.forget()
  expect(progress.seeks).not.toBe(seeks)
  expect({ ...progress, seeks: 0 }).toEqual({ ...new Progress() })
  expect(progress.leaderEpoch).toBe(-1)
})

test('consumers of one group share its progress, and the last of them takes it along', () => {
  const [one, other] = [acquireProgress('shared'), acquireProgress('shared')]
  const progress = one.of({ topic: 'orders', partition: 0 })
  expect(other.of({ topic: 'orders', partition: 0 })).toBe(progress)
  expect(other.of({ topic: 'orders', partition: 1 })).not.toBe(progress)
  one.topics.see([{ topic: 'orders', id: 'a', errorCode: 0, partitions: 1 }])
  expect(other.topics.idOf('orders')).toBe('a')
  // A release counts once for each consumer.
  one.release()
  one.release()
  const third = acquireProgress('shared')
  expect(third.of({ topic: 'orders', partition: 0 })).toBe(progress)
  other.release()
  expect(acquireProgress('shared').of({ topic: 'orders', partition: 0 })).toBe(progress)
  expect(acquireProgress('another').of({ topic: 'orders', partition: 0 })).not.toBe(progress)
})

test('a group that nobody reads any more begins anew, where the group has committed', () => {
  const held = acquireProgress('left')
  const progress = held.of({ topic: 'orders', partition: 0 })
  held.release()
  expect(acquireProgress('left').of({ topic: 'orders', partition: 0 })).not.toBe(progress)
})

test('an acknowledged commit settles the unknown ones up to it, and no later one', () => {
  const progress = progressWith({ mark: 30n })
  progress.committed(18n, false)
  progress.committed(12n, false)
  progress.committed(15n, true)
  expect(progress).toMatchObject({ acknowledged: 15n, unknown: new Set([18n]) })
  progress.committed(18n, true)
  expect(progress).toMatchObject({ acknowledged: 18n, unknown: new Set() })
})

test('of many commits without an answer the newest hundred are known for ours', () => {
  const progress = progressWith({ mark: 500n })
  for (let offset = 1n; offset <= 150n; offset++) progress.committed(offset, false)
  expect([...progress.unknown][0]).toBe(51n)
  expect(begun(progress, 150n, now).offset).toBe(500n)
})

/** A group that applies our commits or loses their answers, or has its offset moved by somebody else. */
type Event =
  | { kind: 'handle'; count: number }
  | { kind: 'commit'; applied: boolean; told: boolean }
  | { kind: 'assign' }
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('handle' as const), count: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant('commit' as const), applied: fc.boolean(), told: fc.boolean() }),
  fc.record({ kind: fc.constant('assign' as const) }),
)

test('as long as nobody else commits, no assignment reads again what was handled here', () => {
  const walk = fc.property(fc.array(event, { maxLength: 60 }), (events) => {
    const progress = new Progress()
    let group = 0n
    progress.startFrom(group, now)
    for (const each of events) {
      const before = progress.mark ?? 0n
      if (each.kind === 'handle') progress.mark = before + BigInt(each.count)
      if (each.kind === 'commit' && progress.uncommitted !== undefined) {
        const offset = progress.uncommitted
        expect(offset).toBe(before)
        expect(offset).toBeGreaterThan(group < before ? group : -1n)
        if (each.applied) group = offset
        progress.committed(offset, each.applied && each.told)
      }
      if (each.kind === 'assign') expect(begun(progress, group, now)).toEqual({ offset: before, dropped: undefined })
      expect(progress.mark).toBeGreaterThanOrEqual(before)
    }
  })
  fc.assert(walk, { numRuns: 300 })
})

test('a commit of somebody else is where reading begins, wherever our mark is', () => {
  const offset = fc.bigInt({ min: 0n, max: 50n })
  fc.assert(
    fc.property(offset, offset, offset, (mark, acknowledged, theirs) => {
      fc.pre(theirs !== acknowledged)
      expect(begun(progressWith({ mark, acknowledged }), theirs, now).offset).toBe(theirs)
    }),
  )
})
