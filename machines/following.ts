/**
 * The following of clients that KafkaJS makes by itself: consumers, admins and producers on wires, while at least one of them is connected.
 *
 * resting ── wires.opened ─▶ reaching ── cluster.reached ─▶ following ── cluster.moved ─▶ catching-up
 *    ▲                         ▲   │                          │     ▲                       │    ▲ │
 *    │                         └── │ ─ cluster.unreachable ───┴─────│───────────────────────┤    │ │
 *    │                             │                                └──── wires.caught-up ──┘    │ │
 *    │                             └─ cluster.reached, where a move is not caught up with yet ───┘ │
 *    └─── wires.closed, from each of them ─────────────────────────────────────────────────────────┘
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
  /** Nodes have moved, and their connections have not caught up with that yet. */
  readonly behind: boolean
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

type Failed = { readonly event: { readonly failure: Failure } }
const noteFailure = { type: 'noteFailure', params: ({ event }: Failed) => ({ failure: event.failure }) } as const

const lose = { target: 'reaching', actions: noteFailure } as const
const rest = { target: 'resting', actions: 'forget' } as const

export const followingMachine = setup({
  types: {} as { context: FollowingContext; events: FollowingEvent; output: Failure | null },
  actors: { clusterFacts: unfilledStream, catchUp: unfilled, close: unfilled },
  guards: { isBehind: ({ context }) => context.behind },
  actions: {
    noteFailure: assign({ failure: (_, { failure }: { readonly failure: Failure }) => failure }),
    recover: assign({ failure: null }),
    noteMove: assign({ behind: true }),
    noteCaughtUp: assign({ behind: false }),
    forget: assign({ failure: null, behind: false }),
    noteBug: assign({
      failure: (): Failure => ({ kind: 'bug', message: 'An actor of the following threw an error' }),
    }),
  },
}).createMachine({
  id: 'following',
  version: machineVersion,
  context: { failure: null, behind: false },
  initial: 'resting',
  output: ({ event }) => event.output as Failure | null,
  // An actor that throws is a bug: it ends in an orderly way and says so.
  invoke: { id: 'clusterFacts', src: 'clusterFacts', onError: { target: '.closing', actions: 'noteBug' } },
  states: {
    resting: {
      description: 'No client of KafkaJS is connected; no broker is asked.',
      on: { 'wires.opened': 'reaching', 'stop.requested': 'closing' },
    },
    reaching: {
      description: 'Clients are connected, and no broker responds; their requests wait.',
      on: {
        'cluster.reached': [
          { guard: 'isBehind', target: 'catching-up', actions: 'recover' },
          { target: 'following', actions: 'recover' },
        ],
        // Names lead elsewhere; that does not say that anybody is there.
        'cluster.moved': { actions: 'noteMove' },
        'cluster.unreachable': { actions: noteFailure },
        'wires.closed': rest,
        'stop.requested': { target: 'closing', actions: 'recover' },
      },
    },
    following: {
      description: 'Each request goes to where its node is.',
      on: {
        'cluster.moved': { target: 'catching-up', actions: 'noteMove' },
        'cluster.unreachable': lose,
        'wires.closed': 'resting',
        'stop.requested': 'closing',
      },
    },
    'catching-up': {
      description: 'Nodes have moved; their requests wait for connections to the new addresses.',
      invoke: { id: 'catchUp', src: 'catchUp', onError: { target: 'closing', actions: 'noteBug' } },
      on: {
        'cluster.moved': { target: 'catching-up', reenter: true },
        'wires.caught-up': { target: 'following', actions: 'noteCaughtUp' },
        'cluster.unreachable': lose,
        'wires.closed': rest,
        'stop.requested': 'closing',
      },
    },
    closing: {
      description: 'Connections are closed, and what waits is rejected.',
      invoke: { id: 'close', src: 'close', onError: { target: 'closed', actions: 'noteBug' } },
      on: {
        'stop.completed': 'closed',
        // The root would enter it again, and close a second time.
        'xstate.error.actor.clusterFacts': { actions: 'noteBug' },
      },
    },
    closed: {
      type: 'final',
      description: 'It no longer follows; a client that connects is refused.',
      output: ({ context }) => context.failure,
    },
  },
})
