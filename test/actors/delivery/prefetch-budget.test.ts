// The prefetch budget: fetches go out when there is room for what they may bring.
import { expect, test, vi } from 'vitest'
import { PrefetchBudget } from '../../../actors/delivery/prefetch-budget.ts'
import { withFakeTime } from '../stage.ts'

withFakeTime()

const { signal } = new AbortController()

test('each of the nodes gets its share, and all shares together stay within the limit', async () => {
  const prefetchBudget = new PrefetchBudget(90)
  const shares = await Promise.all([1, 2, 3].map(() => prefetchBudget.reserve(1000, 3, 0, signal)))
  expect(shares).toEqual([30, 30, 30])
  expect(await prefetchBudget.reserve(1000, 3, 0, signal)).toBe(0)
  prefetchBudget.release(30)
  expect(await prefetchBudget.reserve(1000, 3, 0, signal)).toBe(30)
})

test('a fetch waits while messages fill the room, and goes out as soon as they are handled', async () => {
  const prefetchBudget = new PrefetchBudget(100)
  prefetchBudget.add(60)
  const waiting = prefetchBudget.reserve(50, 1, 250, signal)
  await vi.advanceTimersByTimeAsync(249)
  prefetchBudget.add(-10)
  expect(await waiting).toBe(50)
})

test('a fetch that finds no room in time is told so', async () => {
  const prefetchBudget = new PrefetchBudget(100)
  prefetchBudget.add(100)
  const waiting = prefetchBudget.reserve(50, 1, 250, signal)
  await vi.advanceTimersByTimeAsync(250)
  expect(await waiting).toBe(0)
})

test('an end of the session ends the wait', async () => {
  const prefetchBudget = new PrefetchBudget(100)
  prefetchBudget.add(100)
  const stop = new AbortController()
  const waiting = prefetchBudget.reserve(50, 1, 60_000, stop.signal)
  stop.abort()
  expect(await waiting).toBe(0)
})
