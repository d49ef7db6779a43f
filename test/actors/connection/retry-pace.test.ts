// The pace of retries: how often something that always fails is tried.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { bounds, Streak } from '../../../actors/connection/retry-pace.ts'

let now = 0

beforeEach(() => {
  now = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})
afterEach(() => void vi.restoreAllMocks())

/** How often something that always fails is tried within a time, when it is tried as soon as it may be. */
function triesWithin(limitMs: number, waitMs: () => number, fail: () => void): number {
  const end = now + limitMs
  let tries = 0
  for (; now < end; now += waitMs()) {
    tries += 1
    fail()
  }
  return tries
}

test.each([
  ['dial', 66, 60],
  ['refusal', 60, 60],
  ['login', 6, 2],
  ['lookUp', 185, 181],
  ['question', 66, 60],
  ['denial', 14, 12],
] as const)(
  '%s: tried as soon as it may be, at most %i times in the first minute and %i in each later one',
  (name, first, later) => {
    const streak = new Streak(() => 0)
    const tries = () =>
      triesWithin(
        60_000,
        () => streak.waitMs,
        () => streak.failed(bounds[name]),
      )
    expect(tries()).toBeLessThanOrEqual(first)
    tries()
    expect(tries()).toBeLessThanOrEqual(later)
  },
)
