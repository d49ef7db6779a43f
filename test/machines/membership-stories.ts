// Stories of a membership: how each situation of its table comes about, and one event of each class.
import type { SnapshotFrom } from 'xstate'
import { type MembershipEvent, membershipMachine } from '../../machines/membership.ts'
import type { EventClass, Expected, Situation } from './membership-table.ts'
import { failure, storiesOf } from './stories.ts'

export type Machine = typeof membershipMachine
export type Snapshot = SnapshotFrom<Machine>

/** One event of each class, as it reads in this generation. */
export const events: Record<EventClass, (generation: number) => MembershipEvent> = {
  joinAsked: () => ({ type: 'join.requested', epoch: 1 }),
  joinSent: () => ({ type: 'join.sent' }),
  joined: (generation) => ({ type: 'member.joined', epoch: 1, memberId: 'me', generation: generation + 1 }),
  rebalancing: (generation) => ({ type: 'group.rebalancing', epoch: 1, generation }),
  rebalancingOld: (generation) => ({ type: 'group.rebalancing', epoch: 1, generation: generation - 1 }),
  revoked: (generation) => ({ type: 'partitions.revoked', epoch: 1, generation, partitions: { orders: [0] } }),
  fenced: (generation) => ({ type: 'member.fenced', epoch: 1, generation, failure: failure('member-lost') }),
  fencedOld: (generation) => ({
    type: 'member.fenced',
    epoch: 1,
    generation: generation - 1,
    failure: failure('member-lost'),
  }),
  refused: () => ({ type: 'member.refused', epoch: 1, failure: failure('not-authorized') }),
  leaveAsked: () => ({ type: 'leave.requested', epoch: 1 }),
}

/** How each situation comes about. */
export const stories: Record<Situation, readonly EventClass[]> = {
  unjoined: [],
  joining: ['joinSent'],
  stable: ['joinSent', 'joined'],
  settling: ['joinSent', 'joined', 'rebalancing'],
  'settling for a join': ['joinSent', 'joined', 'joinAsked'],
  'unjoined again': ['joinSent', 'joined', 'joinAsked', 'revoked'],
  rejoining: ['joinSent', 'joined', 'rebalancing', 'revoked'],
  'joining again': ['joinSent', 'joined', 'rebalancing', 'revoked', 'joinSent'],
  left: ['leaveAsked'],
  lost: ['joinSent', 'joined', 'fenced'],
  fatal: ['refused'],
}

export const { after, told } = storiesOf(membershipMachine, (event: EventClass, { context }) =>
  events[event](context.generation ?? 0),
)

/** What an event made of a snapshot, in the words of the table. */
export const outcome = (before: Snapshot, next: Snapshot): Expected => (next === before ? 'ignored' : next.value)
