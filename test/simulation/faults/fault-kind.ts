// A kind of fault: what it does to the world, and what shows that it did.

import type { Random } from '../random.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

export interface FaultKind {
  readonly name: string
  /** What proves that it took effect: names that the world counts. */
  readonly proofs: readonly string[]
  /** How often it is planned, compared with others. */
  readonly weight: number
  readonly isMove?: boolean
  /** Planned only where this dimension was drawn. */
  readonly dimension?: string
  /** Does it, and returns what ends it. */
  apply(world: World, random: Random, fault: Fault): (() => void) | undefined
}
