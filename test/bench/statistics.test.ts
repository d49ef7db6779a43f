// The figures of the benchmark: median, 99th percentile and worst of what was measured.
import { expect, test } from 'vitest'
import { quantile, spread } from './statistics.ts'

test.each([
  { values: [7], share: 0.5, expected: 7 },
  { values: [3, 1, 2], share: 0.5, expected: 2 },
  { values: [4, 1, 3, 2], share: 0.5, expected: 2 },
  { values: [4, 1, 3, 2], share: 1, expected: 4 },
  { values: [], share: 0.99, expected: 0 },
])('of $values the share $share does not exceed $expected', ({ values, share, expected }) => {
  expect(quantile(values, share)).toBe(expected)
})

test('the 99th percentile of a hundred values is the second largest, and of fewer the largest', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(spread(hundred)).toEqual({ median: 50, p99: 99, worst: 100, count: 100 })
  expect(spread(hundred.slice(0, 99))).toMatchObject({ p99: 100 })
})

test('the values are left as they were', () => {
  const values = [3, 1, 2]
  spread(values)
  expect(values).toEqual([3, 1, 2])
})
