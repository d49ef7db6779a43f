/** A plan: the steps from a cluster as it is to one that is in balance, each with what it wins and costs. */

import type { TopicPartition } from '../topic-partition.ts'
import type { Resource } from './cluster-model.ts'

/** What is evened out. `spread`: replicas of each topic over brokers. */
export type SoftGoal = Resource | 'leaders' | 'replicas' | 'spread'
/** What is never broken. */
export type HardGoal = 'capacity' | 'racks' | 'distinct-brokers' | 'excluded' | 'draining'

/** One step: another replica leads, or one replica goes from one broker to another (and leads there, if it did). */
export interface Step extends TopicPartition {
  readonly kind: 'leader' | 'replica'
  readonly from: number
  readonly to: number
  /** The replicas after it, the preferred leader first. */
  readonly replicas: readonly number[]
  /** Bytes to copy; 0 for a leader, and with shared storage. */
  readonly bytes: number
  /** The goal it serves most. */
  readonly why: SoftGoal | HardGoal
  /** By how much the weighted imbalance falls. */
  readonly wins: number
}

/** How uneven a cluster is: the squared coefficient of variation over brokers, weighted by capacity; 0 where it is even. */
export type Imbalance = Readonly<Record<SoftGoal, number>>

/** A goal that is still violated behind the last step, and why no step cures it. */
export interface Violation {
  readonly goal: SoftGoal | HardGoal
  readonly brokers: readonly number[]
  readonly why: string
}

/** Why a plan has no step. */
export type Stillness = 'balanced' | 'below-trigger' | 'no-gain' | 'untrusted' | 'too-few-brokers'

export interface Plan {
  readonly steps: readonly Step[]
  readonly before: Imbalance
  readonly after: Imbalance
  /** The weighted sums. */
  readonly total: { readonly before: number; readonly after: number }
  readonly left: readonly Violation[]
  /** Null where there are steps. */
  readonly stillness: Stillness | null
}

export interface GoalSettings {
  /** Weights of the soft goals; 0 leaves one out. Default: networkIn, networkOut and disk 1, leaders and replicas 0.25, spread 0.1. */
  readonly weights: Readonly<Record<SoftGoal, number>>
  /** A resource is in balance where each broker is within this share of the mean. Default 0.08. */
  readonly target: number
  /** A round begins where a broker is further from it than this. Default 0.2. */
  readonly trigger: number
  /** A resource whose mean over brokers is below this is left alone; bytes per second, bytes for disk. Default 1 MiB. */
  readonly idle: Readonly<Record<Resource, number>>
  /** What of its capacity a broker may use. Default 0.8. */
  readonly capacityShare: number
  /** Figures with less trust than this decide nothing. Default 0.5. */
  readonly leastTrust: number
  /** The most steps and bytes of one plan. Default: as many as it takes. */
  readonly mostSteps?: number
  readonly mostBytes?: number
  /** Of the random choices, the same for the same plan. Default 1. */
  readonly seed: number
}
