// Samples as they come, and the load they come to: what is late, early, doubled or out of order, and clocks that are off.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BrokerSample, PartitionSample, Sample } from '../../../machines/balancer/sample.ts'
import {
  emptyWindows,
  forget,
  freshMs,
  loadOf,
  type SampleWindows,
  staleMs,
  takeIn,
} from '../../../machines/balancer/sample-windows.ts'

const start = 1_780_000_000_000
const hourMs = 3_600_000

const sample = (at: number, value: number, others: Partial<PartitionSample> = {}): PartitionSample => ({
  ...{ kind: 'partition', topic: 'orders', partition: 0, brokerId: 1, at, heardAt: at, spanMs: 10_000 },
  bytesIn: { value, trust: 1, origin: 'reported' },
  bytesOut: { value: 2 * value, trust: 1, origin: 'reported' },
  size: { value: 1000 * value, trust: 1, origin: 'reported' },
  ...others,
})
const report = (at: number, pendingAppendMs: number, others: Partial<BrokerSample> = {}): BrokerSample => ({
  ...{ kind: 'broker', brokerId: 1, at, heardAt: at, spanMs: 10_000, pendingAppendMs },
  ...others,
})

const loaded = (windows: SampleWindows, now: number, key = 'orders/0') => loadOf(windows, now).partitions.get(key)
const counted = (...samples: readonly Sample[]) => {
  const { counts } = takeIn(emptyWindows, samples, start)
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}

test('the load of a partition is the mean over its samples, by their spans; its size is the newest', () => {
  const samples = [sample(start - 20_000, 10, { spanMs: 30_000 }), sample(start - 10_000, 30, { spanMs: 10_000 })]
  const load = loaded(takeIn(emptyWindows, samples, start), start)
  expect(load).toMatchObject({ brokerId: 1, at: start - 10_000, trust: 1 })
  expect(load?.bytesIn).toEqual({ value: 15, trust: 1, origin: 'reported' })
  expect([load?.bytesOut.value, load?.size.value]).toEqual([30, 30_000])
})

test('a figure without trust does not count among those that have some', () => {
  const unknown = { value: 0, trust: 0, origin: 'unknown' } as const
  const samples = [sample(start - 10_000, 10), sample(start, 0, { bytesIn: unknown, bytesOut: unknown })]
  const load = loaded(takeIn(emptyWindows, samples, start), start)
  expect([load?.bytesIn, load?.bytesOut.value]).toEqual([{ value: 10, trust: 1, origin: 'reported' }, 20])
})

test('the trust in a partition falls with the age of its newest sample, and in no other', () => {
  const samples = [sample(start, 10), sample(start, 10, { partition: 1 })]
  const windows = takeIn(takeIn(emptyWindows, samples, start), [sample(start + staleMs, 10)], start + staleMs)
  const trusts = (now: number, partition: number) => {
    const load = loaded(windows, now, `orders/${partition}`)
    return [load?.trust, load?.bytesIn.trust, load?.size.trust]
  }
  expect(trusts(start + freshMs, 1)).toEqual([1, 1, 1])
  expect(trusts(start + (freshMs + staleMs) / 2, 1)).toEqual([0.5, 0.5, 0.5])
  expect(trusts(start + staleMs, 1)).toEqual([0, 0, 0])
  expect(trusts(start + staleMs, 0)).toEqual([1, 1, 1])
})

test('a late sample is left out', () => {
  expect(counted(sample(start - staleMs - 1, 10, { heardAt: null }))).toEqual({ late: 1 })
  expect(counted(sample(start - staleMs, 10, { heardAt: null }))).toEqual({ taken: 1 })
})

test('an early sample is left out; one that is early by little counts as of now', () => {
  expect(counted(sample(start + hourMs, 10, { heardAt: null }))).toEqual({ early: 1 })
  const windows = takeIn(emptyWindows, [sample(start + 5000, 10, { heardAt: start })], start)
  expect(loaded(windows, start)).toMatchObject({ at: start, trust: 1 })
})

test('a sample that has a time to come for once changes nothing', () => {
  const usual = [0, 1, 2, 3].map((index) => sample(start + index * 10_000, 10))
  const odd = sample(start + hourMs, 99, { heardAt: start + 31_000 })
  const windows = takeIn(takeIn(emptyWindows, usual, start + 30_000), [odd], start + 31_000)
  expect(windows.counts).toMatchObject({ taken: 4, early: 1 })
  expect(loaded(windows, start + 31_000)?.bytesIn.value).toBe(10)
})

