/** The moves of the demo: what happens to the brokers' addresses, in words and in deeds, and what relisten promises for it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Front } from '../cluster/front.ts'

export interface DemoMove {
  readonly kind: string
  /** One line for the live view. */
  readonly says: string
  make(front: Front, signal: AbortSignal): Promise<unknown>
  /** How long the demo waits for KafkaJS to come back before it goes on, in milliseconds. */
  readonly patienceMs?: number
  /** Longest gap that relisten may have, in milliseconds; `steadyMs` is the longest silence of the run without moves. */
  bound(steadyMs: number): number
}

/** `coordinator` is the broker that coordinates relisten's group. Stock clients hang at the black hole, so it comes late. */
export function demoMoves(coordinator: number): DemoMove[] {
  return [
    {
      kind: 'all at once (FIN)',
      says: 'every broker moves; the old addresses close',
      make: (front) => front.move(2, { close: 'fin' }),
      patienceMs: 26_000,
      bound: () => 1000,
    },
    {
      kind: 'node by node',
      says: 'the brokers move one after the other, 1.5 s apart',
      async make(front, signal) {
        for (const nodeId of [1, 2, 3]) {
          if (nodeId > 1) await pause(1500, undefined, { signal })
          await front.move(3, { nodes: [nodeId] })
        }
      },
      bound: (steadyMs) => steadyMs + 150,
    },
    {
      kind: 'coordinator only',
      says: `only broker ${coordinator} moves: it coordinates the group`,
      make: (front) => front.move(4, { nodes: [coordinator] }),
      bound: (steadyMs) => steadyMs + 150,
    },
    {
      kind: 'two swap',
      says: 'brokers 1 and 2 exchange their addresses',
      make: (front) => front.swap(1, 2),
      bound: () => 500,
    },
    {
      kind: 'all at once (RST)',
      says: 'every broker moves; old connections are reset',
      make: (front) => front.move(5, { close: 'rst' }),
      bound: () => 1000,
    },
    {
      kind: 'black hole',
      says: 'every broker moves; the old addresses stay open and never answer again',
      make: (front) => front.move(6, { close: 'silent' }),
      bound: () => 1500,
    },
    {
      kind: 'overlap',
      says: 'every broker moves; the old addresses work for three more seconds, then close',
      async make(front, signal) {
        await front.open(7)
        front.advertise(7)
        await pause(3000, undefined, { signal })
        await front.close(6, 'fin')
      },
      bound: (steadyMs) => steadyMs,
    },
    {
      kind: 'back again',
      says: 'every broker returns to the address it had at the very beginning',
      make: (front) => front.move(1, { close: 'fin' }),
      patienceMs: 12_000,
      bound: () => 1500,
    },
  ]
}
