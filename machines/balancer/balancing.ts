/**
 * The balancing of a cluster, round by round. Nothing is decided while the figures of the load are stale.
 *
 * blind ── samples.fresh ─▶ observing ── round.begun ─▶ deciding ── plan.proposed ─▶ proposing ── execution.begun ─▶ executing
 *                              ▲                           │                          │                              │
 *                              │                           │ round.closed             │ round.closed                 │ execution.ended
 *                              │                           ▼                          ▼                              ▼
 *                              └──── cooling.ended ──── cooling ◀─────────────────────┴─────── round.closed ──── settling
 *
 * cooling ── cooling.ended ─▶ paused, or blind, where it was paused or figures are stale
 * blind, observing, deciding, proposing ── balancer.paused ─▶ paused ── balancer.resumed ─▶ observing, or blind
 * observing, deciding, proposing ── samples.stale ─▶ blind
 * proposing ── execution.begun ─▶ executing, in mode `execute` only
 * any ── stop.requested ─▶ stopping ── stop.completed ─▶ stopped
 *
 * What is carried out comes to its end: a pause, and figures that grow stale, are noted then and lead on from the end of cooling.
 */

import { assign, fromCallback, setup } from 'xstate'
import type { Fact, FactData, FactOf } from '../fact.ts'
import type { Failure } from '../failure.ts'
import { machineVersion } from '../machine-version.ts'

/** `dry-run`: plans are shown; `execute`: they are carried out. */
export type BalancingMode = 'dry-run' | 'execute'

export interface BalancingInput {
  readonly mode: BalancingMode
  /** The newest round of an earlier life; 0 where there is none. */
  readonly round: number
}

export interface BalancingContext extends BalancingInput {
  /** Since when and why nothing may be decided; null while figures are fresh. */
  readonly blindness: FactData['samples.stale'] | null
  readonly isPaused: boolean
  /** Why the newest round made no plan, or what ended it; null where nothing is wrong. */
  readonly failure: Failure | null
}

/** The facts it listens to. */
export type BalancingEvent = FactOf<
  | 'samples.fresh'
  | 'samples.stale'
  | 'balancer.paused'
  | 'balancer.resumed'
  | 'round.begun'
  | 'plan.proposed'
  | 'execution.begun'
  | 'execution.ended'
  | 'round.closed'
  | 'cooling.ended'
  | 'stop.requested'
  | 'stop.completed'
>

/** What an actor of a round is told. */
export interface RoundInput {
  readonly round: number
}

const unfilled = fromCallback<Fact, RoundInput>(() => {
  throw new Error('This actor is not filled: the balancing needs provide({ actors })')
})

/** Says nothing until it is filled with what becomes of the samples. */
const unwatched = fromCallback<Fact>(() => {})

const sameRound = ({ context }: { readonly context: BalancingContext }): RoundInput => ({ round: context.round })
const nextRound = ({ context }: { readonly context: BalancingContext }): RoundInput => ({ round: context.round + 1 })

type Stale = { readonly event: FactOf<'samples.stale'> }
const noteBlindness = {
  type: 'noteBlindness',
  params: ({ event }: Stale) => ({ since: event.since, reason: event.reason }),
} as const
const noteFailure = {
  type: 'noteFailure',
  params: ({ event }: { readonly event: { readonly failure?: Failure } }) => ({ failure: event.failure }),
} as const

const toBlind = { target: 'blind', actions: noteBlindness } as const
const toPaused = { target: 'paused', actions: 'notePause' } as const
const toStopping = { target: 'stopping', actions: noteFailure } as const
const close = { target: 'cooling', actions: noteFailure } as const
const bug = { target: 'stopping', actions: 'noteBug' } as const

/** While something is carried out or cools down. */
const onlyNoted = {
  'samples.stale': { actions: noteBlindness },
  'samples.fresh': { actions: 'noteSight' },
  'balancer.paused': { actions: 'notePause' },
  'balancer.resumed': { actions: 'noteResumption' },
  'stop.requested': toStopping,
} as const

