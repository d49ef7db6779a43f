// The watch over the event loop: a loop that stands still is told once it moves again.
import { expect, test } from 'vitest'
import { standstillSince, watchEventLoop } from '../../../actors/time/event-loop.ts'

test('a loop that stood still for more than a second is told to every watcher, with how long it did', async () => {
  const ends: (() => void)[] = []
  const heard = [0, 1].map(() => new Promise<number>((resolve) => void ends.push(watchEventLoop(resolve))))
  const left = watchEventLoop(() => expect.unreachable('it has left'))
  left()
  // A beat has to have come before it stands still.
  await new Promise((resolve) => setTimeout(resolve, 400))
  block(1400)
  for (const forMs of await Promise.all(heard)) {
    expect(forMs).toBeGreaterThan(1000)
    expect(forMs).toBeLessThan(5000)
  }
  for (const end of ends) end()
})

/** Blocks the event loop. */
function block(ms: number): void {
  const until = Date.now() + ms
  while (Date.now() < until);
}

test('a judge is told how long the loop stood still, also in the first timer behind it, and not of what was before', async () => {
  expect(standstillSince(0)).toBe(0)
  const end = watchEventLoop(() => {})
  await new Promise((resolve) => setTimeout(resolve, 600))
  const before = performance.now()
  const judged = new Promise<number>((resolve) => setTimeout(() => resolve(standstillSince(before)), 10))
  block(1500)
  // The beat itself may come before or after this one: both are told the same.
  const first = await judged
  expect(first).toBeGreaterThanOrEqual(1500 - 250 - 10)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const passedMs = performance.now() - before
  expect(standstillSince(before)).toBeGreaterThanOrEqual(first - 1)
  expect(standstillSince(before)).toBeLessThan(passedMs)
  const fresh = performance.now()
  expect(standstillSince(fresh)).toBeLessThanOrEqual(performance.now() - fresh)
  end()
  expect(standstillSince(0)).toBe(0)
})
