// A plan: what happens in one seed, and when.

import { Random } from '../random.ts'
import { brokers } from './brokers.ts'
import type { Fault } from './fault.ts'
import type { FaultKind } from './fault-kind.ts'
import { moves } from './moves.ts'
import { paths } from './paths.ts'
import { services } from './services.ts'

export interface Plan {
  readonly faults: readonly Fault[]
  /** So many consumers share the group. */
  readonly serviceCount: number
}

/** From here to there faults begin; each ends by itself within the time it lasts. */
const firstAtMs = 300
export const lastAtMs = 6000
const longestMs = 1800

export const kinds: ReadonlyMap<string, FaultKind> = new Map(
  [...moves, ...paths, ...brokers, ...services].map((kind) => [kind.name, kind]),
)

/** All that has to be counted at least once over many seeds. */
export const proofs: readonly string[] = [...new Set([...kinds.values()].flatMap((kind) => kind.proofs))]

/** At least five moves and fifteen other faults. */
export function planOf(seed: number): Plan {
  const random = new Random(seed, 'plan')
  const draw = (from: readonly FaultKind[]): Fault => {
    let left = random.next() * from.reduce((sum, { weight }) => sum + weight, 0)
    const kind = from.find(({ weight }) => {
      left -= weight
      return left < 0
    })
    const atMs = random.between(firstAtMs, lastAtMs)
    return {
      kind: (kind ?? random.pick(from)).name,
      atMs,
      lastsMs: random.between(50, longestMs),
      dice: random.below(2 ** 31),
    }
  }
  const others = [...kinds.values()].filter(({ isMove }) => !isMove)
  const faults = [
    ...Array.from({ length: random.between(5, 7) }, () => draw(moves)),
    ...Array.from({ length: random.between(15, 20) }, () => draw(others)),
  ]
  return {
    faults: faults.toSorted((one, other) => one.atMs - other.atMs),
    serviceCount: random.chance(0.25) ? 2 : 1,
  }
}
