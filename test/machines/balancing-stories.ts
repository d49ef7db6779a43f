// Stories of a balancing: how each situation of its table comes about, and one event of each class.
import type { SnapshotFrom } from 'xstate'
import { type BalancingEvent, type BalancingInput, balancingMachine } from '../../machines/balancer/balancing.ts'
import type { EventClass, Expected, Situation } from './balancing-table.ts'
import { storiesOf } from './stories.ts'

export type Snapshot = SnapshotFrom<typeof balancingMachine>

export const dryRun: BalancingInput = { mode: 'dry-run', round: 0 }
export const execute: BalancingInput = { mode: 'execute', round: 0 }

/** One event of each class. */
export const events: Record<EventClass, BalancingEvent> = {
  fresh: { type: 'samples.fresh' },
  stale: { type: 'samples.stale', since: 1000, reason: 'too-old' },
  pause: { type: 'balancer.paused' },
  resume: { type: 'balancer.resumed' },
  begun: { type: 'round.begun', round: 1 },
  proposed: { type: 'plan.proposed', round: 1, steps: 2, bytes: 3, decision: {} },
  executing: { type: 'execution.begun', round: 1 },
  executed: { type: 'execution.ended', round: 1, moved: 2, failed: 0 },
  closed: { type: 'round.closed', round: 1, result: 'still' },
  cooled: { type: 'cooling.ended', round: 1 },
  stopAsked: { type: 'stop.requested' },
  stopCompleted: { type: 'stop.completed', tookMs: 1, forced: false },
}

const proposing = ['fresh', 'begun', 'proposed'] as const
const cooling = [...proposing, 'closed'] as const

/** How each situation comes about. */
const stories: Record<Situation, readonly EventClass[]> = {
  blind: [],
  observing: ['fresh'],
  deciding: ['fresh', 'begun'],
  proposing,
  'proposing to execute': proposing,
  executing: [...proposing, 'executing'],
  settling: [...proposing, 'executing', 'executed'],
  cooling,
  'cooling paused': [...cooling, 'pause'],
  'cooling blind': [...cooling, 'stale'],
  'cooling paused blind': [...cooling, 'stale', 'pause'],
  paused: ['fresh', 'pause'],
  'paused blind': ['pause'],
  stopping: ['fresh', 'stopAsked'],
  stopped: ['stopAsked', 'stopCompleted'],
}

const { after, told: toldTo } = storiesOf(balancingMachine, (event: EventClass) => events[event])

export { after }

const executed: readonly string[] = ['proposing to execute', 'executing', 'settling']

/** The snapshot in a situation. */
export const arrived = (situation: Situation, machine = balancingMachine): Snapshot =>
  toldTo(stories[situation], { machine, input: executed.includes(situation) ? execute : dryRun })

/** The snapshot at the end of a story. */
export const told = (story: readonly EventClass[], input = dryRun): Snapshot => toldTo(story, { input })

const early: readonly string[] = ['blind', 'observing', 'deciding', 'proposing', 'stopping', 'stopped']

/** What an event made of a snapshot, in the words of the table. */
export function outcome(before: Snapshot, { value, context, ...next }: Snapshot): Expected {
  if (next.status === before.status && value === before.value && context === before.context) return 'ignored'
  if (early.includes(value)) return value as Expected
  const words = [value, context.isPaused && value !== 'paused' && 'paused', context.blindness && 'blind']
  return words.filter(Boolean).join(' ') as Expected
}
