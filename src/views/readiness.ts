/** Readiness: whether this consumer should count as able to do its work now, and why; and whether it lives, and does all of its work. What probes and alerts ask for. */

import type { Plan } from '../../machines/fact.ts'
import { type Failure, placed } from '../../machines/failure.ts'
import { type LifecycleState, meaningOf } from '../../machines/lifecycle-state.ts'
import type { PartitionsByTopic, TopicPartition } from '../../machines/topic-partition.ts'
import type { FactRecord } from '../journal/journal.ts'

/** What readiness is judged by. Times in milliseconds since the epoch. */
export interface Evidence {
  readonly state: LifecycleState
  readonly plan: Plan | null
  /** When messages were last known to flow before the hand-over that is under way; undefined when none is. */
  readonly interruptedAt: number | undefined
  readonly unreachableSince: number | undefined
  /** What the other cluster's refusal said; undefined while only the right one responds. */
  readonly foreign: { readonly expected: string; readonly got: string; readonly endpoint: string } | undefined
  readonly stalled: readonly StalledPartition[]
  /** Partitions of ours whose handler fails for a message, and that are reported so. */
  readonly failing: readonly FailingPartition[]
  readonly lastFailure: Told | null
  /** What keeps messages from flowing; undefined while nothing is known to. */
  readonly hindrance: Failure | undefined
  readonly refusedEndpoints: readonly { readonly nodeId: number; readonly endpoint: string; readonly failure: Told }[]
  readonly assignment: PartitionsByTopic
  /** Expressions that match no topic. */
  readonly unmatched: readonly string[]
  readonly journal: 'recording' | 'degraded' | 'failed'
}

type Told = Pick<Failure, 'message' | 'endpoint'>

/** A partition that makes no progress. */
export interface StalledPartition extends TopicPartition {
  readonly reason: string
  /** Its leader is out of reach, and nothing has come since then; milliseconds since the epoch. */
  readonly awaySince?: number
}

/** A partition that waits for its handler: it fails for this message again and again, or a policy has paused the partition. */
export interface FailingPartition extends TopicPartition {
  readonly offset: string
  readonly reason: 'retrying' | 'paused'
  /** Calls that had failed when it was last reported. */
  readonly attempts: number
  /** When the first of them failed, milliseconds since the epoch. */
  readonly since: number
}

export interface Readiness {
  /** It will go on by itself. What a liveness probe asks for: only a new process helps one that is not. */
  readonly live: boolean
  /** One sentence, why it is live or not. */
  readonly liveReason: string
  /** It does its work. What a readiness probe asks for. */
  readonly ready: boolean
  /** One sentence, why it is ready or not. */
  readonly reason: string
  /** It does not do all of its work: partitions wait for their handler, or facts are kept in memory only. What an alert asks for. */
  readonly degraded: boolean
  /** One sentence, why it is degraded or not. */
  readonly degradedReason: string
}

/** A hand-over in place, or brokers out of reach, make a consumer unready only after this long. */
export const graceMs = 10_000

/**
 * Ready means: joined, fed by the right cluster, every owned partition moves. A hand-over in place keeps it for `graceMs`, so that a
 * move of the brokers does not take a service out of its load balancer.
 */
export function readiness(evidence: Evidence, now: number, unreadyWhenDegraded: boolean): Readiness {
  const end = endIn(evidence)
  const lacking = lackIn(evidence)
  const others = {
    ...{ live: end === undefined, liveReason: end ?? 'The consumer goes on by itself.' },
    ...{ degraded: lacking !== undefined, degradedReason: lacking ?? 'No partition waits for its handler.' },
  }
  const reason = obstacle(evidence, now) ?? (unreadyWhenDegraded ? lacking : undefined)
  if (reason !== undefined) return { ...others, ready: false, reason }
  const { description } = meaningOf(evidence.state, evidence.plan)
  const remarks = remarksOn(evidence)
  const said = remarks.length > 0 ? `${[withoutStop(description), ...remarks].join('; ')}.` : description
  return { ...others, ready: true, reason: said }
}

/** Why the consumer will not go on by itself. */
function endIn(evidence: Evidence): string | undefined {
  if (evidence.journal === 'failed') return journalFailed
  return evidence.state === 'failed' || evidence.state === 'stopped' ? obstacleIn(evidence) : undefined
}

