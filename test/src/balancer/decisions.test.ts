// The decisions that are kept of a balancer's records.
import { expect, test } from 'vitest'
import { Decisions } from '../../../src/balancer/decisions.ts'
import type { JournalRecord } from '../../../src/journal/journal.ts'

const record = (type: string, data: object) => ({ type, data }) as unknown as JournalRecord

test('the newest ones are kept, and found by their round', () => {
  const decisions = new Decisions(2)
  for (const round of [1, 2, 3]) {
    decisions.note(record('round.begun', { round }))
    decisions.note(record('plan.proposed', { round, decision: { round } }))
    decisions.note(record('round.closed', { round, result: 'proposed' }))
  }
  expect(decisions.all()).toEqual([{ round: 2 }, { round: 3 }])
  expect([decisions.of(1), decisions.of(2), decisions.of(undefined)]).toEqual([undefined, { round: 2 }, { round: 3 }])
  expect(decisions.newestRound).toBe(3)
})
