// A batch: many seeds one after the other in one process, and what they came to together.

import { kinds, planOf } from './faults/plan.ts'
import { run } from './run.ts'
import type { Violation } from './world.ts'

/** A seed to run, with its dimensions. */
export interface Job {
  readonly seed: number
  readonly dimensions: readonly string[]
}

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
  /** In how many seeds each dimension took effect. */
  readonly effects: Readonly<Record<string, number>>
  readonly failures: readonly (Job & { readonly violation: Violation })[]
}

export const nothingRun: BatchResult = {
  ...{ seeds: 0, faults: 0, moves: 0, messages: 0, events: 0, virtualMs: 0, twice: 0 },
  ...{ counts: {}, effects: {} },
  failures: [],
}

/** Each so many seeds, one is run twice. */
const twiceEach = 50

export async function runBatch(jobs: readonly Job[]): Promise<BatchResult> {
  let result = nothingRun
  for (const job of jobs) result = together(result, await runOne(job))
  return result
}

export function together(one: BatchResult, other: BatchResult): BatchResult {
  return {
    seeds: one.seeds + other.seeds,
    faults: one.faults + other.faults,
    moves: one.moves + other.moves,
    messages: one.messages + other.messages,
    events: one.events + other.events,
    virtualMs: one.virtualMs + other.virtualMs,
    twice: one.twice + other.twice,
    counts: summed(one.counts, other.counts),
    effects: summed(one.effects, other.effects),
    failures: [...one.failures, ...other.failures],
  }
}

function summed(one: BatchResult['counts'], other: BatchResult['counts']): BatchResult['counts'] {
  const sum = { ...one }
  for (const [kind, count] of Object.entries(other)) sum[kind] = (sum[kind] ?? 0) + count
  return sum
}

async function runOne(job: Job): Promise<BatchResult> {
  const { seed, dimensions } = job
  const plan = planOf(seed, dimensions)
  const { violation, hash, virtualMs, events, messages, counts } = await run(seed, { plan })
  const failures = violation ? [{ ...job, violation }] : []
  const isTwice = seed % twiceEach === 0
  if (isTwice) {
    const again = await run(seed, { plan })
    const what = `the same seed gave ${hash} and then ${again.hash}`
    if (again.hash !== hash)
      failures.push({ ...job, violation: { invariant: 'same seed, same journal', what, atMs: 0 } })
  }
  return {
    ...{ seeds: 1, messages, events, virtualMs, failures },
    faults: plan.faults.length,
    moves: plan.faults.filter(({ kind }) => kinds.get(kind)?.isMove).length,
    twice: isTwice ? 1 : 0,
    counts: Object.fromEntries(counts),
    effects: Object.fromEntries(dimensions.filter((name) => counts.has(name)).map((name) => [name, 1])),
  }
}
