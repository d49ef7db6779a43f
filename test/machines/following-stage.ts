// A stage for a following: what it is driven with, and what must hold.
import { type FollowingEvent, followingMachine } from '../../machines/following.ts'
import { actorIn, oracles } from './following-oracles.ts'
import { events, type Snapshot } from './following-stories.ts'
import { stageOf, thrownBy } from './stage.ts'
import { failure } from './stories.ts'

/** So many events are known in each state; the last one is left out where no actor of the state can throw. */
export const eventCount = 13

/** One event of each kind the machine listens to, and throws: of the stream, and of the actor of the state. */
function eventsIn({ value }: Snapshot): FollowingEvent[] {
  const { opened, closed, caughtUp, reached, unreachable, moved, stopAsked, stopCompleted } = events
  const throwing = ['clusterFacts', ...(actorIn[value] === undefined ? [] : [actorIn[value]])]
  return [
    ...[opened, closed, caughtUp, reached, unreachable, moved, stopAsked, stopCompleted],
    { type: 'wires.caught-up', tookMs: 1, forced: true },
    { type: 'cluster.unreachable', failure: failure('login-refused'), sinceMs: 1000 },
    { type: 'cluster.moved', moves: [], reason: 'resolved-anew' },
    ...throwing.map((actor) => thrownBy(actor) as unknown as FollowingEvent),
  ]
}

const serializeState = ({ value, context }: Snapshot): string =>
  [value, context.behind ? 'behind' : '-', context.failure?.kind ?? '-'].join(' ')

function nameOf(_: Snapshot, event: FollowingEvent): string {
  const what = [
    event.type,
    'failure' in event ? event.failure?.kind : undefined,
    'reason' in event ? event.reason : undefined,
    'forced' in event && event.forced ? 'forced' : undefined,
  ]
  return what.filter(Boolean).join(' ')
}

export const { graphOf, drive } = stageOf(followingMachine, {
  actors: ['clusterFacts', 'catchUp', 'close'],
  atWork: (actor) => actor,
  startsIn: (actor, state) => (actor === 'clusterFacts' ? state === 'resting' : actorIn[state] === actor),
  eventsIn,
  serializeState,
  nameOf,
  oracles,
})
