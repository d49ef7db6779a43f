/**
 * The lifecycle of one consumer.
 *
 *              ┌────────── resumed ───────────┐
 *              ▼                              │
 * idle ─▶ connecting ─▶ consuming ─▶ draining ─▶ rebuilding       any ─▶ stopping ─▶ stopped
 *              ▲  │          │           ▲           │                          └──▶ failed
 *              │  ▼          ▼           └─ unproven ┤ (in place → by replacement)
 *              └─ retrying ◀─┘               failed ─▶ retrying (then connecting)
 *
 * Every event is a fact. The cluster's facts come as a stream, subscribed to at the root until an end is reached. Ports do the work and
 * report facts; time, randomness and ids come in with them.
 */

import { assign, fromCallback, fromEventObservable, setup } from 'xstate'
import type { Fact, Plan } from './fact.ts'
import { type Failure, remedyFor } from './failure.ts'
import { membersAfter } from './members.ts'

/** Raised with each change that makes an old journal lead to other states. 2: a member that is lost before it has joined fails that session. */
export const machineVersion = '2'

export interface LifecycleContext {
  /** Number of the newest session; 0 before the first. */
  readonly epoch: number
  /** The hand-over under way; null when there is none. */
  readonly plan: Plan | null
  /** Failed attempts since the consumer was last consuming. */
  readonly attempt: number
  /** What ended or hinders it; null when nothing does. */
  readonly failure: Failure | null
  /** Attempts in a row before it fails; null for no limit. */
  readonly retryBudget: number | null
  /** Members of ours that may still be in the group. */
  readonly members: readonly string[]
}

/** What a port is told when its state is entered. */
export type PortInput = Pick<LifecycleContext, 'epoch' | 'plan' | 'attempt'>

export interface LifecycleInput {
  readonly retryBudget: number | null
  /** Those of an earlier life. Default none. */
  readonly members?: readonly string[]
}

/** Attempts after which a refused login or a missing topic ends the consumer: more logins would lock the account, and brokers learn of a new topic one after the other. */
const terminalAfter = 3

const unfilled = fromCallback<Fact, PortInput>(() => {
  throw new Error('This port is not filled: the lifecycle needs provide({ actors })')
})

/** Tells nothing until it is filled with the facts of a cluster. */
const unfilledStream = fromEventObservable<Fact, undefined>(() => ({ subscribe: () => ({ unsubscribe: () => {} }) }))

const input = ({ context: { epoch, plan, attempt } }: { context: LifecycleContext }): PortInput => ({
  epoch,
  plan,
  attempt,
})

const replacing = { target: 'draining', reenter: true, actions: 'planReplacement' } as const
const retryOrEnd = [
  { guard: 'isTerminal', target: 'stopping', actions: 'noteFailure' },
  { guard: 'isCurrent', target: 'retrying', actions: 'noteFailure' },
] as const
/** A port that throws is a bug: the consumer ends in order and says so. */
const bug = { target: 'stopping', actions: 'noteBug' } as const

