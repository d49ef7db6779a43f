// Shrinking: of a plan that fails, what is needed for it is left, and nothing else.
import { expect, test } from 'vitest'
import { type Plan, planOf } from './faults/plan.ts'
import type { Outcome } from './run.ts'
import { shrunk } from './shrink.ts'

const outcomeOf = (plan: Plan, invariant: string | undefined): Outcome => ({
  ...{
    seed: 1,
    plan,
    hash: '',
    virtualMs: 0,
    events: 0,
    messages: 0,
    counts: new Map(),
    journals: new Map(),
    story: [],
  },
  violation: invariant === undefined ? undefined : { invariant, what: 'it broke', atMs: 0 },
})

test('two faults that are needed together are what is left of a plan', async () => {
  const plan = planOf(7)
  const [early, late] = [plan.faults[3], plan.faults.at(-2)]
  const rerun = async (faults: Plan['faults']) => {
    const isBroken = [early, late].every((fault) => fault !== undefined && faults.includes(fault))
    return outcomeOf({ ...plan, faults }, isBroken ? 'S1' : undefined)
  }
  const { plan: smallest, violation } = await shrunk(outcomeOf(plan, 'S1'), rerun)
  expect(smallest.faults).toEqual([early, late])
  expect(violation?.invariant).toBe('S1')
})

test('a plan that then breaks something else is not taken', async () => {
  const plan = planOf(8)
  const rerun = async (faults: Plan['faults']) => outcomeOf({ ...plan, faults }, 'S2')
  expect((await shrunk(outcomeOf(plan, 'S1'), rerun)).plan).toBe(plan)
})
