// The round trip: what its samples make of a deadline.
import { expect, test } from 'vitest'
import { RoundTrip, RoundTrips, rebuildWithin } from '../../../actors/connection/round-trip.ts'

const after = (...samples: readonly number[]): number => {
  const roundTrip = new RoundTrip()
  for (const sample of samples) roundTrip.note(sample)
  return Math.round(roundTrip.lateMs)
}
const times = (count: number, sample: number) => Array.from({ length: count }, () => sample)

test.each([
  ['nothing is known at first', [], 0],
  ['the first sample counts three times, as with TCP', [200], 600],
  ['a steady round trip leaves as much again as room', times(40, 200), 400],
  ['one that jumps leaves four times its variance', [100, 300, 100, 300, 100, 300], 575],
  ['no deadline waits for longer than a second', times(200, 60_000), 1000],
])('%s', (_, samples, expected) => {
  expect(after(...samples)).toBe(expected)
})

test('a process that stood still for six seconds takes its brokers to be near again within twenty answers', () => {
  expect(after(...times(10, 1), 6000)).toBeLessThan(400)
  expect(after(...times(10, 1), 6000, ...times(20, 1))).toBeLessThan(50)
})

test('links to one endpoint share what is known, and of many endpoints those asked for last are kept', () => {
  const roundTrips = new RoundTrips()
  const first = roundTrips.to('a:1')
  first.note(10)
  expect(roundTrips.to('a:1')).toBe(first)
  for (let port = 1; port <= 256; port++) roundTrips.to(`b:${port}`)
  expect(roundTrips.to('a:1')).not.toBe(first)
})

test('a rebuild has sixteen late answers, and never less than the option says', () => {
  expect([rebuildWithin(5000, 3), rebuildWithin(5000, 800)]).toEqual([5000, 12_800])
})
