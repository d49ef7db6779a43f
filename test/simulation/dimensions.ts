// Dimensions: in what a seed's world differs from the plain one. Each is drawn by itself, from a stream of numbers of its own, so a seed
// without any is the seed it was before there were dimensions.

import type { SimulatedOptions } from './options.ts'
import { Random } from './random.ts'

export interface Dimension {
  /** What the world counts where it takes effect. */
  readonly name: string
  /** The part of the seeds that have it. */
  readonly share: number
  /** How many faults of its kinds a plan gets: least and most. */
  readonly faults?: readonly [least: number, most: number]
  /** The whole plan comes this many times slower. */
  readonly stretch?: number
  /** What it changes in the consumers' options. */
  readonly options?: (random: Random, options: SimulatedOptions) => Partial<SimulatedOptions>
}

/** A run in which a dimension takes effect in fewer of the seeds fails. */
export const leastShare = 0.01

const looksOften: Dimension['options'] = (random) => ({ metadataMaxAge: random.pick([1000, 2000]) })

const short: readonly Dimension[] = [
  { name: 'several topics', share: 0.1 },
  { name: 'partitions are added', share: 0.1, options: looksOften },
  { name: 'begins at the end', share: 0.1, options: () => ({ fromBeginning: false }) },
  { name: 'topics are deleted', share: 0.06, faults: [1, 2], options: looksOften },
  { name: 'logs are trimmed', share: 0.08 },
  { name: 'logs are cut', share: 0.1, faults: [2, 5] },
  { name: 'seeks at any instant', share: 0.1, faults: [2, 6] },
  { name: 'seeks on assignment', share: 0.06 },
  { name: 'pauses by topic', share: 0.08, faults: [2, 4] },
  { name: 'batches are packed', share: 0.06 },
]

export const dimensions: readonly Dimension[] = short

const byName = new Map(dimensions.map((dimension) => [dimension.name, dimension]))

export function dimensionNamed(name: string): Dimension {
  const found = byName.get(name)
  if (!found) throw new Error(`There is no dimension named ${name}`)
  return found
}

/** The dimensions of a seed. */
export const drawn = (seed: number, without: ReadonlySet<string> = new Set()): string[] =>
  dimensions
    .filter(({ name, share }) => !without.has(name) && new Random(seed, `has ${name}`).chance(share))
    .map(({ name }) => name)
