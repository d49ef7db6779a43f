/** The contract of a sampler: where the load of a cluster is known from. */

import type { Observable } from 'rxjs'
import type { Sample } from '../../machines/balancer/sample.ts'
import type { FactOf } from '../../machines/fact.ts'

/** What samplers tell beside samples: what they could not read or ask, and what became of their place. */
export type SamplerFact = FactOf<
  | `sampler.${'activated' | 'relieved'}`
  | `samples.${'silenced' | 'resumed'}`
  | `metrics-topic.${'missing' | 'found' | 'grown'}`
  | 'record.skipped'
  | 'question.failed'
  | 'delta.voided'
>

export interface Sampler {
  /** Samples as they come, from `start` to `stop`; completes then, and never fails. */
  readonly samples$: Observable<Sample>
  /** What it tells beside them, alike. */
  readonly facts$: Observable<SamplerFact>
  /** Begins. Resolves when it has its place: as the active one, or as one that waits to be. The same promise however often it is called. */
  start(): Promise<void>
  /** Ends, also before it has begun; resolves when nothing of it is left. The same promise however often it is called. */
  stop(): Promise<void>
  status(): SamplerStatus
}

export interface SamplerStatus {
  /** `standby`: another instance reads. `blind`: it should read, and no sample has come for a minute. */
  readonly state: 'idle' | 'starting' | 'active' | 'standby' | 'blind' | 'stopped'
  readonly samples: number
  /** When the newest sample came, in milliseconds since 1970; null before the first. */
  readonly newestAt: number | null
  /** Records that were skipped, by reason. */
  readonly skipped: Readonly<Record<string, number>>
  /** Metrics in records that nobody here knows. */
  readonly unknownMetrics: number
  /** Questions to brokers that failed. */
  readonly failures: number
}
