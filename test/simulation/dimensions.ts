// Dimensions: in what a seed's world differs from the plain one. Each is drawn by itself, from a stream of numbers of its own, so a seed
// without any is the seed it was before there were dimensions.

import { chooseOptions, type SimulatedOptions } from './options.ts'
import { policyKinds } from './policies.ts'
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
  /** What it does shows best when nothing else happens: the seed goes on for a while after the last fault. */
  readonly rests?: boolean
  /** So many services at least. */
  readonly services?: number
  /** What it changes in the consumers' options. */
  readonly options?: (random: Random, options: SimulatedOptions) => Partial<SimulatedOptions>
}

/** A run in which a dimension takes effect in fewer of the seeds fails. */
export const leastShare = 0.01

const looksOften: Dimension['options'] = (random) => ({ metadataMaxAge: random.pick([1000, 2000]) })

/** One or two options at their least or most, as far as the others allow. */
const bounds: readonly Partial<SimulatedOptions>[] = [
  { drainTimeoutMs: 0 },
  { commitIntervalMs: 10 },
  // Longer than any other wait.
  { commitIntervalMs: 20_000 },
  { heartbeatInterval: 50 },
  { maxWaitTimeInMs: 1 },
  { pollIntervalMs: 100 },
  { failing: { handlerRetries: 0, onHandlerError: 'retry' } },
  { partitionsConsumedConcurrently: 100_000 },
  { maxBytesPerPartition: 1 },
  { maxBytes: 1 },
  // With less of a partition than this, a broker would hold every fetch to its end.
  { minBytes: 10_000, maxBytesPerPartition: 100_000 },
  { dialTimeoutMs: 50, rebuildTimeoutMs: 100 },
  { stopTimeoutMs: 100, drainTimeoutMs: 100 },
  { sessionTimeout: 1000, heartbeatInterval: 50, maxWaitTimeInMs: 250 },
  { metadataMaxAge: 1000 },
  { handlerTimeoutMs: 1 },
]

function atBounds(random: Random): Partial<SimulatedOptions> {
  const [first, second] = [random.pick(bounds), random.chance(0.3) ? random.pick(bounds) : {}]
  const both = { ...first, ...second, isAtBounds: true }
  // No consumer is made that wants more of an answer than it may bring.
  return (both.minBytes ?? 1) > (both.maxBytes ?? Number.POSITIVE_INFINITY) ? { ...first, isAtBounds: true } : both
}

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
  { name: 'errors of partitions', share: 0.12, faults: [3, 8], options: looksOften },
  { name: 'transactions', share: 0.08, faults: [2, 6] },
  { name: 'handlers throw anything', share: 0.08, faults: [3, 6] },
  { name: 'styles of eachBatch', share: 0.08, options: () => ({ isBatched: true }) },
  {
    name: 'policies decide',
    share: 0.08,
    faults: [3, 6],
    // Of a batch all of it is stored, message by message, and counts only then.
    options: (random, { isBatched }) => ({ policy: random.pick(policyKinds.slice(0, isBatched ? 2 : 3)) }),
  },
  { name: 'options at their bounds', share: 0.08, options: atBounds },
  { name: 'logins expire', share: 0.07, options: () => ({ isLoginUsed: true }) },
  { name: 'logins fail', share: 0.05, options: () => ({ isLoginUsed: true }) },
  { name: 'the event loop stands still', share: 0.05, faults: [1, 3] },
  { name: 'subscriptions differ', share: 0.05, services: 2 },
  { name: 'throttles', share: 0.06, rests: true },
  { name: 'two listeners', share: 0.08, rests: true },
  { name: 'names', share: 0.08, rests: true },
  { name: 'connections are forgotten', share: 0.08, faults: [1, 4] },
  { name: 'releases', share: 0.08 },
  { name: 'static members', share: 0.1, options: () => ({ isStatic: true }) },
  { name: 'users commit', share: 0.1, options: () => ({ autoCommit: false }) },
]

/** What takes longer, and needs options that allow for it. Where two of them want another option, the later one has it. */
const long: readonly Dimension[] = [
  { name: 'many partitions', share: 0.03, options: () => ({ maxBytesPerPartition: 1000 }) },
  { name: 'narrow lines', share: 0.03, options: () => ({ maxBytesPerPartition: 1000 }) },
  {
    name: 'held joins',
    share: 0.08,
    rests: true,
    faults: [1, 2],
    stretch: 2,
    options: () => ({ sessionTimeout: 6000, rebalanceTimeout: 10_000 }),
  },
  {
    name: 'slow brokers',
    share: 0.04,
    rests: true,
    // Slower than others may be: they take up to 3.6 s, in which more is written than a small fetch brings.
    options: () => ({ maxBytesPerPartition: 100_000, requestTimeoutMs: 10_000 }),
  },
  {
    name: 'long distances',
    share: 0.05,
    rests: true,
    stretch: 2,
    // A fetch of a few messages per round trip could not keep up with what is written.
    options: () => ({
      ...{ sessionTimeout: 8000, rebalanceTimeout: 8000, dialTimeoutMs: 5000, rebuildTimeoutMs: 8000 },
      maxBytesPerPartition: 100_000,
    }),
  },
  {
    name: 'long waits',
    share: 0.03,
    rests: true,
    stretch: 2,
    options: (random) => ({ maxWaitTimeInMs: random.pick([3000, 5000, 15_000]), sessionTimeout: 31_000 }),
  },
]

export const dimensions: readonly Dimension[] = [...short, ...long]

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

/** The options of a seed's consumers. What a dimension changes comes from its own stream of numbers. */
export function optionsOf(seed: number, dimensions: ReadonlySet<string>): SimulatedOptions {
  let options = chooseOptions(new Random(seed, 'options'))
  for (const name of dimensions) {
    const change = dimensionNamed(name).options
    if (change) options = { ...options, ...change(new Random(seed, `options ${name}`), options) }
  }
  return options
}
