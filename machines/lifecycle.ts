/**
 * The lifecycle of one consumer.
 *
 *                            ┌──────────── proven ────────────┐
 *                            ▼          ┌ in-place ───▶ in-place ┐
 * idle ─▶ connecting ─▶ consuming ─▶ draining ───────▶ rebuilding       any ─▶ stopping ─▶ stopped
 *             ▲  │           │          └ replacement ▶ replacement             └────────▶ failed
 *             │  ▼           ▼                                │
 *             └─ retrying ◀──┴─────────── failed ─────────────┘
 *
 * Every event is a fact. The cluster's facts come as a stream, subscribed to at the root until an end is reached. Invoked actors do the work
 * and report facts; time, randomness and ids come in with them. What each state means is its description: the documents, the status and
 * readiness are made from it. A nested state is called like the kind of its plan.
 */

import { assign, fromCallback, fromEventObservable, setup } from 'xstate'
import type { Fact, FactOf, Plan } from './fact.ts'
import { type Failure, remedyFor } from './failure.ts'
import { machineVersion } from './machine-version.ts'
import { membersAfter } from './members.ts'

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

/** What an invoked actor gets when its state is entered. */
export type TaskInput = Pick<LifecycleContext, 'epoch' | 'plan' | 'attempt' | 'failure'>

export interface LifecycleInput {
  readonly retryBudget: number | null
  /** Those of an earlier life. Default none. */
  readonly members?: readonly string[]
}

/** How it ended. */
export interface LifecycleOutput {
  /** What ended it; null where a stop was asked for. */
  readonly failure: Failure | null
}

/** `ready`: messages flow · `handing-over`: connections or a session are being replaced. */
type Tag = 'ready' | 'handing-over'

/** Attempts after which a refused login or a missing topic ends the consumer: more logins would lock the account, and brokers learn of a new topic one after the other. */
const terminalAfter = 3

const unfilled = fromCallback<Fact, TaskInput>(() => {
  throw new Error('This actor is not filled: the lifecycle needs provide({ actors })')
})

/** Emits nothing until it is filled with the facts of a cluster. */
const unfilledStream = fromEventObservable<Fact, undefined>(() => ({ subscribe: () => ({ unsubscribe: () => {} }) }))

const input = ({ context }: { context: LifecycleContext }): TaskInput => context

/** What a fact says of the session it speaks of, as guards and actions get it. */
type OfFailed = Pick<FactOf<'session.failed'>, 'epoch' | 'failure'>
type OfSession = Pick<OfFailed, 'epoch'>
type Reason = Pick<Plan, 'reason'>

const isCurrent = {
  type: 'isCurrent',
  params: ({ event: { epoch } }: { event: OfSession }): OfSession => ({ epoch }),
} as const
const failureIn = ({ event: { epoch, failure } }: { event: OfFailed }): OfFailed => ({ epoch, failure })
const noteFailure = { type: 'noteFailure', params: failureIn } as const

const stop = { target: '#lifecycle.stopping', actions: 'noteStop' } as const
const retryOrEnd = [
  { guard: { type: 'isTerminal', params: failureIn }, target: '#lifecycle.stopping', actions: noteFailure },
  { guard: isCurrent, target: '#lifecycle.retrying', actions: noteFailure },
] as const
const replaceFailed = {
  guard: isCurrent,
  target: '#lifecycle.draining.replacement',
  actions: {
    type: 'planReplacement',
    params: ({ event: { failure } }: { event: OfFailed }): Reason => ({ reason: failure.kind }),
  },
} as const
/** What ends a session that is joined by another one. */
const replacing = {
  'session.stalled': replaceFailed,
  'member.lost': replaceFailed,
  // KafkaJS subscribes once in its life.
  'subscription.changed': {
    guard: isCurrent,
    target: '#lifecycle.draining.replacement',
    actions: { type: 'planReplacement', params: { reason: 'subscription-changed' } },
  },
} as const
/** Another process has our place in the group: to take it back would only be to lose it again. */
const superseded = { guard: isCurrent, target: '#lifecycle.stopping', actions: noteFailure } as const
const failing = { 'session.failed': retryOrEnd, 'member.superseded': superseded } as const
const moving = {
  target: '#lifecycle.draining.in-place',
  actions: { type: 'planInPlace', params: ({ event: { reason } }: { event: Reason }): Reason => ({ reason }) },
} as const
const reconnecting = { target: 'connecting', actions: 'beginEpoch' } as const

/** An actor that throws is a bug: the consumer ends in an orderly way and says so. */
const bug = { target: '#lifecycle.stopping', actions: 'noteBug' } as const
const drain = { id: 'drain', src: 'drain', input, onError: bug } as const
const rebuild = { id: 'rebuild', src: 'rebuild', input, onError: bug } as const

