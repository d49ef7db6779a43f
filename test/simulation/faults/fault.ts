// A fault as a plan names it, and what a kind of fault does to the world.

import type { Random } from '../random.ts'
import type { World } from '../world.ts'

/** One fault of a plan. It does the same in the same world, whichever other faults there are. */
export interface Fault {
  readonly kind: string
  readonly atMs: number
  readonly lastsMs: number
  /** The seed of its own choices. */
  readonly dice: number
}

export interface FaultKind {
  readonly name: string
  /** What proves that it took effect: names that the world counts. */
  readonly proofs: readonly string[]
  /** How often it is planned, compared with others. */
  readonly weight: number
  readonly isMove?: boolean
  /** Does it, and returns what ends it. */
  apply(world: World, random: Random, fault: Fault): (() => void) | undefined
}
