// From looks at logs to what partitions carried: exact where logs say enough, and never more than can be known.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type LogState,
  type Look,
  placesToFetch,
  samplesBefore,
  samplesBetween,
  withMissing,
} from '../../../machines/balancer/log-rates.ts'

const log = (others: Partial<LogState>): LogState => ({
  ...{ topic: 'orders', partition: 0, topicId: 'a', leader: 1, at: 0, steadyMs: 0, start: 0n, end: 0n },
  ...{ sizes: new Map(), isCompacted: false },
  ...others,
})
const look = (
  state: LogState | undefined,
  commits: Readonly<Record<string, readonly [number, bigint]>> = {},
): Look => ({
  logs: new Map(state ? [['orders/0', state]] : []),
  groups: new Map(
    Object.entries(commits).map(([group, [steadyMs, offset]]) => [
      group,
      { steadyMs, offsets: new Map([['orders/0', offset]]) },
    ]),
  ),
  hasAllGroups: true,
})
const none = new Map()

test('the growth of the replica that leads now counts, also where another led before', () => {
  const before = look(
    log({
      leader: 2,
      sizes: new Map([
        [1, 1000],
        [2, 900],
      ]),
      end: 10n,
    }),
  )
  const sizes = new Map([
    [1, 3000],
    [2, 2900],
  ])
  const { samples } = samplesBetween(before, look(log({ leader: 1, steadyMs: 20_000, sizes, end: 20n })), none)
  expect(samples).toMatchObject([{ brokerId: 1, bytesIn: { value: 100, trust: 1 }, size: { value: 3000, trust: 1 } }])
})

test('a log that was cut says nothing of the time before', () => {
  const between = samplesBetween(look(log({ end: 20n })), look(log({ steadyMs: 1000, end: 19n })), none)
  expect(between).toEqual({ samples: [], voided: [{ topic: 'orders', partition: 0, why: 'truncated' }] })
})

test('where nothing says how many bytes an offset has, nothing is believed', () => {
  const { samples } = samplesBetween(look(log({})), look(log({ steadyMs: 20_000, end: 10n, isCompacted: true })), none)
  expect(samples).toMatchObject([{ bytesIn: { trust: 0, origin: 'unknown' }, size: { trust: 0 } }])
})

test('a group that commits for the first time, or goes back, says nothing of its pace', () => {
  const grown = { steadyMs: 20_000, end: 10n, sizes: new Map([[1, 1000]]) }
  const after = look(log(grown), { readers: [20_000, 5n] })
  for (const commits of [{}, { readers: [0, 6n] }] as const) {
    const { samples } = samplesBetween(look(log({ sizes: new Map([[1, 0]]) }), commits), after, none)
    expect(samples[0]?.bytesOut).toEqual({ value: 0, trust: 0, origin: 'unknown' })
  }
})

test('a group that reads on while nothing is written is load to consumers', () => {
  const sizes = new Map([[1, 1000]])
  const before = look(log({ end: 10n, sizes }), { readers: [0, 0n] })
  const after = look(log({ end: 10n, sizes, steadyMs: 20_000 }), { readers: [20_000, 10n] })
  const { samples } = samplesBetween(before, after, none)
  expect(samples).toMatchObject([{ bytesIn: { value: 0, trust: 1 }, bytesOut: { value: 50 } }])
  expect(samples[0]?.bytesOut.trust).toBeCloseTo(0.56)
})

test('short spans have less trust', () => {
  const before = look(log({ sizes: new Map([[1, 0]]) }))
  const { samples } = samplesBetween(before, look(log({ steadyMs: 5000, end: 5n, sizes: new Map([[1, 500]]) })), none)
  expect(samples).toMatchObject([{ bytesIn: { value: 100, trust: 0.5 } }])
})

test('what is missing from a look is kept for the next one, for three minutes', () => {
  const before = look(log({ end: 7n }), { readers: [0, 3n] })
  const kept = withMissing(before, look(undefined), 180_000)
  expect([kept.logs.size, kept.groups.size]).toEqual([1, 1])
  const dropped = withMissing(before, look(undefined), 180_001)
  expect([dropped.logs.size, dropped.groups.size]).toEqual([0, 0])
})

test('times of messages that go backwards, or that retention has passed, give no past load', () => {
  const state = look(log({ at: 60_000, start: 5n, end: 20n, sizes: new Map([[1, 1500]]) }))
  const ends = (at: number, end: bigint) => ({ at, ends: new Map([['orders/0', end]]) })
  const past = (...points: ReturnType<typeof ends>[]) => samplesBefore(state, points, none).map(({ at }) => at)
  expect(past(ends(0, 10n), ends(30_000, 15n))).toEqual([30_000, 60_000])
  expect(past(ends(0, 18n), ends(30_000, 10n))).toEqual([60_000])
  expect(past(ends(0, 4n), ends(30_000, 10n))).toEqual([60_000])
})

test('whatever two looks show, figures are finite, none is negative, and trust is from 0 to 1', () => {
  const state = fc
    .record({
      ...{ start: fc.bigInt(0n, 50n), grown: fc.bigInt(0n, 100n), size: fc.option(fc.nat(10_000)), leader: fc.nat(2) },
      ...{ isCompacted: fc.boolean(), id: fc.constantFrom('a', 'b') },
    })
    .map(({ start, grown, size, leader, isCompacted, id }) => {
      const sizes = new Map(size === null ? [] : [[leader, size] as const])
      return { start, end: start + grown, sizes, leader, isCompacted, topicId: id }
    })
  const committed = fc.dictionary(fc.constantFrom('one', 'two'), fc.tuple(fc.nat(100_000), fc.bigInt(0n, 200n)))
  const fetched = fc.option(fc.record({ bytes: fc.nat(10_000), offsets: fc.nat(10) }))
  fc.assert(
    fc.property(
      state,
      state,
      committed,
      committed,
      fc.nat(60_000),
      fetched,
      (one, other, was, is, steadyMs, batches) => {
        const [before, after] = [look(log(one), was), look(log({ ...other, steadyMs, at: steadyMs }), is)]
        const found = batches ? new Map([['orders/0', batches]]) : none
        for (const { from, leader } of placesToFetch(before, after)) {
          expect(leader).toBe(other.leader)
          expect(from >= 0n && from < other.end).toBe(true)
        }
        for (const { bytesIn, bytesOut, size, spanMs } of samplesBetween(before, after, found).samples) {
          expect(spanMs).toBeGreaterThan(0)
          for (const { value, trust } of [bytesIn, bytesOut, size]) {
            expect(Number.isFinite(value) && value >= 0).toBe(true)
            expect(trust >= 0 && trust <= 1).toBe(true)
          }
        }
      },
    ),
  )
})
