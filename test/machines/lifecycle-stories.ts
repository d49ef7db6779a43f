// Stories: how each situation of the table comes about, and one fact of each class, told to the lifecycle or to a changed copy of it.
import type { SnapshotFrom } from 'xstate'
import type { Fact } from '../../machines/fact.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import type { EventClass, Expected, Situation } from './lifecycle-table.ts'
import { failure, storiesOf } from './stories.ts'
import { stateOf } from './structure.ts'

export type Machine = typeof lifecycleMachine
export type Snapshot = SnapshotFrom<Machine>

/** What is kept in every state: who may be in the group. */
export const everywhere = ['member.named', 'member.evicted'] as const

/** One fact of each class, as it reads when the newest session has this epoch. */
export const facts: Record<EventClass, (epoch: number) => Fact> = {
  startAsked: () => ({ type: 'start.requested' }),
  stopAsked: () => ({ type: 'stop.requested' }),
  moved: () => ({ type: 'cluster.moved', moves: [], reason: 'moved' }),
  reached: () => ({ type: 'cluster.reached', clusterId: 'ours', brokers: {} }),
  elapsed: () => ({ type: 'backoff.elapsed', attempt: 1 }),
  joined: (epoch) => ({ type: 'session.joined', epoch, memberId: 'me', generation: 1 }),
  joinedOld: (epoch) => ({ type: 'session.joined', epoch: epoch - 1, memberId: 'me', generation: 1 }),
  failed: (epoch) => ({ type: 'session.failed', epoch, failure: failure('unreachable') }),
  failedOld: (epoch) => ({ type: 'session.failed', epoch: epoch - 1, failure: failure('unreachable') }),
  failedForGood: (epoch) => ({ type: 'session.failed', epoch, failure: failure('topic-missing') }),
  stalled: (epoch) => ({ type: 'session.stalled', epoch, failure: failure('session-silent') }),
  stalledOld: (epoch) => ({ type: 'session.stalled', epoch: epoch - 1, failure: failure('session-silent') }),
  memberLost: (epoch) => ({ type: 'member.lost', epoch, memberId: 'me', failure: failure('member-lost') }),
  memberLostOld: (epoch) => ({
    type: 'member.lost',
    epoch: epoch - 1,
    memberId: 'me',
    failure: failure('member-lost'),
  }),
  superseded: (epoch) => ({ type: 'member.superseded', epoch, memberId: 'me', failure: failure('group-refused') }),
  supersededOld: (epoch) => ({
    type: 'member.superseded',
    epoch: epoch - 1,
    memberId: 'me',
    failure: failure('group-refused'),
  }),
  subscribed: (epoch) => ({ type: 'subscription.changed', epoch, topics: ['orders'] }),
  subscribedOld: (epoch) => ({ type: 'subscription.changed', epoch: epoch - 1, topics: ['orders'] }),
  drained: (epoch) => ({ type: 'drain.completed', epoch, tookMs: 1, forced: false }),
  drainedOld: (epoch) => ({ type: 'drain.completed', epoch: epoch - 1, tookMs: 1, forced: false }),
  proven: (epoch) => ({ type: 'rebuild.proven', epoch, tookMs: 1, gapMs: 0 }),
  provenOld: (epoch) => ({ type: 'rebuild.proven', epoch: epoch - 1, tookMs: 1, gapMs: 0 }),
  unproven: (epoch) => ({ type: 'rebuild.unproven', epoch, failure: failure('unproven') }),
  unprovenOld: (epoch) => ({ type: 'rebuild.unproven', epoch: epoch - 1, failure: failure('unproven') }),
  stopDone: () => ({ type: 'stop.completed', tookMs: 1, forced: false }),
  other: (epoch) => ({ type: 'partitions.assigned', epoch, generation: 1, partitions: { orders: [0] } }),
}

/** How each situation comes about. */
export const stories: Record<Situation, readonly EventClass[]> = {
  idle: [],
  connecting: ['startAsked'],
  'connecting a third time': ['startAsked', 'failed', 'elapsed', 'failed', 'elapsed'],
  consuming: ['startAsked', 'joined'],
  'draining in place': ['startAsked', 'joined', 'moved'],
  'draining for a replacement': ['startAsked', 'joined', 'stalled'],
  'rebuilding in place': ['startAsked', 'joined', 'moved', 'drained'],
  'rebuilding by replacement': ['startAsked', 'joined', 'stalled', 'drained'],
  retrying: ['startAsked', 'failed'],
  stopping: ['startAsked', 'joined', 'stopAsked'],
  'stopping after a failure': ['startAsked', 'failed', 'elapsed', 'failed', 'elapsed', 'failedForGood'],
  stopped: ['startAsked', 'joined', 'stopAsked', 'stopDone'],
  failed: ['startAsked', 'failed', 'elapsed', 'failed', 'elapsed', 'failedForGood', 'stopDone'],
}

export const { after, told } = storiesOf(lifecycleMachine, (event: EventClass, { context }) =>
  facts[event](context.epoch),
)

/** What a fact made of a snapshot, in the words of the table. */
export function outcome(before: Snapshot, next: Snapshot): Expected {
  if (next === before) return 'ignored'
  const { value, context } = next
  const plan = context.plan === null ? '' : ` ${context.plan.kind}`
  const state = stateOf(next)
  const epochs = context.epoch === before.context.epoch ? '' : ` +${context.epoch - before.context.epoch}`
  return `${typeof value === 'string' ? `${state}${plan}` : state.replace('.', ' ')}${epochs}` as Expected
}
