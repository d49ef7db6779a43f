/**
 * A life: a process of its own with one consumer and its journal, seen from the test. It ends by SIGKILL, at a recorded step or at
 * the test's word, and another life goes on from its journal. The other side is life-main.ts.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FactRecord } from '../../../src/index.ts'
import type { Ledger } from './ledger.ts'
import { until } from './until.ts'

/** The record that ends a life: the `nth` (default 1) of its type since it was armed, or from the first record of type `after` on. */
export interface KillStep {
  readonly type: FactRecord['type'] | 'actor.started'
  readonly nth?: number
  readonly after?: FactRecord['type']
}

export interface LifeTask {
  readonly name: string
  readonly brokers: string[]
  readonly groupId: string
  readonly topic: string
  /** Where its journal is. */
  readonly journal: string
  readonly kill?: KillStep
}

export type ToLife = ({ kind: 'start' } & LifeTask) | { kind: 'arm'; step: KillStep } | { kind: 'stop' }

export type FromLife =
  | { kind: 'up' }
  | { kind: 'told'; record: FactRecord }
  | {
      kind: 'handed'
      partition: number
      offset: number
      sequence: number
      sentAt: number
      startedAt: number
    }
  | { kind: 'stopped' }

export interface Life extends AsyncDisposable {
  readonly alive: boolean
  /** What it told, oldest first. */
  readonly told: readonly FactRecord[]
  /** When it was asked to start, milliseconds since the epoch. */
  readonly startedAt: number
  /** Per partition the first offset it was given, and when. */
  readonly firsts: ReadonlyMap<number, { readonly offset: number; readonly at: number }>
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
  const main = fileURLToPath(new URL('./life-main.ts', import.meta.url))
  const child = fork(main, { execArgv: ['--import', 'tsx'] })
  // the channel closes after the last message in it was read
  const gone = Promise.all([once(child, 'exit'), once(child, 'disconnect')])
  const told: FactRecord[] = []
  const firsts = new Map<number, { offset: number; at: number }>()
  let name = ''
  let up = false
  let stopped = false
  let startedAt = 0
  const alive = () => child.exitCode === null && child.signalCode === null
  const send = (message: ToLife) => void (alive() && child.send(message, () => {}))

  child.on('message', (message: FromLife) => {
    if (message.kind === 'up') up = true
    if (message.kind === 'stopped') stopped = true
    if (message.kind === 'told') told.push(message.record)
    if (message.kind === 'handed') {
      const { kind: _, ...handed } = message
      if (!firsts.has(handed.partition)) firsts.set(handed.partition, { offset: handed.offset, at: handed.startedAt })
      ledger.end(ledger.begin({ ...handed, member: name, process: String(child.pid) }))
    }
  })
  const kill = async () => {
    if (alive()) child.kill('SIGKILL')
    await gone
  }
  await until(() => (up ? undefined : 'the process of a life'))

  return {
    get alive() {
      return alive()
    },
    told,
    firsts,
    get startedAt() {
      return startedAt
    },
    start(task) {
      name = task.name
      startedAt = Date.now()
      send({ kind: 'start', ...task })
    },
    arm: (step) => send({ kind: 'arm', step }),
    async killed(deadlineMs) {
      await until(() => (alive() ? 'the kill' : undefined), { deadlineMs, everyMs: 5 })
      await gone
      if (child.signalCode !== 'SIGKILL') throw new Error(`The process ended by itself with code ${child.exitCode}`)
    },
    kill,
    async stop() {
      send({ kind: 'stop' })
      await until(() => (stopped || !alive() ? undefined : 'the stop'))
      await kill()
    },
    [Symbol.asyncDispose]: kill,
  }
}
