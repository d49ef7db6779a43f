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
  /** Since when no broker has responded; null while one does, or none is asked. */
  readonly unreachableSince: number | null
  /** Connections that clients of KafkaJS have open. */
  readonly connections: number
  /** Requests of theirs that wait for a response; fetches are not counted. */
  readonly waiting: number
  /** Batches of plain producers that were sent again and may be in the log twice. */
  readonly repeated: number
  /** Batches of producers with `acks: 0` that were not sent: the leader was away for a second, or `maxInFlightBytes` were under way. */
  readonly dropped: number
  readonly brokers: readonly BrokerStatus[]
  /** The last move that was followed. */
  readonly lastMove: { readonly at: number; readonly tookMs: number; readonly forced: boolean } | null
  /** The newest failure, also if it has been healed. */
  readonly lastFailure: (Failure & { readonly at: number }) | null
  readonly journal: 'recording' | 'degraded' | 'failed'
  readonly counts: {
    /** Moves of brokers; those that were accepted together are one. */
    readonly moves: number
    /** Connections to brokers that were made again. */
    readonly reconnects: number
    /** Times that no broker responded for a second. */
    readonly outages: number
    /** Requests whose response was lost and whose effect can't be known. */
    readonly lostResponses: number
  }
}

/** A status without what depends on the moment it is read. */
export type FollowFold = Omit<FollowStatus, 'connections' | 'waiting' | 'repeated' | 'dropped' | 'brokers'>

export const emptyFollowStatus: FollowFold = {
  ...{ state: followingMachine.config.initial as string, since: 0, clusterId: null },
  ...{ unreachableSince: null, lastMove: null, lastFailure: null },
  ...{ journal: 'recording', counts: { moves: 0, reconnects: 0, outages: 0, lostResponses: 0 } },
}

/** Folds one record. Pure. A following that starts again, as after a restart of the process, begins from nothing. */
export function reduceFollowStatus(fold: FollowFold, record: JournalRecord): FollowFold {
  const { at, type, data, to } = record
  const isFollowing = to !== null && Object.hasOwn(followingMachine.states, to)
  const state = isFollowing ? to : fold.state
  if (isFollowing && type === 'actor.started') return { ...emptyFollowStatus, state, since: at }
  const failure = type === 'actor.failed' ? bugIn(data) : (data.failure as Failure | undefined)
  const told = failure ? { ...fold, lastFailure: { ...failure, at } } : fold
  const next = reduceFact(told, record as FactRecord)
  return state === fold.state ? next : { ...next, state, since: at }
}

const bugIn = ({ message }: JournalRecord['data']): Failure => ({ kind: 'bug', message: String(message) })

function reduceFact(fold: FollowFold, { type, data, at }: FactRecord): FollowFold {
  const count = (name: keyof FollowFold['counts']): FollowFold => {
    return { ...fold, counts: { ...fold.counts, [name]: fold.counts[name] + 1 } }
  }
  switch (type) {
    case 'cluster.reached':
      return { ...fold, clusterId: data.clusterId, unreachableSince: null }
    case 'cluster.moved':
      return count('moves')
    case 'cluster.unreachable':
      // Recorded again when only its reason has changed.
      return fold.unreachableSince === null ? { ...count('outages'), unreachableSince: at - data.sinceMs } : fold
    case 'wires.closed':
      return { ...fold, unreachableSince: null }
    case 'link.reconnected':
      return count('reconnects')
    case 'response.lost':
      return count('lostResponses')
    case 'wires.caught-up':
      return { ...fold, lastMove: { at, tookMs: data.tookMs, forced: data.forced } }
    case 'journal.failed':
      if (data.policy === 'degrade') return { ...fold, journal: 'degraded' }
      // The machine ends by it, and no record can say so.
      return { ...fold, journal: 'failed', state: 'closed', since: at }
    default:
      return fold
  }
}