export const balancingMachine = setup({
  types: {} as {
    context: BalancingContext
    events: BalancingEvent
    input: BalancingInput
    output: Failure | null
  },
  actors: {
    sampling: unwatched,
    observe: unfilled,
    decide: unfilled,
    propose: unfilled,
    execute: unfilled,
    settle: unfilled,
    coolDown: unfilled,
    shutDown: unfilled,
  },
  guards: {
    mayExecute: ({ context }) => context.mode === 'execute',
    isPaused: ({ context }) => context.isPaused,
    isBlind: ({ context }) => context.blindness !== null,
  },
  actions: {
    noteBlindness: assign({ blindness: (_, stale: FactData['samples.stale']) => stale }),
    noteSight: assign({ blindness: null }),
    notePause: assign({ isPaused: true }),
    noteResumption: assign({ isPaused: false }),
    countRound: assign({ round: ({ context }) => context.round + 1 }),
    noteFailure: assign({ failure: (_, { failure }: { readonly failure: Failure | undefined }) => failure ?? null }),
    noteBug: assign({ failure: (): Failure => ({ kind: 'bug', message: 'An actor of the balancing threw an error' }) }),
  },
}).createMachine({
  id: 'balancing',
  version: machineVersion,
  context: ({ input }) => ({
    ...input,
    blindness: { since: null, reason: 'no-samples' },
    isPaused: false,
    failure: null,
  }),
  initial: 'blind',
  output: ({ event }) => event.output as Failure | null,
  // An actor that throws is a bug: it ends in an orderly way and says so.
  invoke: { id: 'sampling', src: 'sampling', onError: { target: '.stopping', actions: 'noteBug' } },
  states: {
    observing: {
      description: 'Figures of the load are gathered until the next round is due.',
      invoke: { id: 'observe', src: 'observe', input: nextRound, onError: bug },
      on: {
        'round.begun': { target: 'deciding', actions: 'countRound' },
        'samples.stale': toBlind,
        'balancer.paused': toPaused,
        'stop.requested': toStopping,
      },
    },
    deciding: {
      description: 'The cluster is read, and a plan is made.',
      invoke: { id: 'decide', src: 'decide', input: sameRound, onError: bug },
      on: {
        'plan.proposed': 'proposing',
        'round.closed': close,
        'samples.stale': toBlind,
        'balancer.paused': toPaused,
        'stop.requested': toStopping,
      },
    },
    proposing: {
      description: 'The plan is shown; in a dry run the round ends with that.',
      invoke: { id: 'propose', src: 'propose', input: sameRound, onError: bug },
      on: {
        'execution.begun': { guard: 'mayExecute', target: 'executing' },
        'round.closed': close,
        'samples.stale': toBlind,
        'balancer.paused': toPaused,
        'stop.requested': toStopping,
      },
    },
    executing: {
      description: 'The plan is carried out.',
      invoke: { id: 'execute', src: 'execute', input: sameRound, onError: bug },
      on: { ...onlyNoted, 'execution.ended': 'settling' },
    },
    settling: {
      description: 'The plan is carried out, and figures of the load from after it are awaited.',
      invoke: { id: 'settle', src: 'settle', input: sameRound, onError: bug },
      on: { ...onlyNoted, 'round.closed': close },
    },
    cooling: {
      description: 'A round is over, and the next one does not begin yet.',
      invoke: { id: 'coolDown', src: 'coolDown', input: sameRound, onError: bug },
      on: {
        ...onlyNoted,
        'cooling.ended': [
          { guard: 'isPaused', target: 'paused' },
          { guard: 'isBlind', target: 'blind' },
          { target: 'observing' },
        ],
      },
    },
    blind: {
      description: 'Figures of the load are stale, or none have come: nothing is decided.',
      on: {
        'samples.fresh': { target: 'observing', actions: 'noteSight' },
        'samples.stale': { actions: noteBlindness },
        'balancer.paused': toPaused,
        'stop.requested': toStopping,
      },
    },
    paused: {
      description: 'It was paused: no round begins until it is resumed.',
      on: {
        'balancer.resumed': [
          { guard: 'isBlind', target: 'blind', actions: 'noteResumption' },
          { target: 'observing', actions: 'noteResumption' },
        ],
        'samples.stale': { actions: noteBlindness },
        'samples.fresh': { actions: 'noteSight' },
        'stop.requested': toStopping,
      },
    },
    stopping: {
      description: 'Samples are no longer read, and connections are closed.',
      invoke: { id: 'shutDown', src: 'shutDown', input: sameRound, onError: { target: 'stopped', actions: 'noteBug' } },
      on: {
        'stop.completed': 'stopped',
        // The root would enter it again, and close a second time.
        'xstate.error.actor.sampling': { actions: 'noteBug' },
      },
    },
    stopped: {
      type: 'final',
      description: 'No round begins any more.',
      output: ({ context }) => context.failure,
    },
  },
})
