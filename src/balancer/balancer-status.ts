/** The status of a balancer, folded from its facts. */

import { balancingMachine } from '../../machines/balancer/balancing.ts'
import type { Decision } from '../../machines/balancer/decision.ts'
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
  readonly isPaused: boolean
  /** Since when and why nothing is decided; null while figures of the load are fresh. */
  readonly blindness: FactData['samples.stale'] | null
  /** The newest decision: imbalance per goal, steps, bytes to copy, and why nothing is moved where nothing is. */
  readonly decision: Pick<Decision, 'round' | 'at' | 'before' | 'after' | 'total' | 'bytes' | 'stillness'> | null
  /** Steps of that decision. */
  readonly steps: number
  /** The newest failure, also if it has been healed. */
  readonly lastFailure: (Failure & { readonly at: number }) | null
  readonly journal: 'recording' | 'degraded' | 'failed'
  /** Rounds by how they were closed. */
  readonly rounds: Readonly<Record<FactData['round.closed']['result'], number>>
}

export const emptyBalancerStatus: BalancerStatus = {
  ...{ state: balancingMachine.config.initial as string, since: 0, round: 0, isPaused: false },
  blindness: { since: null, reason: 'no-samples' },
  ...{ decision: null, steps: 0, lastFailure: null, journal: 'recording' },
  rounds: { still: 0, proposed: 0, executed: 0, failed: 0 },
}

/** Folds one record. Pure. A balancer that starts again, as after a restart of the process, begins from nothing. */
export function reduceBalancerStatus(fold: BalancerStatus, record: JournalRecord): BalancerStatus {
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

function reduceFact(fold: BalancerStatus, { type, data, at }: FactRecord): BalancerStatus {
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
    case 'journal.failed':
      if (data.policy === 'degrade') return { ...fold, journal: 'degraded' }
      // The machine ends by it, and no record can say so.
      return { ...fold, journal: 'failed', state: 'stopped', since: at }
    default:
      return fold
  }
}

function decided(fold: BalancerStatus, decision: object): BalancerStatus {
  const { round, at, before, after, total, bytes, stillness, steps } = decision as Decision
  return { ...fold, decision: { round, at, before, after, total, bytes, stillness }, steps: steps.length }
}
