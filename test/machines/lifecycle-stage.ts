// A stage for the lifecycle: what it is driven with, and what must hold.
import type { Fact } from '../../machines/fact.ts'
import { lifecycleMachine, type PortInput } from '../../machines/lifecycle.ts'
import { atWork, oracles, portOf } from './lifecycle-oracles.ts'
import { failure, type Machine, type Snapshot } from './lifecycle-stories.ts'
import { stageOf, thrownBy } from './stage.ts'

/** Budgets of attempts the lifecycle is tested with: without any, and with few enough to be spent. */
export const budgets = [0, 2] as const

/** So many facts are known in each state; the last one is left out where no port can throw. */
export const factCount = 26

/** One fact of each kind the machine listens to, those of a session for the newest epoch and for the one before, and the port's throw. */
function factsIn({ value, context: { epoch, attempt } }: Snapshot): Fact[] {
  const ofSession = (of: number): Fact[] => [
    { type: 'session.joined', epoch: of, memberId: 'me', generation: 1 },
    { type: 'session.failed', epoch: of, failure: failure('unreachable') },
    { type: 'session.failed', epoch: of, failure: failure('login-refused') },
    { type: 'session.stalled', epoch: of, failure: failure('session-silent') },
    { type: 'member.lost', epoch: of, memberId: 'me', failure: failure('member-lost') },
    { type: 'subscription.changed', epoch: of, topics: ['orders'] },
    { type: 'drain.completed', epoch: of, tookMs: 1, forced: false },
    { type: 'rebuild.proven', epoch: of, tookMs: 1, gapMs: 0 },
    { type: 'rebuild.unproven', epoch: of, failure: failure('unproven') },
  ]
  const port = portOf[value]
  return [
    { type: 'start.requested' },
    { type: 'stop.requested' },
    { type: 'cluster.moved', moves: [], reason: 'moved' },
    { type: 'cluster.moved', moves: [], reason: 'resolved-anew' },
    { type: 'cluster.reached', clusterId: 'ours', brokers: {} },
    { type: 'backoff.elapsed', attempt },
    { type: 'stop.completed', tookMs: 1, forced: false },
    ...ofSession(epoch),
    ...ofSession(epoch - 1),
    ...(port === undefined ? [] : [thrownBy(port) as unknown as Fact]),
  ]
}

/** What tells two states apart: epochs only grow, so they do not count. */
const serializeState = ({ value, context }: Snapshot): string =>
  [value, context.plan?.kind ?? '-', context.attempt, context.failure?.kind ?? '-'].join(' ')

/** A fact relative to the newest session, so that the same edge has one name whatever its epoch. */
function nameOf(before: Snapshot, fact: Fact): string {
  const age = 'epoch' in fact ? (fact.epoch === before.context.epoch ? 'newest' : 'older') : undefined
  const what = [
    fact.type,
    'failure' in fact ? fact.failure.kind : undefined,
    'reason' in fact ? fact.reason : undefined,
    age,
  ]
  return what.filter(Boolean).join(' ')
}

const stage = stageOf(lifecycleMachine, {
  actors: ['open', 'drain', 'rebuild', 'backOff', 'shutDown'],
  atWork: (port, told) => atWork(port, told as PortInput),
  startsIn: (port, state) => portOf[state] === port,
  eventsIn: factsIn,
  serializeState,
  nameOf,
  oracles,
})

export type PortName = 'open' | 'drain' | 'rebuild' | 'backOff' | 'shutDown'

/** The graph of the lifecycle with this budget of attempts. */
export const graphOf = (retryBudget: number) => stage.graphOf({ retryBudget })

/** A live, recorded machine. `work` is what a port does; what it returns is called when the port's state is left. */
export const live = (
  machine: Machine,
  retryBudget: number,
  work?: (port: PortName, told: PortInput) => (() => void) | undefined,
) => stage.live(machine, { retryBudget }, work as Parameters<typeof stage.live>[2])

/** Drives one path into a live machine; returns what did not hold, empty when all did. */
export const drive = (
  path: readonly number[],
  { retryBudget, ...options }: { retryBudget: number; machine?: Machine; covered?: Set<string> },
): string[] => stage.drive(path, { ...options, input: { retryBudget } })