export const lifecycleMachine = setup({
  types: {} as {
    context: LifecycleContext
    events: Fact
    input: LifecycleInput
    output: LifecycleOutput
    tags: Tag
  },
  actors: {
    clusterFacts: unfilledStream,
    open: unfilled,
    drain: unfilled,
    rebuild: unfilled,
    backOff: unfilled,
    shutDown: unfilled,
  },
  guards: {
    /** The fact speaks of the newest session. */
    isCurrent: ({ context }, { epoch }: OfSession) => epoch === context.epoch,
    isTerminal: ({ context }, { epoch, failure }: OfFailed) => {
      if (epoch !== context.epoch) return false
      const { attempt, retryBudget } = context
      if (retryBudget !== null && attempt >= retryBudget) return true
      const remedy = failure.isPassing ? 'wait' : remedyFor(failure.kind)
      return (remedy === 'give-up' || remedy === 'refresh-credentials') && attempt + 1 >= terminalAfter
    },
    hasFailed: ({ context }) => context.failure !== null,
  },
  actions: {
    beginEpoch: assign({ epoch: ({ context }) => context.epoch + 1 }),
    planInPlace: assign({ plan: (_, { reason }: Reason): Plan => ({ kind: 'in-place', reason }) }),
    planReplacement: assign({ plan: (_, { reason }: Reason): Plan => ({ kind: 'replacement', reason }) }),
    noteFailure: assign({ failure: (_, { failure }: OfFailed) => failure }),
    noteBug: assign({ failure: (): Failure => ({ kind: 'bug', message: 'An actor of the lifecycle threw an error' }) }),
    countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }),
    recover: assign({ plan: null, attempt: 0, failure: null }),
    /** A stop that the user wants ends well; one that has a failure does not. */
    noteStop: assign({ failure: ({ event }) => (event.type === 'stop.requested' && event.failure) || null }),
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
  output: ({ event }) => event.output as LifecycleOutput,
  invoke: { id: 'cluster', src: 'clusterFacts', onError: { target: '.stopping', actions: 'noteBug' } },
  on: { 'member.named': { actions: 'noteMembers' }, 'member.evicted': { actions: 'noteMembers' } },
  initial: 'idle',
  states: {
    idle: {
      description: 'The consumer was not started; nothing is connected.',
      on: { 'start.requested': reconnecting, 'stop.requested': 'stopped' },
    },
    connecting: {
      description: 'A session is opened and joins the group.',
      invoke: { id: 'open', src: 'open', input, onError: bug },
      on: {
        'session.joined': { guard: isCurrent, target: 'consuming' },
        ...failing,
        // It joins no more: without its member KafkaJS would consume outside of the group, and commit nothing.
        'member.lost': retryOrEnd,
        'stop.requested': stop,
      },
    },
    consuming: {
      description: 'The group is joined and messages are handled.',
      tags: 'ready',
      entry: 'recover',
      on: { 'cluster.moved': moving, ...replacing, ...failing, 'stop.requested': stop },
    },
    draining: {
      description: 'A hand-over has begun: handlers and requests that it touches come to a safe point.',
      tags: 'handing-over',
      initial: 'in-place',
      on: { 'member.superseded': superseded, 'stop.requested': stop },
      states: {
        'in-place': {
          description: 'Connections are made to where the nodes are now; in-flight requests are re-sent.',
          tags: 'ready',
          invoke: drain,
          on: {
            'drain.completed': { guard: isCurrent, target: '#lifecycle.rebuilding.in-place' },
            ...replacing,
            'session.failed': replaceFailed,
          },
        },
        replacement: {
          description:
            'A new session takes over: no message is handed out, handlers settle or get their signal after drainTimeoutMs, progress is committed.',
          invoke: drain,
          on: {
            'drain.completed': {
              guard: isCurrent,
              target: '#lifecycle.rebuilding.replacement',
              actions: 'beginEpoch',
            },
          },
        },
      },
    },
    rebuilding: {
      description: 'The hand-over is carried out; it has to be complete within rebuildTimeoutMs.',
      tags: 'handing-over',
      initial: 'in-place',
      on: {
        'rebuild.proven': { guard: isCurrent, target: 'consuming' },
        'rebuild.unproven': replaceFailed,
        'member.superseded': superseded,
        'stop.requested': stop,
      },
      states: {
        'in-place': {
          description: 'The connections are made; a heartbeat sent now proves that the member still counts.',
          tags: 'ready',
          invoke: rebuild,
          on: { 'cluster.moved': moving, ...replacing, 'session.failed': replaceFailed },
        },
        replacement: {
          description:
            'A new session takes over: the brokers are probed, the old session is fenced, its progress is committed, its member leaves, the next session joins.',
          invoke: rebuild,
          on: { 'session.failed': retryOrEnd, 'member.lost': retryOrEnd },
        },
      },
    },
    retrying: {
      description:
        'No session works; the next attempt follows after a backoff, or as soon as the cluster is reached or moves.',
      entry: 'countAttempt',
      invoke: { id: 'backOff', src: 'backOff', input, onError: bug },
      on: {
        'backoff.elapsed': reconnecting,
        'cluster.moved': reconnecting,
        'cluster.reached': reconnecting,
        'member.superseded': superseded,
        'stop.requested': stop,
      },
    },
    stopping: {
      description:
        'The consumer is stopping: handlers settle, progress is committed, the member leaves, connections close, all by stopTimeoutMs.',
      invoke: { id: 'shutDown', src: 'shutDown', input, onError: { target: 'failed', actions: 'noteBug' } },
      on: { 'stop.completed': [{ guard: 'hasFailed', target: 'failed' }, { target: 'stopped' }] },
    },
    stopped: {
      description: 'The consumer has stopped as asked.',
      type: 'final',
      output: { failure: null },
    },
    failed: {
      description:
        'The consumer has stopped permanently: by a failure that is not retriable, or because retryBudget is spent.',
      type: 'final',
      output: ({ context: { failure } }) => ({ failure }),
    },
  },
})
