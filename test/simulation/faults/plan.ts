// A plan: what happens in one seed, and when.

import { dimensionNamed, drawn } from '../dimensions.ts'
import { Random } from '../random.ts'
import { answers } from './answers.ts'
import { brokers } from './brokers.ts'
import { doors } from './doors.ts'
import type { Fault } from './fault.ts'
import type { FaultKind } from './fault-kind.ts'
import { moves } from './moves.ts'
import { paths } from './paths.ts'
import { services } from './services.ts'
import { topics } from './topics.ts'

export interface Plan {
  readonly faults: readonly Fault[]
  /** So many consumers share the group. */
  readonly serviceCount: number
  /** What the seed's world has that others have not. */
  readonly dimensions: readonly string[]
  /** Everything comes this many times slower, so that what takes long fits. */
  readonly stretch: number
  /** It is producers that it happens to. */
  readonly isOfProducers?: boolean
}

/** From here to there faults begin; each ends by itself within the time it lasts. */
const times = { firstAtMs: 300, lastAtMs: 6000, longestMs: 1800 }
export const { lastAtMs } = times

export const kinds: ReadonlyMap<string, FaultKind> = new Map(
  [...moves, ...paths, ...brokers, ...topics, ...answers, ...doors, ...services].map((kind) => [kind.name, kind]),
)

export const isMove = (kind: string): boolean => kinds.get(kind)?.isMove === true

/** All that has to be counted at least once over many seeds. */
const proofsOf = (some: readonly FaultKind[]): string[] => [...new Set(some.flatMap((kind) => kind.proofs))]

/** What proves that each kind of fault took effect. */
export const proofs: readonly string[] = proofsOf([...kinds.values()])

/** The same without the kinds that are planned only in these dimensions. */
export const proofsWithout = (dimensions: ReadonlySet<string>): string[] =>
  proofsOf([...kinds.values()].filter(({ dimension }) => dimension === undefined || !dimensions.has(dimension)))

/** A fault of one of these kinds, by their weights, at some time. */
export function drawFault(
  random: Random,
  from: readonly FaultKind[],
  { firstAtMs, lastAtMs, longestMs }: { readonly [Name in keyof typeof times]: number },
): Fault {
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

/** At least five moves and fifteen other faults, and those of the dimensions. Without any the plan is what it always was. */
export function planOf(seed: number, dimensions: readonly string[] = drawn(seed)): Plan {
  const random = new Random(seed, 'plan')
  const drawFrom = (random: Random, from: readonly FaultKind[]) => drawFault(random, from, times)
  const draw = (from: readonly FaultKind[]) => drawFrom(random, from)
  const others = [...kinds.values()].filter(({ isMove, dimension }) => !isMove && dimension === undefined)
  const faults = [
    ...Array.from({ length: random.between(5, 7) }, () => draw(moves)),
    ...Array.from({ length: random.between(15, 20) }, () => draw(others)),
  ]
  const services = random.chance(0.25) ? 2 : 1
  const serviceCount = Math.max(services, ...dimensions.map((name) => dimensionNamed(name).services ?? 1))
  for (const name of dimensions) {
    const own = new Random(seed, `plan ${name}`)
    const choice = [...kinds.values()].filter(({ dimension }) => dimension === name)
    const [least, most] = dimensionNamed(name).faults ?? [1, 3]
    if (choice.length > 0)
      for (let left = own.between(least, most); left > 0; left--) faults.push(drawFrom(own, choice))
  }
  const stretch = Math.max(1, ...dimensions.map((name) => dimensionNamed(name).stretch ?? 1))
  return {
    faults: faults
      .map((fault) => ({ ...fault, atMs: Math.round(fault.atMs * stretch) }))
      .toSorted((one, other) => one.atMs - other.atMs),
    ...{ serviceCount, dimensions, stretch },
  }
}
