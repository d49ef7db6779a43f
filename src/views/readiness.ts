/** Readiness: whether this consumer should count as able to do its work now, and why. What a readiness probe asks for. */

import type { Plan } from '../../machines/fact.ts'
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
  readonly stalled: readonly { readonly topic: string; readonly partition: number; readonly reason: string }[]
  readonly lastFailure: { readonly message: string } | null
  readonly journal: 'recording' | 'degraded' | 'failed'
}

export interface Readiness {
  readonly ready: boolean
  /** One sentence. */
  readonly reason: string
}

/** A hand-over in place, or brokers out of reach, make a consumer unready only after so long. */
export const graceMs = 10_000

/**
 * Ready means: joined, fed by the right cluster, every owned partition moves. A hand-over in place keeps it for `graceMs`, so that a
 * move of the brokers does not take a service out of its load balancer.
 */
export function readiness(evidence: Evidence, now: number): Readiness {
  const reason = obstacle(evidence, now)
  if (reason !== undefined) return { ready: false, reason }
  const { description } = meaningOf(evidence.state, evidence.plan)
  if (evidence.journal !== 'degraded') return { ready: true, reason: description }
  return { ready: true, reason: `${withoutStop(description)}; facts are kept in memory only.` }
}

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
  if (journal === 'failed') return 'The journal can not append, so no message is taken.'
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
