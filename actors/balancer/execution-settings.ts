/** How an execution goes: how much at once, how fast, and how long each thing may take. */

import { type BatchLimits, usualLimits } from '../../machines/balancer/batches.ts'
import type { ThrottleRate } from '../../machines/balancer/headroom.ts'
import type { Topology } from '../../machines/balancer/model.ts'

export interface ExecutorSettings {
  readonly limits: BatchLimits
  /** How fast brokers may copy, as the cluster is now. Default: as fast as they can. */
  readonly rates: (topology: Topology) => ThrottleRate
  /** What a stop does with moves that are under way. Default `cancel`. */
  readonly onStop: 'finish' | 'cancel'
  /** Time between two readings of the cluster, in milliseconds. Default 1000. */
  readonly lookMs: number
  /** Time between two readings of the sizes of replicas, in milliseconds. Default 5000. */
  readonly sizesMs: number
  /** A move whose replica does not grow for this time is cancelled, in milliseconds. Default 120,000. */
  readonly stallMs: number
  /** A leader that does not follow an election within this time has not moved, in milliseconds. Default 30,000. */
  readonly electMs: number
  /** A broker that is gone for this time is lost, and the round ends, in milliseconds. Default 60,000. */
  readonly lostMs: number
  /** Replicas that are not in sync hold new steps for at most this time; then the round ends, in milliseconds. Default 600,000. */
  readonly holdMs: number
  /** A cluster that can't be read for this time ends the round, in milliseconds. Default 300,000. */
  readonly blindMs: number
  /** Moves may go on for this time after the round was ended, then they are cancelled, in milliseconds. Default 600,000. */
  readonly finishMs: number
  /** A cancellation that is not complete within this time is given up, in milliseconds. Default 60,000. */
  readonly cancelMs: number
  /** Rates follow what they are made of this often, in milliseconds. Default 180,000. */
  readonly rateMs: number
}

export const usualExecution: ExecutorSettings = {
  ...{ limits: usualLimits, rates: () => () => null, onStop: 'cancel', lookMs: 1000, sizesMs: 5000, stallMs: 120_000 },
  ...{ electMs: 30_000, lostMs: 60_000, holdMs: 600_000, blindMs: 300_000, finishMs: 600_000, cancelMs: 60_000 },
  rateMs: 180_000,
}
