/** Readiness: whether this consumer should count as able to do its work now, and why. What a readiness probe asks for. */

import type { Plan } from '../../machines/fact.ts'

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

/** States of the lifecycle. */
export type LifecycleState = keyof typeof unready | 'consuming' | 'draining' | 'rebuilding'

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
  if (evidence.state !== 'consuming') return { ready: true, reason: 'The connections are being rebuilt in place.' }
  const degraded = evidence.journal === 'degraded' ? '; facts are kept in memory only' : ''
  return { ready: true, reason: `The group is joined and messages are handled${degraded}.` }
}

export const lifecycleStates = (): readonly string[] => [...Object.keys(unready), 'consuming', 'draining', 'rebuilding']

const unready = {
  idle: 'The consumer was not started.',
  connecting: 'The session has not joined the group yet.',
  retrying: 'The session was lost and is tried again soon.',
  stopping: 'The consumer is stopping.',
  stopped: 'The consumer has stopped.',
  failed: 'The consumer has failed and will not go on by itself.',
} as const

function obstacle(evidence: Evidence, now: number): string | undefined {
  const { state, plan, interruptedAt, unreachableSince, foreign, stalled, journal } = evidence
  if (journal === 'failed') return 'The journal can not append, so no message is taken.'
  if (foreign) {
    const { endpoint, got, expected } = foreign
    return `Another cluster (${got} instead of ${expected}) answers at ${endpoint}; nothing is read there.`
  }
  if (state === 'failed' && evidence.lastFailure)
    return `The consumer has failed: ${evidence.lastFailure.message.replace(/\.$/, '')}.`
  if (Object.hasOwn(unready, state)) return unready[state as keyof typeof unready]
  if (state !== 'consuming' && plan?.kind === 'replacement') return `A new session takes over (${plan.reason}).`
  if (interruptedAt !== undefined && now - interruptedAt > graceMs)
    return `The hand-over takes longer than ${graceMs} ms.`
  if (unreachableSince !== undefined && now - unreachableSince > graceMs)
    return `No broker has answered for more than ${graceMs} ms.`
  const [first] = stalled
  if (first === undefined) return undefined
  const more = stalled.length > 1 ? ` and ${stalled.length - 1} more` : ''
  return `Partition ${first.topic}/${first.partition}${more} makes no progress: ${first.reason}.`
}
