// The options of the simulated consumers: short intervals, so that a run of half a minute shows what a service sees in an hour.

import type { ConsumerOptions } from '../../src/options/consumer-options.ts'
import type { PolicyKind } from './policies.ts'
import type { Random } from './random.ts'

export interface SimulatedOptions
  extends Readonly<
    Pick<ConsumerOptions, 'groupInstanceId' | 'onPartitionsAssigned' | 'onPartitionsRevoked' | 'onPartitionsLost'>
  > {
  readonly sessionTimeout: number
  readonly rebalanceTimeout: number
  readonly heartbeatInterval: number
  readonly maxWaitTimeInMs: number
  readonly maxBytesPerPartition: number
  readonly pollIntervalMs: number
  readonly dialTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly rebuildTimeoutMs: number
  readonly stopTimeoutMs: number
  readonly commitIntervalMs: number
  readonly partitionsConsumedConcurrently: number
  /** What happens when its handler fails, where it has no policy of those. */
  readonly failing?: { readonly handlerRetries: number; readonly onHandlerError: 'retry' | 'stop' }
  /** What its policy does, where it has one. */
  readonly policy?: PolicyKind
  readonly metadataMaxAge?: number
  readonly maxBytes?: number
  readonly minBytes?: number
  readonly handlerTimeoutMs?: number
  /** Some of these are at their least or most. */
  readonly isAtBounds?: boolean
  readonly fromBeginning: boolean
  /** Each service is a static member, under its own name. */
  readonly isStatic?: boolean
  /** Left out: true. */
  readonly autoCommit?: boolean
  readonly isLoginUsed: boolean
  /** Its handler is given batches. */
  readonly isBatched: boolean
  /** XState's inspection is watched; it takes a good part of the time. */
  readonly isInspected: boolean
}

export function chooseOptions(random: Random): SimulatedOptions {
  return {
    sessionTimeout: random.pick([2000, 3000]),
    rebalanceTimeout: random.pick([2000, 3000]),
    heartbeatInterval: random.pick([300, 500]),
    maxWaitTimeInMs: random.pick([250, 500]),
    maxBytesPerPartition: random.pick([200, 1000, 100_000]),
    pollIntervalMs: random.pick([500, 1000]),
    dialTimeoutMs: 400,
    requestTimeoutMs: 2000,
    drainTimeoutMs: random.pick([300, 1000]),
    rebuildTimeoutMs: random.pick([800, 1500]),
    stopTimeoutMs: 4000,
    commitIntervalMs: random.pick([100, 300]),
    partitionsConsumedConcurrently: random.pick([1, 3]),
    fromBeginning: true,
    isLoginUsed: random.chance(0.3),
    isBatched: random.chance(0.25),
    isInspected: random.chance(0.25),
  }
}
