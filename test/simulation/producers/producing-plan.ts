// What happens in a seed of producers, and when: shorter than a consumer's, as nothing has to be joined or committed.

import type { FaultKind } from '../faults/fault-kind.ts'
import { moves } from '../faults/moves.ts'
import { drawFault, type Plan } from '../faults/plan.ts'
import { producerKinds } from '../faults/produces.ts'
import { Random } from '../random.ts'

const times = { firstAtMs: 100, lastAtMs: 2000, longestMs: 1000 }

/** No fault of a producers' plan is under way any more. */
export const calmAtMs = times.lastAtMs + times.longestMs + 700

export function producingPlan(seed: number): Plan {
  const random = new Random(seed, 'plan of producers')
  const others = producerKinds.filter(({ isMove }) => !isMove)
  const draw = (from: readonly FaultKind[]) => drawFault(random, from, times)
  const faults = [
    ...Array.from({ length: random.between(1, 3) }, () => draw(moves)),
    ...Array.from({ length: random.between(4, 9) }, () => draw(others)),
  ]
  return {
    faults: faults.toSorted((one, other) => one.atMs - other.atMs),
    ...{ serviceCount: 0, dimensions: [], stretch: 1, isOfProducers: true },
  }
}
