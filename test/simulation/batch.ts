// A batch: many seeds one after the other in one process, and what they came to together.

import { isMove, type Plan, planOf } from './faults/plan.ts'
import { producingPlan } from './producers/producing-plan.ts'
import { run } from './run.ts'
import type { Violation } from './world.ts'

/** A seed to run, with its dimensions. */
export interface Job {
  readonly seed: number
  readonly dimensions: readonly string[]
  /** It is one of producers. */
  readonly isOfProducers?: boolean
}

export const planFor = ({ seed, dimensions, isOfProducers = false }: Job): Plan =>
  isOfProducers ? producingPlan(seed) : planOf(seed, dimensions)

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

/** Runs them all, and some again behind all others: whatever one of them leaves behind in the process shows as well. */
export async function runBatch(jobs: readonly Job[]): Promise<BatchResult> {
  let result = nothingRun
  const again: (() => Promise<BatchResult>)[] = []
  for (const job of jobs) {
    const { hash, ...one } = await runOne(job)
    result = together(result, one)
    if (job.seed % twiceEach === 0) again.push(() => runAgain(job, hash))
  }
  for (const run of again) result = together(result, await run())
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

async function runOne(job: Job): Promise<BatchResult & { readonly hash: string }> {
  const { seed, dimensions } = job
  const plan = planFor(job)
  const { violation, hash, virtualMs, events, messages, counts } = await run(seed, { plan })
  return {
    ...{ seeds: 1, messages, events, virtualMs, twice: 0, hash },
    failures: violation ? [{ ...job, violation }] : [],
    faults: plan.faults.length,
    moves: plan.faults.filter(({ kind }) => isMove(kind)).length,
    counts: Object.fromEntries(counts),
    effects: Object.fromEntries(dimensions.filter((name) => counts.has(name)).map((name) => [name, 1])),
  }
}

async function runAgain(job: Job, before: string): Promise<BatchResult> {
  const { hash } = await run(job.seed, { plan: planFor(job) })
  const what = `the same seed gave ${before} and then ${hash}`
  const violation = { invariant: 'same seed, same journal', what, atMs: 0 }
  return { ...nothingRun, twice: 1, failures: hash === before ? [] : [{ ...job, violation }] }
}