/** What of its work it does not do. */
function lackIn({ failing: [first, ...more], journal }: Evidence): string | undefined {
  if (first === undefined)
    return journal === 'degraded' ? 'The journal failed, and facts are kept in memory only.' : undefined
  const { topic, partition, offset, attempts, since, reason } = first
  const others = more.length > 0 ? `, and ${more.length} more` : ''
  const does = reason === 'paused' ? 'was paused by onHandlerError' : 'waits for its handler'
  return `${topic}/${partition} ${does} at offset ${offset}, after ${attempts} failed calls since ${new Date(since).toISOString()}${others}.`
}

const journalFailed = 'The journal can not append, so no message is taken.'

/** What there is to say although it is ready. */
function remarksOn({ state, assignment, unmatched, unreachableSince, hindrance, journal }: Evidence): string[] {
  const isEmpty = state === 'consuming' && Object.keys(assignment).length === 0
  const empty = isEmpty && unmatched.length === 0 ? ['this member has no partitions'] : []
  return [
    ...(unmatched.length > 0 ? [`no topic matches ${unmatched.join(', ')} so far`] : empty),
    ...(unreachableSince === undefined
      ? []
      : [`no broker answers at the moment: ${hindrance ? told(hindrance) : 'the reason is not known'}`]),
    ...(journal === 'degraded' ? ['facts are kept in memory only'] : []),
  ]
}

const told = (failure: Told): string => withoutStop(placed(failure))

/** Why a state that is not ready is not: what it means, and what led there. */
function obstacleIn(evidence: Evidence): string | undefined {
  const { state, plan, lastFailure, hindrance, unreachableSince, refusedEndpoints } = evidence
  const { description, tags } = meaningOf(state, plan)
  if (tags.has('ready')) return undefined
  const failure = hindrance ?? lastFailure
  if (state === 'failed' && failure) return `The consumer has failed: ${told(failure)}.`
  if (state === 'connecting' || state === 'retrying') {
    if (hindrance && unreachableSince !== undefined) return `No broker answers: ${told(hindrance)}.`
    if (hindrance) return `${withoutStop(description)}; the newest attempt failed: ${told(hindrance)}.`
    const [refused] = refusedEndpoints
    if (refused) return `Broker ${refused.nodeId} at ${refused.endpoint} is refused: ${told(refused.failure)}.`
  }
  return plan && tags.has('handing-over') ? `${withoutStop(description)} (${plan.reason}).` : description
}

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, '')

function obstacle(evidence: Evidence, now: number): string | undefined {
  const { interruptedAt, unreachableSince, foreign, stalled, journal, hindrance } = evidence
  if (journal === 'failed') return journalFailed
  if (foreign) {
    const { endpoint, got, expected } = foreign
    return `Another cluster (${got} instead of ${expected}) answers at ${endpoint}; nothing is read there.`
  }
  const unready = obstacleIn(evidence)
  if (unready !== undefined) return unready
  if (interruptedAt !== undefined && now - interruptedAt > graceMs)
    return `The hand-over takes longer than ${graceMs} ms.`
  if (unreachableSince !== undefined && now - unreachableSince > graceMs)
    return `No broker has answered for more than ${graceMs} ms${hindrance ? `: ${told(hindrance)}` : ''}.`
  // Brokers that are away may be back in a moment.
  const lasting = stalled.filter(({ awaySince }) => awaySince === undefined || now - awaySince > graceMs)
  const [first] = lasting
  if (first === undefined) return undefined
  const more = lasting.length > 1 ? ` and ${lasting.length - 1} more` : ''
  return `Partition ${first.topic}/${first.partition}${more} makes no progress: ${first.reason}.`
}

/** What keeps messages from flowing, by the newest fact that speaks of that; undefined once they flow, or the cluster that was away responds. */
export function hindranceAfter(before: Failure | undefined, { type, data }: FactRecord): Failure | undefined {
  switch (type) {
    case 'stop.requested':
      return data.failure ?? before
    case 'cluster.unreachable':
    case 'session.failed':
    case 'session.stalled':
    case 'member.lost':
    case 'rebuild.unproven':
    case 'journal.failed':
    case 'consumer.failed':
      return data.failure
    case 'cluster.reached':
    case 'session.joined':
    case 'rebuild.proven':
      return undefined
    default:
      return before
  }
}
