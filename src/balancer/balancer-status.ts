/** The status of a balancer, folded from its facts. */

import type { ExecutionProgress } from '../../actors/balancer/execution-progress.ts'
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import type { Decision } from '../../machines/balancer/decision.ts'
import { throttleKey } from '../../machines/balancer/unfinished.ts'
import type { FactData } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { FactRecord, JournalRecord } from '../journal/journal.ts'

/** What `balancer.status()` returns. JSON throughout; times in milliseconds since 1970. */
export interface BalancerStatus {
  /** A state of the machine. */
  readonly state: string
  /** When it was entered. */
  readonly since: number
  /** The newest round that has begun; 0 before the first. */
  readonly round: number
  /** `pause()` was called, and `resume()` not yet. */
  readonly isPaused: boolean
  /** Since when and why nothing is decided; null while figures of the load are fresh. */
  readonly blindness: FactData['samples.stale'] | null
  /** The newest decision: imbalance per goal, steps, bytes to copy, and why nothing is moved where nothing is. */
  readonly decision: Pick<Decision, 'round' | 'at' | 'before' | 'after' | 'total' | 'bytes' | 'stillness'> | null
  /** Steps of that decision. */
  readonly steps: number
  /** The newest failure, also if it has been healed. */
  readonly lastFailure: (Failure & { readonly at: number }) | null
  /** `degraded`: records are kept in memory only; `failed`: it has stopped, as its journal takes no record. */
  readonly journal: 'recording' | 'degraded' | 'failed'
  /** Rounds by how they were closed. */
  readonly rounds: Readonly<Record<FactData['round.closed']['result'], number>>
  /** Steps of all rounds by what became of them. */
  readonly moves: Readonly<Record<FactData['step.ended']['result'], number>>
  /** By all of these steps. */
  readonly copiedBytes: number
  /** Throttles of replication that it has set and not yet restored: what they are set on, and the setting. */
  readonly throttles: readonly string[]
  /** When the newest sample was taken, in milliseconds since 1970; null before the first. */
  readonly newestSampleAt: number | null
  /** How far the plan is that is carried out, or was last; null before the first, and in a dry run. */
  readonly execution: ExecutionProgress | null
}

/** What of it facts say; the rest is looked at. */
export type BalancerFold = Omit<BalancerStatus, 'newestSampleAt' | 'execution'>

export const emptyBalancerStatus: BalancerFold = {
  ...{ state: balancingMachine.config.initial as string, since: 0, round: 0, isPaused: false },
  blindness: { since: null, reason: 'no-samples' },
  ...{ decision: null, steps: 0, lastFailure: null, journal: 'recording' },
  rounds: { still: 0, proposed: 0, executed: 0, failed: 0 },
  ...{ moves: { done: 0, cancelled: 0, failed: 0 }, copiedBytes: 0, throttles: [] },
}

/** Folds one record. Pure. A balancer that starts again, as after a restart of the process, begins from nothing. */
export function reduceBalancerStatus(fold: BalancerFold, record: JournalRecord): BalancerFold {
  const { at, type, data, to, actor } = record
  const state = actor === balancingMachine.id && to !== null ? to : fold.state
  if (actor === balancingMachine.id && type === 'actor.started') {
    const { round } = data.input as { readonly round: number }
    return { ...emptyBalancerStatus, state, since: at, round }
  }
  const failure = type === 'actor.failed' ? bugIn(data) : (data.failure as Failure | undefined)
  const held = failure ? { ...fold, lastFailure: { ...failure, at } } : fold
  const next = reduceFact(held, record as FactRecord)
  return state === fold.state ? next : { ...next, state, since: at }
}

const bugIn = ({ message }: JournalRecord['data']): Failure => ({ kind: 'bug', message: String(message) })

function reduceFact(fold: BalancerFold, { type, data, at }: FactRecord): BalancerFold {
  switch (type) {
    case 'samples.fresh':
      return { ...fold, blindness: null }
    case 'samples.stale':
      return { ...fold, blindness: data }
    case 'balancer.paused':
    case 'balancer.resumed':
      return { ...fold, isPaused: type === 'balancer.paused' }
    case 'round.begun':
      return { ...fold, round: data.round }
    case 'plan.proposed':
      return decided(fold, data.decision)
    case 'round.closed': {
      const rounds = { ...fold.rounds, [data.result]: fold.rounds[data.result] + 1 }
      return { ...(data.decision ? decided(fold, data.decision) : fold), rounds }
    }
    case 'step.ended': {
      const moves = { ...fold.moves, [data.result]: fold.moves[data.result] + 1 }
      return { ...fold, moves, copiedBytes: fold.copiedBytes + data.bytes }
    }
    case 'throttle.set':
      return withThrottle(fold, data)
    case 'throttle.restored':
      return withoutThrottle(fold, data)
    case 'throttle.left':
      // It may be one of an earlier life.
      return data.reason === 'changed' ? withoutThrottle(fold, data) : withThrottle(fold, data)
    case 'journal.failed':
      if (data.policy === 'degrade') return { ...fold, journal: 'degraded' }
      // The machine ends by it, and no record can say so.
      return { ...fold, journal: 'failed', state: 'stopped', since: at }
    default:
      return fold
  }
}

const withThrottle = (fold: BalancerFold, throttle: Parameters<typeof throttleKey>[0]): BalancerFold => ({
  ...fold,
  throttles: [...new Set([...fold.throttles, throttleKey(throttle)])],
})

const withoutThrottle = (fold: BalancerFold, throttle: Parameters<typeof throttleKey>[0]): BalancerFold => {
  const key = throttleKey(throttle)
  return { ...fold, throttles: fold.throttles.filter((each) => each !== key) }
}

function decided(fold: BalancerFold, decision: object): BalancerFold {
  const { round, at, before, after, total, bytes, stillness, steps } = decision as Decision
  return { ...fold, decision: { round, at, before, after, total, bytes, stillness }, steps: steps.length }
}
