/**
 * A life: a process of its own with one consumer and its journal, seen from the test. It ends by SIGKILL, at a recorded step or at
 * the test's word, and another life goes on from its journal. The other side is life-main.ts.
 */
import { fileURLToPath } from 'node:url'
import type { AnyRecord } from '../../../src/index.ts'
import { forkChild } from '../../process/child.ts'
import type { Ledger } from './ledger.ts'
import { until } from './until.ts'

/** The record that ends a life: the `nth` (default 1) of its type since it was armed, or from the first record of type `after` on. */
export interface KillStep {
  readonly type: AnyRecord['type']
  readonly nth?: number
  readonly after?: AnyRecord['type']
}

export interface LifeTask {
  readonly name: string
  /** A list, or a file of them that is read at each poll. */
  readonly brokers: string[] | { readonly file: string }
  readonly groupId: string
  readonly topic: string
  /** Where its journal is. */
  readonly journal: string
  readonly kill?: KillStep
  /** Every so many-th message of the workload is poison, and becomes a dead letter in this topic. */
  readonly poison?: { readonly every: number; readonly letters: string }
}

export type ToLife = ({ kind: 'start' } & LifeTask) | { kind: 'arm'; step: KillStep } | { kind: 'stop' }

export type FromLife =
  | { kind: 'up' }
  | { kind: 'told'; record: AnyRecord }
  | {
      kind: 'handed'
      partition: number
      offset: number
      sequence: number
      sentAt: number
      startedAt: number
    }
  | { kind: 'sending'; sequence: number }
  | { kind: 'stopped' }

export interface Life extends AsyncDisposable {
  readonly alive: boolean
  /** What it told, oldest first. */
  readonly told: readonly AnyRecord[]
  /** When it was asked to start, milliseconds since the epoch. */
  readonly startedAt: number
  /** Per partition the first offset it was given, and when. */
  readonly firsts: ReadonlyMap<number, { readonly offset: number; readonly at: number }>
  /** How often it has sent each dead letter, by the workload's number. One that is acknowledged is handled. */
  readonly sends: ReadonlyMap<number, number>
  /** Asks it to start its consumer; what becomes of it shows in what it tells. */
  start(task: LifeTask): void
  arm(step: KillStep): void
  /** Resolves when it ended by SIGKILL and everything it told has arrived; throws when it still lives after `deadlineMs` or ended otherwise. */
  killed(deadlineMs: number): Promise<void>
  kill(): Promise<void>
  /** Stops its consumer in order, then ends the process. */
  stop(): Promise<void>
}

/** Resolves when the process runs; its consumer is not made yet. */
export async function beginLife(ledger: Ledger): Promise<Life> {
  const told: AnyRecord[] = []
  const firsts = new Map<number, { offset: number; at: number }>()
  const sends = new Map<number, number>()
  let name = ''
  let stopped = false
  let startedAt = 0
  const hear = (message: FromLife, { pid }: { readonly pid: number }) => {
    if (message.kind === 'stopped') stopped = true
    if (message.kind === 'told') told.push(message.record)
    if (message.kind === 'sending') sends.set(message.sequence, (sends.get(message.sequence) ?? 0) + 1)
    if (message.kind === 'handed') {
      const { kind: _, ...handed } = message
      if (!firsts.has(handed.partition)) firsts.set(handed.partition, { offset: handed.offset, at: handed.startedAt })
      ledger.end(ledger.begin({ ...handed, member: name, process: String(pid) }))
    }
  }
  const main = fileURLToPath(new URL('./life-main.ts', import.meta.url))
  const child = forkChild<ToLife, FromLife>({ what: 'a life', main, hear })
  await child.up

  return {
    get alive() {
      return child.alive
    },
    told,
    firsts,
    sends,
    get startedAt() {
      return startedAt
    },
    start(task) {
      name = task.name
      startedAt = Date.now()
      child.send({ kind: 'start', ...task })
    },
    arm: (step) => child.send({ kind: 'arm', step }),
    async killed(deadlineMs) {
      await until(() => (child.alive ? 'the kill' : undefined), { deadlineMs, everyMs: 5 })
      await child.gone
      if (child.ending !== 'SIGKILL') throw new Error(`The process ended by itself with ${child.ending}`)
    },
    kill: child.kill,
    async stop() {
      child.send({ kind: 'stop' })
      await until(() => (stopped || !child.alive ? undefined : 'the stop'))
      await child.kill()
    },
    [Symbol.asyncDispose]: child.kill,
  }
}
