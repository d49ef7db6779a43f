// 600 partitions under one member: moves, and moves while the processor is taken away.
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { type Front, startFront } from '../../cluster/front.ts'
import { setAfter } from '../harness/address-sets.ts'
import { form } from '../harness/form.ts'
import type { Member } from '../harness/member.ts'
import { type MemberProcess, startMemberProcess } from '../harness/member-process.ts'
import type { Outcome } from '../harness/outcome.ts'
import { MESSAGE_SPACING_MS, report } from '../harness/report.ts'
import { type Run, startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { backAfter, logSilence, steadySilence } from '../harness/silence.ts'
import { watchTimer } from '../harness/timer-watch.ts'

const PARTITIONS = 600
const PER_SECOND = 2000
const MOVES = form(3, 10)
const BUSY_MS = form(15_000, 60_000)
const BUSY_PROCESSES = 4
/** The default of `maxBufferedBytes`. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024

const cluster = sharedCluster({ bindFixed: true })
let topic: string | undefined

// thousands of replicas would slow down what comes after
afterEach(async () => {
  if (topic !== undefined) await cluster().deleteTopic(topic)
  topic = undefined
})

// one run for both: to make that many partitions takes longer than to move them
test('one member of 600 partitions follows instant moves within its memory, and comes back by itself after the processor was taken away during moves', async () => {
  await using front = await startFront(cluster())
  await using process = await startMemberProcess()
  await using run = await crowd(
    '600 partitions: instant moves, then moves while the processor is taken away',
    front,
    process,
  )
  const quiet = await followsMoves(run, front, process)
  const busy = await comesBack(run, front, process)
  const outcome = await run.finish({ catchUpMs: 60_000 })
  // what shares the machine with the busy ones is late too
  const timerLateMs = Math.min(outcome.timerLateMs, 1000)
  const figures = [...quiet(outcome), ...busy]
  const steadyMs = Number.POSITIVE_INFINITY
  expect(report({ ...outcome, timerLateMs }, { twice: 'process', rebalances: undefined, steadyMs, figures })).toEqual(
    [],
  )
})

/** Moves on a quiet machine; gives its figures once the log has been read. */
async function followsMoves(run: Run, front: Front, process: MemberProcess) {
  const timer = watchTimer()
  const [member] = run.members as [Member]
  const generation = member.generation()
  const [before, base] = [await process.told(), await process.measure()]
  let heap = base.heapBytes
  for (let move = 0; move < MOVES; move += 1) {
    await run.move(() => front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' }))
    heap = Math.max(heap, (await process.measure()).heapBytes)
  }
  timer.stop()
  const whole = { from: run.steadyFrom, to: Date.now() }
  const { partitions } = run.workload
  const steadyMs = steadySilence(run.ledger, partitions, whole, run.moves).ms
  const most = 0
  const figures = [
    ...(await grown(process, before, ['partition.stalled', 'session.opened'], 0)),
    { name: 'bytes of heap more than before', value: heap - base.heapBytes, most: MAX_BUFFERED_BYTES },
    { name: 'rebalances by instant moves', value: member.generation() - generation, most },
    { name: 'messages handled twice by the group by then', value: run.ledger.twice, most },
    { name: 'ms the 100 ms timer was late by then', value: timer.worstMs, most: 1000 },
  ]
  return ({ silencesMs, logSilencesMs, log }: Outcome) => {
    // 1,800 replicas share the machine: where the brokers stand still nothing can be handed out
    const logSteadyMs = logSilence(log, partitions, whole).ms
    const floorMs = Math.max(steadyMs, ...logSilencesMs.slice(0, MOVES))
    const value = Math.max(...silencesMs.slice(0, MOVES)) - floorMs
    const lateMs = Math.max(0, timer.worstMs - MESSAGE_SPACING_MS)
    return [
      ...figures,
      {
        name: 'ms of silence above that of the log outside of instant moves',
        value: steadyMs - logSteadyMs,
        most: 1000,
      },
      { name: 'ms of silence above the steady state at an instant move', value, most: 1000 + lateMs },
    ]
  }
}

/** Moves while the processor is taken away, and how long it takes until all is well again. */
async function comesBack(run: Run, front: Front, process: MemberProcess) {
  const before = await process.told()
  const movesBefore = front.moveCount
  let endedAt = 0
  const whole = await run.move(
    async () => {
      const busy = Array.from({ length: BUSY_PROCESSES }, takeProcessor)
      try {
        const until = Date.now() + BUSY_MS
        while (Date.now() < until) {
          await front.move(setAfter(front))
          await pause(5000)
        }
      } finally {
        for (const one of busy) one.kill('SIGKILL')
      }
      endedAt = Date.now()
    },
    { windowMs: 30_000, passes: false },
  )
  expect(whole.to).toBeGreaterThan(endedAt)
  await run.pass(0)
  const moves = front.moveCount - movesBefore
  return [
    { name: 'ms until all were back', value: backAfter(run.ledger, run.workload.partitions, endedAt), most: 30_000 },
    ...(await grown(process, before, ['link.reconnected'], 5 * moves)),
    ...(await grown(process, before, ['session.opened'], 1)),
    // a move of three brokers takes 15; in a process that is kept waiting each may be late once and made again
    { name: 'dials', value: (await process.told()).dials - before.dials, most: 2 * 15 * moves },
  ]
}

async function crowd(scenario: string, front: Front, process: MemberProcess): Promise<Run> {
  const run = await startRun<Member>({
    ...{ scenario, cluster: cluster(), client: (task) => process.member(task), members: 1, perSecond: PER_SECOND },
    brokers: () => front.endpoints(),
    topic: { partitions: PARTITIONS },
    workload: { together: true },
  })
  topic = run.topic
  return run
}

async function grown(
  process: MemberProcess,
  before: Awaited<ReturnType<MemberProcess['told']>>,
  types: readonly string[],
  most: number,
) {
  const { facts } = await process.told()
  return types.map((name) => ({ name, value: (facts[name] ?? 0) - (before.facts[name] ?? 0), most }))
}

function takeProcessor(): ChildProcess {
  return spawn(globalThis.process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
}
