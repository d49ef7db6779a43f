import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs } from '../../machines/backoff.ts'

const bounds = { floorMs: 50, baseMs: 100, capMs: 1000 }

test.each([
  [1, 0, 50],
  [1, 0.5, 75],
  [2, 0.5, 125],
  [4, 0.5, 425],
  [5, 0.5, 525],
  [1000, 0.5, 525],
  [1000, 0, 50],
])('attempt %i with the random number %d waits %i ms', (attempt, random, expected) => {
  expect(backoffMs(attempt, bounds, random)).toBe(expected)
})

test('a wait never leaves its bounds', () => {
  const random = fc.double({ min: 0, max: 0.999999, noNaN: true })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5000 }), random, (attempt, number) => {
      const waitMs = backoffMs(attempt, bounds, number)
      expect(waitMs).toBeGreaterThanOrEqual(bounds.floorMs)
      expect(waitMs).toBeLessThanOrEqual(bounds.capMs)
    }),
  )
})

test('without a floor a wait may be nothing', () => {
  expect(backoffMs(3, { baseMs: 100, capMs: 1000 }, 0)).toBe(0)
})
