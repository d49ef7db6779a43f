// A stage for the lifecycle: what it is driven with, and what must hold.
import type { Fact } from '../../machines/fact.ts'
import { type LifecycleInput, lifecycleMachine, type TaskInput } from '../../machines/lifecycle.ts'
import { stateName } from '../../machines/state-value.ts'
import { actorOf, atWork, oracles } from './lifecycle-oracles.ts'
import type { Snapshot } from './lifecycle-stories.ts'
import { stageOf, thrownBy } from './stage.ts'
import { failure } from './stories.ts'
import { stateOf } from './structure.ts'

/** Budgets of attempts the lifecycle is tested with: without any, and with few enough to be spent. */
export const budgets = [0, 2] as const

/** So many facts are known in each state; the last one is left out where no actor can throw. */
export const factCount = 33

/** A life that an earlier one has left a member to. */
export const inputOf = (retryBudget: number): LifecycleInput => ({ retryBudget, members: ['me'] })

/** One fact of each kind the machine listens to, those of a session for the newest epoch and for the one before, and the actor's throw. */
function factsIn({ value, context: { epoch, attempt } }: Snapshot): Fact[] {
  const ofSession = (of: number): Fact[] => [
    { type: 'session.joined', epoch: of, memberId: 'me', generation: 1 },
    { type: 'session.failed', epoch: of, failure: failure('unreachable') },
    { type: 'session.failed', epoch: of, failure: failure('login-refused') },
    { type: 'session.failed', epoch: of, failure: { ...failure('topic-missing'), isPassing: true } },
    { type: 'session.stalled', epoch: of, failure: failure('session-silent') },
    { type: 'member.lost', epoch: of, memberId: 'me', failure: failure('member-lost') },
    { type: 'member.superseded', epoch: of, memberId: 'me', failure: failure('group-refused') },
    { type: 'subscription.changed', epoch: of, topics: ['orders'] },
    { type: 'drain.completed', epoch: of, tookMs: 1, forced: false },
    { type: 'rebuild.proven', epoch: of, tookMs: 1, gapMs: 0 },
    { type: 'rebuild.unproven', epoch: of, failure: failure('unproven') },
    { type: 'member.named', epoch: of, memberId: 'you' },
    { type: 'member.evicted', epoch: of, memberId: 'me' },
  ]
  const actor = actorOf[stateName(value)]
  return [
    { type: 'start.requested' },
    { type: 'stop.requested' },
    { type: 'stop.requested', failure: failure('handler-failed') },
    { type: 'cluster.moved', moves: [], reason: 'moved' },
    { type: 'cluster.moved', moves: [], reason: 'resolved-anew' },
    { type: 'cluster.reached', clusterId: 'ours', brokers: {} },
    { type: 'backoff.elapsed', attempt },
    { type: 'stop.completed', tookMs: 1, forced: false },
    ...ofSession(epoch),
    ...ofSession(epoch - 1),
    ...(actor === undefined ? [] : [thrownBy(actor) as unknown as Fact]),
  ]
}

/** What tells two states apart: epochs only grow, so they do not count. */
const serializeState = ({ value, context }: Snapshot): string =>
  [stateOf({ value }), context.plan?.kind ?? '-', context.attempt, context.failure?.kind ?? '-'].join(' ')

/** A fact relative to the newest session, so that the same edge has one name whatever its epoch. */
function nameOf({ context }: Snapshot, fact: Fact): string {
  const age = 'epoch' in fact ? (fact.epoch === context.epoch ? 'newest' : 'older') : undefined
  const what = [
    fact.type,
    'failure' in fact ? fact.failure.kind : undefined,
    'reason' in fact ? fact.reason : undefined,
    age,
  ]
  return what.filter(Boolean).join(' ')
}

export const { graphOf, live, drive } = stageOf(lifecycleMachine, {
  actors: ['open', 'drain', 'rebuild', 'backOff', 'shutDown'],
  atWork: (actor, told) => atWork(actor, told as TaskInput),
  startsIn: (actor, state) => actorOf[state.replace(/\..*/, '')] === actor,
  eventsIn: factsIn,
  serializeState,
  nameOf,
  oracles,
})
