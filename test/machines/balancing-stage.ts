// A stage for a balancing: what it is driven with, and what must hold.
import { type BalancingEvent, balancingMachine } from '../../machines/balancer/balancing.ts'
import { actorIn, atWork, oracles } from './balancing-oracles.ts'
import { dryRun, events, execute, type Snapshot } from './balancing-stories.ts'
import { stageOf, thrownBy } from './stage.ts'
import { failure } from './stories.ts'

/** So many events are known in each state; the last one is left out where no actor of the state can throw. */
export const eventCount = 18

/** Events that end it: drawn as often as the others, no random walk gets anywhere. */
export const endings = [10, 15, eventCount - 2, eventCount - 1]

/** One event of each kind the machine listens to, and throws: of the watch over samples, and of the actor of the state. */
function eventsIn({ value }: Snapshot): BalancingEvent[] {
  const throwing = ['sampling', ...(actorIn[value] === undefined ? [] : [actorIn[value]])]
  return [
    ...Object.values(events),
    { type: 'samples.stale', since: null, reason: 'no-samples' },
    { type: 'round.closed', round: 1, result: 'failed', failure: failure('unreachable') },
    { type: 'round.closed', round: 1, result: 'proposed' },
    { type: 'stop.requested', failure: failure('journal-failed') },
    ...throwing.map((actor) => thrownBy(actor) as unknown as BalancingEvent),
  ]
}

/** The number of the round only grows. */
const serializeState = ({ value, context: { mode, blindness, isPaused, failure: held } }: Snapshot): string =>
  [value, mode, blindness?.reason ?? '-', isPaused ? 'paused' : '-', held?.kind ?? '-'].join(' ')

function nameOf(_: Snapshot, event: BalancingEvent): string {
  const what = [
    event.type,
    'failure' in event ? event.failure?.kind : undefined,
    'reason' in event ? event.reason : undefined,
    'result' in event ? event.result : undefined,
  ]
  return what.filter(Boolean).join(' ')
}

const { graphOf, drive } = stageOf(balancingMachine, {
  actors: ['sampling', ...Object.values(actorIn)],
  atWork,
  startsIn: (actor, state) => (actor === 'sampling' ? state === 'blind' : actorIn[state] === actor),
  eventsIn,
  serializeState,
  nameOf,
  oracles,
})

export { drive }

/** Paths through it in each mode. */
export const courses = [dryRun, execute].map((input) => ({ input, graph: graphOf(input) }))