export const lifecycleMachine = setup({
  types: {} as { context: LifecycleContext; events: Fact; input: LifecycleInput },
  actors: {
    clusterFacts: unfilledStream,
    open: unfilled,
    drain: unfilled,
    rebuild: unfilled,
    backOff: unfilled,
    shutDown: unfilled,
  },
  guards: {
    /** The fact speaks of the newest session, or of none. */
    isCurrent: ({ context, event }) => !('epoch' in event) || event.epoch === context.epoch,
    isCurrentInPlace: ({ context, event }) =>
      context.plan?.kind === 'in-place' && 'epoch' in event && event.epoch === context.epoch,
    isInPlace: ({ context }) => context.plan?.kind === 'in-place',
    isTerminal: ({ context: { epoch, attempt, retryBudget }, event }) => {
      if (!('failure' in event && 'epoch' in event) || event.epoch !== epoch) return false
      if (retryBudget !== null && attempt >= retryBudget) return true
      const remedy = remedyFor(event.failure.kind)
      return (remedy === 'give-up' || remedy === 'refresh-credentials') && attempt + 1 >= terminalAfter
    },
    hasFailed: ({ context }) => context.failure !== null,
  },
  actions: {
    beginEpoch: assign({ epoch: ({ context }) => context.epoch + 1 }),
    beginReplacement: assign({
      epoch: ({ context }) => (context.plan?.kind === 'replacement' ? context.epoch + 1 : context.epoch),
    }),
    planInPlace: assign({
      plan: ({ event }): Plan => ({
        kind: 'in-place',
        reason: event.type === 'cluster.moved' ? event.reason : 'moved',
      }),
    }),
    planReplacement: assign({
      plan: ({ event }): Plan => ({
        kind: 'replacement',
        reason: 'failure' in event ? event.failure.kind : 'subscription-changed',
      }),
    }),
    noteFailure: assign({ failure: ({ context, event }) => ('failure' in event ? event.failure : context.failure) }),
    noteBug: assign({ failure: (): Failure => ({ kind: 'bug', message: 'A port of the lifecycle threw an error' }) }),
    countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }),
    recover: assign({ plan: null, attempt: 0, failure: null }),
    forgetFailure: assign({ failure: null }),
    // A snapshot that an older version saved has none.
    noteMembers: assign({ members: ({ context, event }) => membersAfter(context.members ?? [], event) }),
  },
}).createMachine({
  id: 'lifecycle',
  version: machineVersion,
  context: ({ input }) => ({
    epoch: 0,
    plan: null,
    attempt: 0,
    failure: null,
    // `transition()` calls this without an input and throws the result away.
    retryBudget: input?.retryBudget ?? null,
    members: input?.members ?? [],
  }),
  invoke: { id: 'cluster', src: 'clusterFacts', onError: { target: '.stopping', actions: 'noteBug' } },
  on: { 'member.named': { actions: 'noteMembers' }, 'member.evicted': { actions: 'noteMembers' } },
  initial: 'idle',
  states: {
    idle: {
      on: {
        'start.requested': { target: 'connecting', actions: 'beginEpoch' },
        'stop.requested': 'stopped',
      },
    },
    connecting: {
      invoke: { id: 'open', src: 'open', input, onError: bug },
      on: {
        'session.joined': { guard: 'isCurrent', target: 'consuming' },
        'session.failed': retryOrEnd,
        // It joins no more: without its member KafkaJS would consume outside of the group, and commit nothing.
        'member.lost': retryOrEnd,
        'stop.requested': { target: 'stopping', actions: 'forgetFailure' },
      },
    },
    consuming: {
      entry: 'recover',
      on: {
        'cluster.moved': { target: 'draining', actions: 'planInPlace' },
        'session.stalled': { ...replacing, guard: 'isCurrent' },
        'member.lost': { ...replacing, guard: 'isCurrent' },
        // KafkaJS subscribes once in its life.
        'subscription.changed': { ...replacing, guard: 'isCurrent' },
        'session.failed': retryOrEnd,
        'stop.requested': 'stopping',
      },
    },
    draining: {
      invoke: { id: 'drain', src: 'drain', input, onError: bug },
      on: {
        'drain.completed': { guard: 'isCurrent', target: 'rebuilding', actions: 'beginReplacement' },
        'session.stalled': { ...replacing, guard: 'isCurrentInPlace' },
        'member.lost': { ...replacing, guard: 'isCurrentInPlace' },
        'subscription.changed': { ...replacing, guard: 'isCurrentInPlace' },
        'session.failed': { ...replacing, guard: 'isCurrentInPlace' },
        'stop.requested': 'stopping',
      },
    },
    rebuilding: {
      invoke: { id: 'rebuild', src: 'rebuild', input, onError: bug },
      on: {
        'rebuild.proven': { guard: 'isCurrent', target: 'consuming' },
        'rebuild.unproven': { ...replacing, guard: 'isCurrent' },
        'cluster.moved': { guard: 'isInPlace', target: 'draining', actions: 'planInPlace' },
        'session.stalled': { ...replacing, guard: 'isCurrentInPlace' },
        'member.lost': [{ ...replacing, guard: 'isCurrentInPlace' }, ...retryOrEnd],
        'subscription.changed': { ...replacing, guard: 'isCurrentInPlace' },
        'session.failed': [{ ...replacing, guard: 'isCurrentInPlace' }, ...retryOrEnd],
        'stop.requested': 'stopping',
      },
    },
    retrying: {
      entry: 'countAttempt',
      invoke: { id: 'backOff', src: 'backOff', input, onError: bug },
      on: {
        'backoff.elapsed': { target: 'connecting', actions: 'beginEpoch' },
        'cluster.moved': { target: 'connecting', actions: 'beginEpoch' },
        'cluster.reached': { target: 'connecting', actions: 'beginEpoch' },
        'stop.requested': { target: 'stopping', actions: 'forgetFailure' },
      },
    },
    stopping: {
      invoke: { id: 'shutDown', src: 'shutDown', input, onError: { target: 'failed', actions: 'noteBug' } },
      on: {
        'stop.completed': [{ guard: 'hasFailed', target: 'failed' }, { target: 'stopped' }],
      },
    },
    stopped: { type: 'final' },
    failed: { type: 'final' },
  },
})
