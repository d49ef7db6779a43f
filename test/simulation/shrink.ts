// Shrinking: which faults of a plan are needed for what went wrong. Parts are left out, smaller and smaller ones, as long as the same
// invariant breaks without them.

import type { Fault } from './faults/fault.ts'
import type { Outcome } from './run.ts'

/** Runs at most; what is left then is not the smallest plan perhaps, but one that fails. */
const mostRuns = 80

/** `rerun` runs the same seed with these faults. Returns the last outcome that broke the same invariant. */
export async function shrunk(failed: Outcome, rerun: (faults: readonly Fault[]) => Promise<Outcome>): Promise<Outcome> {
  const invariant = failed.violation?.invariant
  let best = failed
  let runs = 0
  for (let size = Math.ceil(failed.plan.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.plan.faults.length && runs < mostRuns; ) {
      const fewer = best.plan.faults.toSpliced(at, size)
      const outcome = await rerun(fewer)
      runs++
      if (outcome.violation?.invariant === invariant) best = outcome
      else at += size
    }
  }
  return best
}
