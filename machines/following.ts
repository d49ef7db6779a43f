/**
 * The following of clients that KafkaJS makes by itself: consumers, admins and producers on wires, as long as any of them is connected.
 *
 * resting ── wires.opened ─▶ reaching ── cluster.reached ─▶ following ── cluster.moved ─▶ catching-up
 *    ▲                          ▲                            │     ▲                       │      │
 *    │                          └── cluster.unreachable ─────┴─────│───────────────────────┘      │
 *    └─── wires.closed, from each of them                          └────── wires.caught-up ───────┘
 *
 * any ── stop.requested ─▶ closing ── stop.completed ─▶ closed
 */

import { assign, fromCallback, fromEventObservable, setup } from 'xstate'
import type { Fact, FactOf } from './fact.ts'
import type { Failure } from './failure.ts'
import { machineVersion } from './machine-version.ts'

export interface FollowingContext {
  /** Why no broker answers, or what ended it; null where nothing is wrong. */
  readonly failure: Failure | null
}

/** The facts it listens to. */
export type FollowingEvent = FactOf<
  | 'wires.opened'
  | 'wires.closed'
  | 'wires.caught-up'
  | 'cluster.reached'
  | 'cluster.unreachable'
  | 'cluster.moved'
  | 'stop.requested'
  | 'stop.completed'
>

const unfilled = fromCallback<Fact>(() => {
  throw new Error('This actor is not filled: the following needs provide({ actors })')
})

/** Emits nothing until it is filled with the facts of a cluster. */
const unfilledStream = fromEventObservable<Fact, undefined>(() => ({ subscribe: () => ({ unsubscribe: () => {} }) }))

const rest = { target: 'resting', actions: 'forget' } as const
const lose = {
  target: 'reaching',
  actions: {
    type: 'noteFailure',
    params: ({ event: { failure } }: { event: FactOf<'cluster.unreachable'> }) => ({ failure }),
  },
} as const
const close = { target: 'closing', actions: 'forget' } as const
/** An actor that throws is a bug: it ends in an orderly way and says so. */
const bug = { target: '.closing', actions: 'noteBug' } as const

export const followingMachine = setup({
  types: {} as { context: FollowingContext; events: FollowingEvent; output: Failure | null },
  actors: { clusterFacts: unfilledStream, catchUp: unfilled, close: unfilled },
  actions: {
    noteFailure: assign({ failure: (_, { failure }: { readonly failure: Failure }) => failure }),
    forget: assign({ failure: null }),
    noteBug: assign({
      failure: (): Failure => ({ kind: 'bug', message: 'An actor of the following threw an error' }),
    }),
  },
}).createMachine({
  id: 'following',
  version: machineVersion,
  context: { failure: null },
  initial: 'resting',
  output: ({ event }) => event.output as Failure | null,
  invoke: { id: 'clusterFacts', src: 'clusterFacts', onError: bug },
  states: {
    resting: {
      description: 'No client of KafkaJS is connected; no broker is asked.',
      on: { 'wires.opened': 'reaching', 'stop.requested': close },
    },
    reaching: {
      description: 'Clients are connected, and no broker answers; their requests wait.',
      on: {
        'cluster.reached': { target: 'following', actions: 'forget' },
        'cluster.unreachable': { ...lose, target: undefined },
        'wires.closed': rest,
        'stop.requested': close,
      },
    },
    following: {
      description: 'Each request goes to where its node is.',
      on: {
        'cluster.moved': 'catching-up',
        'cluster.unreachable': lose,
        'wires.closed': rest,
        'stop.requested': close,
      },
    },
    'catching-up': {
      description: 'Nodes have moved; their requests wait for connections to the new places.',
      invoke: { id: 'catchUp', src: 'catchUp', onError: { target: 'closing', actions: 'noteBug' } },
      on: {
        'cluster.moved': { target: 'catching-up', reenter: true },
        'wires.caught-up': 'following',
        'cluster.unreachable': lose,
        'wires.closed': rest,
        'stop.requested': close,
      },
    },
    closing: {
      description: 'Connections are closed, and what waits is rejected.',
      invoke: { id: 'close', src: 'close', onError: { target: 'closed', actions: 'noteBug' } },
      on: { 'stop.completed': 'closed' },
    },
    closed: {
      type: 'final',
      description: 'It no longer follows; a client that connects is refused.',
      output: ({ context }) => context.failure,
    },
  },
})
