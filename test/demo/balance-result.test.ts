// The verdict of the balancer's demo.
import { expect, test } from 'vitest'
import { even } from '../balancer/decisions.ts'
import { type BalanceOutcome, balanceResult } from './balance-result.ts'

const good: BalanceOutcome = {
  before: { ...even, networkOut: 0.98 },
  after: { ...even, networkOut: 0.004 },
  carriedBefore: [
    { id: 1, in: 3, out: 8 },
    { id: 2, in: 1, out: 2 },
  ],
  carriedAfter: [
    { id: 1, in: 105, out: 100 },
    { id: 2, in: 95, out: 100 },
  ],
  status: {
    ...{ rounds: { still: 1, proposed: 0, executed: 1, failed: 0 }, copiedBytes: 2 ** 20, throttles: [] },
    moves: { done: 23, cancelled: 0, failed: 0 },
  },
  ...{ gaps: { within: 600, elsewhere: 550 }, acknowledged: 5730 },
  losses: { missing: [], twice: 0, skipped: 0, lost: 0 },
}

test('the table has what was measured', () => {
  const { text, holds } = balanceResult(good)
  expect(holds).toBe(true)
  for (const row of [
    /networkOut +│ +0\.980 │ 0\.004/,
    /farthest from the mean, network +│ +60 % │ +5 %/,
    /23 \/ 0 \/ 0/,
    /1\.0 MiB/,
    /0\.60 s \/ 0\.55 s/,
    /5,730 \/ 0 \/ 0/,
  ])
    expect(text).toMatch(row)
})

test.each<[string, Partial<BalanceOutcome>]>([
  ['a broker is 60 % from the mean', { carriedAfter: good.carriedBefore }],
  ['2 steps were not done', { status: { ...good.status, moves: { done: 21, cancelled: 1, failed: 1 } } }],
  ['1 throttles are still set', { status: { ...good.status, throttles: ['broker 1 rate'] } }],
  ['messages were lost or handled twice', { losses: { ...good.losses, lost: 1 } }],
  ['messages were lost or handled twice', { losses: { ...good.losses, twice: 1 } }],
  ['samples were missing for too long at the move', { gaps: { within: 1600, elsewhere: 550 } }],
])('the verdict says that %s, and nothing holds then', (broken, own) => {
  const { text, holds } = balanceResult({ ...good, ...own })
  expect(holds).toBe(false)
  expect(text).toContain(`did NOT keep its promise: ${broken}.`)
})
