// A batch: many seeds one after the other in one process, and what they came to together.

import { kinds } from './faults/plan.ts'
import { run } from './run.ts'
import type { Violation } from './world.ts'

/** Plain data: it goes from one process to another. */
export interface BatchResult {
  readonly seeds: number
  readonly faults: number
  readonly moves: number
  readonly messages: number
  readonly events: number
  readonly virtualMs: number
  /** Seeds that were run a second time, to compare the journals. */
  readonly twice: number
  readonly counts: Readonly<Record<string, number>>
  readonly failures: readonly { readonly seed: number; readonly violation: Violation }[]
}

export const nothingRun: BatchResult = {
  ...{ seeds: 0, faults: 0, moves: 0, messages: 0, events: 0, virtualMs: 0, twice: 0 },
  counts: {},
  failures: [],
}

/** Each so many seeds, one is run twice. */
const twiceEach = 50

export async function runBatch(seeds: readonly number[]): Promise<BatchResult> {
  let result = nothingRun
  for (const seed of seeds) result = together(result, await runOne(seed))
  return result
}

export function together(one: BatchResult, other: BatchResult): BatchResult {
  const counts = { ...one.counts }
  for (const [kind, count] of Object.entries(other.counts)) counts[kind] = (counts[kind] ?? 0) + count
  return {
    seeds: one.seeds + other.seeds,
    faults: one.faults + other.faults,
    moves: one.moves + other.moves,
    messages: one.messages + other.messages,
    events: one.events + other.events,
    virtualMs: one.virtualMs + other.virtualMs,
    twice: one.twice + other.twice,
    counts,
    failures: [...one.failures, ...other.failures],
  }
}

async function runOne(seed: number): Promise<BatchResult> {
  const { plan, violation, hash, virtualMs, events, messages, counts } = await run(seed)
  const failures = violation ? [{ seed, violation }] : []
  const isTwice = seed % twiceEach === 0
  if (isTwice) {
    const again = await run(seed)
    const what = `the same seed gave ${hash} and then ${again.hash}`
    if (again.hash !== hash) failures.push({ seed, violation: { invariant: 'same seed, same journal', what, atMs: 0 } })
  }
  return {
    ...{ seeds: 1, messages, events, virtualMs, failures },
    faults: plan.faults.length,
    moves: plan.faults.filter(({ kind }) => kinds.get(kind)?.isMove).length,
    twice: isTwice ? 1 : 0,
    counts: Object.fromEntries(counts),
  }
}
