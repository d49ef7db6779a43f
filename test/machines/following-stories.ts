// Stories of a following: how each situation of its table comes about, and one event of each class.
import type { SnapshotFrom } from 'xstate'
import { type FollowingEvent, followingMachine } from '../../machines/following.ts'
import type { EventClass, Expected, Situation } from './following-table.ts'
import { failure, storiesOf } from './stories.ts'

export type Snapshot = SnapshotFrom<typeof followingMachine>

/** One event of each class. */
export const events: Record<EventClass, FollowingEvent> = {
  opened: { type: 'wires.opened' },
  closed: { type: 'wires.closed' },
  caughtUp: { type: 'wires.caught-up', tookMs: 1, forced: false },
  reached: { type: 'cluster.reached', clusterId: 'ours', brokers: {} },
  unreachable: { type: 'cluster.unreachable', failure: failure('unreachable'), sinceMs: 1000 },
  moved: { type: 'cluster.moved', moves: [], reason: 'moved' },
  stopAsked: { type: 'stop.requested' },
  stopCompleted: { type: 'stop.completed', tookMs: 1, forced: false },
}

/** How each situation comes about. */
export const stories: Record<Situation, readonly EventClass[]> = {
  resting: [],
  reaching: ['opened'],
  'reaching behind a move': ['opened', 'reached', 'moved', 'unreachable'],
  following: ['opened', 'reached'],
  'catching-up': ['opened', 'reached', 'moved'],
  closing: ['opened', 'reached', 'stopAsked'],
  closed: ['stopAsked', 'stopCompleted'],
}

export const { after, told } = storiesOf(followingMachine, (event: EventClass) => events[event])

/** What an event made of a snapshot, in the words of the table. */
export function outcome(before: Snapshot, next: Snapshot): Expected {
  if (next === before) return 'ignored'
  return next.value === 'reaching' && next.context.behind ? 'reaching behind a move' : next.value
}
