/** The changes that clients are put through: each in words, and how one round of it is made on a stage. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Ending } from '../cluster/front-address.ts'
import { evict } from '../real/harness/eviction.ts'
import { untilLed } from '../real/harness/leaders.ts'
import type { Stage } from './stage.ts'

export const changeNames = [
  'instant-fin',
  'instant-rst',
  'black-hole',
  'overlap',
  'node-by-node',
  'rolling-restart',
  'all-restarted',
  'evicted',
] as const

export type ChangeName = (typeof changeNames)[number]

export interface Change {
  readonly title: string
  readonly happens: string
  /** True: brokers really restart. */
  readonly restarts: boolean
  /** Moves of which the silences are taken, per round. */
  readonly movesPerRound: number
  /** How long after the beginning of a move its silences count, at least; by default until the next one or the end of the round. */
  readonly windowMs?: number
  /** How long after the end of a round its silences count; the default is 2000. */
  readonly afterMs?: number
  /** About how long a round takes, in milliseconds. */
  readonly roundMs: number
  round(made: RoundTask): Promise<void>
}

/** What a round works with. */
export interface RoundTask {
  readonly stage: Stage
  readonly topic: string
  /** Notes that a move begins now. */
  mark(): void
  /** Notes since when the brokers answer again with leaders, milliseconds since the epoch. */
  answered(at: number): void
  /** A member of a group, to be taken out of it. */
  readonly member: { readonly groupId: string; memberId(): string } | undefined
  readonly signal: AbortSignal
}

const OVERLAP_MS = 6000
const APART_MS = 4000

export const changes: Readonly<Record<ChangeName, Change>> = {
  'instant-fin': instant(
    'fin',
    'instant, closed (FIN)',
    'All brokers move; connections to the old addresses are closed.',
  ),
  'instant-rst': instant(
    'rst',
    'instant, reset (RST)',
    'All brokers move; connections to the old addresses are reset.',
  ),
  'black-hole': instant('silent', 'black hole', 'All brokers move; the old addresses accept and never answer again.'),
  overlap: {
    title: 'overlap',
    happens: `All brokers move; the old addresses work for ${OVERLAP_MS / 1000} s more, then close. Both moments count as moves.`,
    restarts: false,
    movesPerRound: 2,
    windowMs: 2000,
    roundMs: OVERLAP_MS,
    async round({ stage, mark, signal }) {
      const front = frontOf(stage)
      const left = setOf(front.address(1))
      const set = stage.nextSet()
      mark()
      await front.open(set)
      front.advertise(set)
      await pause(OVERLAP_MS, undefined, { signal })
      mark()
      await front.close(left, 'fin')
    },
  },
  'node-by-node': {
    title: 'node by node',
    happens: `The brokers move one after the other, ${APART_MS / 1000} s apart; connections to the old addresses are closed.`,
    restarts: false,
    movesPerRound: 3,
    windowMs: 2000,
    roundMs: 2 * APART_MS,
    async round({ stage, mark, signal }) {
      const set = stage.nextSet()
      for (const nodeId of stage.cluster.nodeIds) {
        if (nodeId !== stage.cluster.nodeIds[0]) await pause(APART_MS, undefined, { signal })
        mark()
        await frontOf(stage).move(set, { nodes: [nodeId] })
      }
    },
  },
  'rolling-restart': {
    title: 'rolling restart',
    happens:
      'Every broker is stopped and started on a new address, one by one, each when the one before is in sync again.',
    restarts: true,
    movesPerRound: 3,
    roundMs: 14_000,
    async round({ stage: { cluster, nextSet }, mark, signal }) {
      const set = nextSet()
      for (const nodeId of cluster.nodeIds) {
        if (nodeId !== cluster.nodeIds[0]) await pause(1000, undefined, { signal })
        mark()
        await cluster.stopBroker(nodeId)
        await cluster.startBroker(nodeId, { set })
        await cluster.waitReady()
      }
    },
  },
  'all-restarted': {
    title: 'all stopped, started elsewhere',
    happens: 'All brokers are stopped, then started on new addresses.',
    restarts: true,
    movesPerRound: 1,
    roundMs: 10_000,
    async round({ stage: { cluster, nextSet }, topic, mark, answered }) {
      const set = nextSet()
      mark()
      await Promise.all(cluster.nodeIds.map((nodeId) => cluster.stopBroker(nodeId)))
      const started = Promise.all(cluster.nodeIds.map((nodeId) => cluster.startBroker(nodeId, { set })))
      answered(await untilLed(cluster, [topic]))
      await started
      await cluster.waitReady()
    },
  },
  evicted: {
    title: 'evicted as all move',
    happens:
      'All brokers move, and in the same moment the coordinator is told to let a member leave: its session has to be replaced.',
    restarts: false,
    movesPerRound: 1,
    // the others of the group hear of it by their next heartbeats
    afterMs: 4000,
    roundMs: 2500,
    async round({ stage, mark, member }) {
      const memberId = member?.memberId()
      if (member === undefined || memberId === undefined) throw new Error('Only a member of relisten can be evicted')
      const set = stage.nextSet()
      mark()
      await Promise.all([frontOf(stage).move(set), evict(stage.cluster, member.groupId, memberId)])
    },
  },
}

function instant(close: Ending, title: string, happens: string): Change {
  return {
    title,
    happens,
    restarts: false,
    movesPerRound: 1,
    roundMs: 0,
    async round({ stage, mark }) {
      const set = stage.nextSet()
      mark()
      await frontOf(stage).move(set, { close })
    },
  }
}

function frontOf({ front, name }: Stage) {
  if (front === undefined) throw new Error(`Stage ${name} moves by restarts only`)
  return front
}

const setOf = (address: string) => Number(address.split('.')[2])
