/**
 * What an observer of XState's inspection is given, without XState's own declarations: these do not stand `exactOptionalPropertyTypes`, and whoever
 * imports ours may have them checked.
 */

import type { AnyRecord } from '../journal/journal.ts'
import type { BrokerStatus } from './broker-status.ts'
import type { PartitionStatus } from './partition-status.ts'
import type { Status } from './status.ts'

/** The option `inspect`: a function, or an observer like the one of `@statelyai/inspect`. A method each, so that it may ask for more than is told here. */
export type Inspect = Observing['next'] | (Partial<Observing> & Partial<Watching>)

interface Observing {
  next(event: Inspected): void
}

/** An observer that reads facts and not the events of the machines: it is given the consumer, once, and no event. */
interface Watching {
  watch(watched: Watched | WatchedBalancer): void
}

/** An event of the inspection, as far as all of them are alike; `InspectionEvent` of xstate has the rest. */
export interface Inspected {
  readonly type: `@xstate.${string}`
  /** The session id of the root actor. */
  readonly rootId: string
}

/** A consumer as far as an inspector sees it: nothing here changes anything. */
export interface Watched {
  readonly consumer: {
    readonly groupId: string
    status(): Status
    partitions(): readonly PartitionStatus[]
    on(type: '*', listener: (record: AnyRecord) => void): () => void
    readonly ended: Promise<void>
  }
  brokers(): readonly BrokerStatus[]
}

/** A balancer as far as an inspector sees it. */
export interface WatchedBalancer {
  readonly balancer: {
    readonly name: string
    /** Its status, JSON. */
    status(): object
    on(type: '*', listener: (record: AnyRecord) => void): () => void
    readonly ended: Promise<void>
  }
}
