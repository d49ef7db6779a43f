/** Readiness: whether this consumer should count as able to do its work now, and why; and whether it lives, and does all of its work. What probes and alerts ask for. */

import type { Plan, TopicPartition } from '../../machines/fact.ts'
import { type LifecycleState, meaningOf } from '../../machines/lifecycle-state.ts'

/** What readiness is judged by. Times in milliseconds since the epoch. */
export interface Evidence {
  readonly state: LifecycleState
  readonly plan: Plan | null
  /** When messages were last known to flow before the hand-over that is under way; undefined when none is. */
  readonly interruptedAt: number | undefined
  readonly unreachableSince: number | undefined
  /** What the other cluster's refusal said; undefined while only the right one answers. */
  readonly foreign: { readonly expected: string; readonly got: string; readonly endpoint: string } | undefined
  readonly stalled: readonly (TopicPartition & { readonly reason: string })[]
  /** Partitions of ours whose handler fails for a message, and is told as such. */
  readonly failing: readonly FailingPartition[]
  readonly lastFailure: { readonly message: string } | null
  readonly journal: 'recording' | 'degraded' | 'failed'
}

/** A partition that waits for its handler: it fails for this message again and again, or a policy has paused the partition. */
export interface FailingPartition extends TopicPartition {
  readonly offset: string
  readonly reason: 'retrying' | 'paused'
  /** Calls that had failed when it was last told. */
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

/** A hand-over in place, or brokers out of reach, make a consumer unready only after so long. */
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
  if (evidence.journal !== 'degraded') return { ...others, ready: true, reason: description }
  return { ...others, ready: true, reason: `${withoutStop(description)}; facts are kept in memory only.` }
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

/** Why a state that is not ready is not: what it means, and what led there. */
function obstacleIn({ state, plan, lastFailure }: Evidence): string | undefined {
  const { description, tags } = meaningOf(state, plan)
  if (tags.has('ready')) return undefined
  if (state === 'failed' && lastFailure) return `The consumer has failed: ${withoutStop(lastFailure.message)}.`
  return plan && tags.has('handing-over') ? `${withoutStop(description)} (${plan.reason}).` : description
}

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, '')

function obstacle(evidence: Evidence, now: number): string | undefined {
  const { interruptedAt, unreachableSince, foreign, stalled, journal } = evidence
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
    return `No broker has answered for more than ${graceMs} ms.`
  const [first] = stalled
  if (first === undefined) return undefined
  const more = stalled.length > 1 ? ` and ${stalled.length - 1} more` : ''
  return `Partition ${first.topic}/${first.partition}${more} makes no progress: ${first.reason}.`
}