test('a doubled sample is left out; another broker may have made one at the same time', () => {
  expect(counted(sample(start, 10), sample(start, 10))).toEqual({ taken: 1, doubled: 1 })
  expect(counted(sample(start, 10), sample(start, 10, { brokerId: 2 }))).toEqual({ taken: 2 })
  expect(counted(report(start - 10, 1), report(start, 1), report(start - 10, 1))).toEqual({ taken: 2, doubled: 1 })
})

test('samples out of order come to the same load as in order', () => {
  const times = [0, 1, 2, 3, 4, 5].map((index) => start - 60_000 + index * 10_000)
  const samples = times.map((at, index) => sample(at, index + 1, { heardAt: null }))
  const inOrder = loadOf(takeIn(emptyWindows, samples, start), start)
  fc.assert(
    fc.property(fc.shuffledSubarray(samples, { minLength: samples.length }), (shuffled) => {
      expect(loadOf(takeIn(emptyWindows, shuffled, start), start)).toEqual(inOrder)
    }),
  )
  expect(counted(...samples.toReversed())).toEqual({ taken: 6, reordered: 5 })
})

test.each([-hourMs, -60_000, 60_000, hourMs])('a broker whose clock is off by %d ms is judged by ours', (skewMs) => {
  let windows = emptyWindows
  for (const now of [start, start + 10_000, start + 20_000])
    windows = takeIn(windows, [sample(now + skewMs, 10, { heardAt: now + 50 })], now + 50)
  expect(windows.counts).toEqual({ taken: 3, late: 0, early: 0, doubled: 0, reordered: 0 })
  expect(loaded(windows, start + 20_050)).toMatchObject({ at: start + 20_050, trust: 1 })
  expect(loaded(windows, start + 20_000 + staleMs + 50)?.trust).toBe(0)
  expect(loadOf(windows, start).brokers.get(1)?.skewMs).toBe(50 - skewMs)
})

test('samples that were held up on their way do not make a clock look wrong', () => {
  const heardAt = start + 60_000
  const held = [0, 1, 2, 3, 4, 5].map((index) => sample(start + index * 10_000, 10, { heardAt }))
  const windows = takeIn(emptyWindows, held, heardAt)
  expect(loadOf(windows, heardAt).brokers.get(1)?.skewMs).toBe(0)
})

test('samples that were read back say nothing of clocks: those of a broker that is gone stay old', () => {
  const windows = takeIn(emptyWindows, [sample(start - 150_000, 10, { heardAt: null })], start)
  expect(loaded(windows, start)?.trust).toBe(0.25)
})

test('partitions and brokers that nothing was heard of for ten minutes are forgotten', () => {
  const windows = takeIn(emptyWindows, [sample(start, 10), report(start, 5)], start)
  const later = takeIn(windows, [], start + 600_000)
  const latest = takeIn(windows, [], start + 600_001)
  expect([later.partitions.size, later.brokers.size]).toEqual([1, 1])
  expect([latest.partitions.size, latest.brokers.size]).toEqual([0, 0])
})

test('partitions that are gone are forgotten at once', () => {
  const windows = takeIn(emptyWindows, [sample(start, 10), sample(start, 10, { topic: 'bills' })], start)
  const left = forget(windows, ({ topic }) => topic === 'orders')
  expect([...loadOf(left, start).partitions.keys()]).toEqual(['bills/0'])
})

test('a broker has the longer of its pending times from the oldest to the newest, until it is silent', () => {
  const reports = [report(start, 5, { pendingFetchMs: 9 }), report(start + 20_000, 30), report(start + 10_000, 20)]
  const none: BrokerSample = { kind: 'broker', brokerId: 1, at: start + 25_000, heardAt: start + 25_000, spanMs: 1 }
  const windows = takeIn(emptyWindows, [...reports, none], start + 25_000)
  const pending = (now: number) => loadOf(windows, now).brokers.get(1)?.pending
  expect(pending(start + 25_000)).toEqual([9, 20, 30])
  expect(pending(start + 25_000 + staleMs + 1)).toEqual([])
})

test('windows keep the newest nine samples of a partition, whatever comes', () => {
  const many = Array.from({ length: 100 }, (_, index) => sample(start + index, index))
  const windows = takeIn(emptyWindows, many, start + 100)
  expect(windows.partitions.get('orders/0')?.entries).toHaveLength(9)
  expect(loaded(windows, start + 100)?.bytesIn.value).toBe(95)
})
