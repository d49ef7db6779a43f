/**
 * The membership of one session in its consumer group: the classic protocol, seen from the member.
 *
 * unjoined ── join.sent ─▶ joining ── member.joined ─▶ stable ── group.rebalancing ─▶ settling
 *    ▲                        ▲                                                        │   │
 *    │                        └── join.sent ── rejoining ◀── partitions.revoked ───────┘   │
 *    └─── partitions.revoked, where KafkaJS has asked to join by itself (join.requested) ───┘
 *
 * any ─▶ left, fatal; stable, settling, rejoining ─▶ lost
 *
 * Handlers settle first: no join goes out of `stable` or `settling`. What the coordinator says of an older generation, or while
 * a join is under way, changes nothing.
 */

import { assign, enqueueActions, fromCallback, setup } from 'xstate'
import type { Fact, FactOf } from './fact.ts'
import type { Failure } from './failure.ts'
import { machineVersion } from './machine-version.ts'
import type { Step } from './recorded.ts'

export interface MembershipContext {
  /** The generation it is a member of, or was last; null before the first. */
  readonly generation: number | null
  /** KafkaJS has asked to join by itself, and waits for handlers to settle. */
  readonly joinWaits: boolean
  /** What ended it; null where nothing did, or it left. */
  readonly failure: Failure | null
}

/** The facts it listens to, and one event that is no fact: a join of KafkaJS goes out. */
export type MembershipEvent =
  | FactOf<
      | 'join.requested'
      | 'member.joined'
      | 'group.rebalancing'
      | 'partitions.revoked'
      | 'member.fenced'
      | 'member.refused'
      | 'leave.requested'
    >
  | { readonly type: 'join.sent' }

/**
 * Whether a step is a record. One that changes nothing is none, and neither is a join that goes out: the answer to it says as much, and leads from
 * the state before to the same end.
 */
export const isRecord = ({ type, changed }: Pick<Step, 'type' | 'changed'>): boolean => changed && type !== 'join.sent'

const unfilled = fromCallback<Fact>(() => {
  throw new Error('This actor is not filled: the membership needs provide({ actors })')
})

type OfGeneration = { readonly event: { readonly generation: number } }
type Failed = { readonly event: { readonly failure: Failure } }
const generation = ({ event }: OfGeneration) => ({ generation: event.generation })
const ofThisGeneration = { type: 'isOfThisGeneration', params: generation } as const
const noteFailure = { type: 'noteFailure', params: ({ event }: Failed) => ({ failure: event.failure }) } as const

const join = {
  target: 'stable',
  actions: [{ type: 'beginGeneration', params: generation }, 'startHeartbeats'],
} as const
const fence = { guard: ofThisGeneration, target: 'lost', actions: noteFailure } as const
const refuse = { target: 'fatal', actions: noteFailure } as const
const output = ({ context }: { readonly context: MembershipContext }) => context.failure
/** An actor that throws is a bug: this membership is of no use any more. */
const bug = { target: 'fatal', actions: 'noteBug' } as const

export const membershipMachine = setup({
  types: {} as { context: MembershipContext; events: MembershipEvent; output: Failure | null },
  actors: { settle: unfilled, rejoin: unfilled, heartbeats: unfilled },
  guards: {
    isOfThisGeneration: ({ context }, { generation }: { readonly generation: number }) =>
      generation === context.generation,
    doesJoinWait: ({ context }) => context.joinWaits,
  },
  actions: {
    beginGeneration: assign((_, { generation }: { readonly generation: number }) => ({ generation, joinWaits: false })),
    letJoinWait: assign({ joinWaits: true }),
    noteFailure: assign({ failure: (_, { failure }: { readonly failure: Failure }) => failure }),
    noteBug: assign({
      failure: (): Failure => ({ kind: 'bug', message: 'An actor of the membership threw an error' }),
    }),
    startHeartbeats: enqueueActions(({ enqueue }) => {
      enqueue.stopChild('heartbeats')
      enqueue.spawnChild('heartbeats', { id: 'heartbeats' })
    }),
    stopHeartbeats: enqueueActions(({ enqueue }) => enqueue.stopChild('heartbeats')),
  },
}).createMachine({
  id: 'membership',
  version: machineVersion,
  context: { generation: null, joinWaits: false, failure: null },
  initial: 'unjoined',
  output: ({ event }) => event.output as Failure | null,
  states: {
    unjoined: {
      description: 'Not in the group; KafkaJS may join.',
      on: {
        'join.sent': 'joining',
        'member.joined': join,
        'member.refused': refuse,
        'leave.requested': 'left',
      },
    },
    joining: {
      description: 'A join of KafkaJS is under way, and after it the sync that brings the assignment.',
      on: {
        'member.joined': join,
        'member.refused': refuse,
        'leave.requested': 'left',
      },
    },
    stable: {
      description: 'A member of the newest generation that it knows of; messages are handled.',
      on: {
        'group.rebalancing': { guard: ofThisGeneration, target: 'settling' },
        'join.requested': { target: 'settling', actions: 'letJoinWait' },
        'member.fenced': fence,
        'member.refused': refuse,
        'leave.requested': 'left',
      },
    },
    settling: {
      description: 'Handlers settle, and what they did is committed under the generation that ends.',
      invoke: { id: 'settle', src: 'settle', onError: bug },
      on: {
        'partitions.revoked': [
          { guard: 'doesJoinWait', target: 'unjoined', actions: 'stopHeartbeats' },
          { target: 'rejoining' },
        ],
        'member.fenced': fence,
        'member.refused': refuse,
        'leave.requested': 'left',
      },
    },
    rejoining: {
      description: 'KafkaJS is told to join again. Until it does, the member counts under the generation before.',
      invoke: { id: 'rejoin', src: 'rejoin', onError: bug },
      on: {
        'join.sent': { target: 'joining', actions: 'stopHeartbeats' },
        'member.joined': join,
        'member.fenced': fence,
        'member.refused': refuse,
        'leave.requested': 'left',
      },
    },
    left: { type: 'final', description: 'It left.', output },
    lost: {
      type: 'final',
      description: 'The coordinator does not know it any more: its partitions are others’.',
      output,
    },
    fatal: { type: 'final', description: 'The group refuses it, and waiting does not change that.', output },
  },
})
