/** The status of what is followed, folded from its facts. */

import type { Failure } from '../../machines/failure.ts'
import { followingMachine } from '../../machines/following.ts'
import type { FactRecord, JournalRecord } from '../journal/journal.ts'
import type { BrokerStatus } from '../views/broker-status.ts'

/** What `followed.status()` returns. JSON throughout; times in milliseconds since 1970. */
export interface FollowStatus {
  /** A state of the machine; docs/adopt.md says what each means. */
  readonly state: string
  /** When it was entered. */
  readonly since: number
  readonly clusterId: string | null
  /** Connections that clients of KafkaJS have open. */
  readonly connections: number
  /** Requests of theirs that wait for a response. */
  readonly waiting: number
  readonly brokers: readonly BrokerStatus[]
  /** The last move that was followed. */
  readonly lastMove: { readonly at: number; readonly tookMs: number; readonly forced: boolean } | null
  /** The newest failure, also if it has been healed. */
  readonly lastFailure: (Failure & { readonly at: number }) | null
  readonly journal: 'recording' | 'degraded' | 'failed'
  readonly counts: {
    /** Moves of brokers. */
    readonly moves: number
    /** Connections to brokers that were made again. */
    readonly reconnects: number
    /** Times that no broker responded. */
    readonly outages: number
    /** Requests whose response was lost and whose effect can't be known. */
    readonly lostResponses: number
  }
}

/** A status without what depends on the moment it is read. */
export type FollowFold = Omit<FollowStatus, 'connections' | 'waiting' | 'brokers'>

export const emptyFollowStatus: FollowFold = {
  ...{ state: followingMachine.config.initial as string, since: 0, clusterId: null, lastMove: null, lastFailure: null },
  ...{ journal: 'recording', counts: { moves: 0, reconnects: 0, outages: 0, lostResponses: 0 } },
}

/** Folds one record. Pure. */
export function reduceFollowStatus(fold: FollowFold, record: JournalRecord): FollowFold {
  const { at, from, to } = record
  const failure = record.data.failure as Failure | undefined
  const told = failure ? { ...fold, lastFailure: { ...failure, at } } : fold
  const next = reduceFact(told, record as FactRecord)
  return to === null || (to === from && next.since > 0) ? next : { ...next, state: to, since: at }
}

function reduceFact(fold: FollowFold, { type, data, at }: FactRecord): FollowFold {
  const count = (name: keyof FollowFold['counts']): FollowFold => {
    return { ...fold, counts: { ...fold.counts, [name]: fold.counts[name] + 1 } }
  }
  switch (type) {
    case 'cluster.reached':
      return { ...fold, clusterId: data.clusterId }
    case 'cluster.moved':
      return count('moves')
    case 'cluster.unreachable':
      return count('outages')
    case 'link.reconnected':
      return count('reconnects')
    case 'response.lost':
      return count('lostResponses')
    case 'wires.caught-up':
      return { ...fold, lastMove: { at, tookMs: data.tookMs, forced: data.forced } }
    case 'journal.failed':
      return { ...fold, journal: data.policy === 'degrade' ? 'degraded' : 'failed' }
    default:
      return fold
  }
}
