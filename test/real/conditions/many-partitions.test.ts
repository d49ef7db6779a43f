// 600 partitions under one member: moves, and moves while the processor is taken away.
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { type Front, startFront } from '../../cluster/front.ts'
import { setAfter } from '../harness/address-sets.ts'
import { form } from '../harness/form.ts'
import type { Member } from '../harness/member.ts'
import { type MemberProcess, startMemberProcess } from '../harness/member-process.ts'
import { report } from '../harness/report.ts'
import { type Run, startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { backAfter } from '../harness/silence.ts'

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

test('one member of 600 partitions follows instant moves, and keeps to its memory', async () => {
  await using front = await startFront(cluster())
  await using process = await startMemberProcess()
  await using run = await crowd('600 partitions, one member', front, process)
  const [before, base] = [await process.told(), await process.measure()]
  let heap = base.heapBytes
  for (let move = 0; move < MOVES; move += 1) {
    await run.move(() => front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' }))
    heap = Math.max(heap, (await process.measure()).heapBytes)
  }
  const figures = [
    ...(await grown(process, before, ['partition.stalled', 'session.opened'], 0)),
    { name: 'bytes of heap more than before', value: heap - base.heapBytes, most: MAX_BUFFERED_BYTES },
  ]
  // a partition gets a message every 300 ms, and 1,800 replicas share the machine
  expect(report(await run.finish(), { rebalances: 0, steadyMs: 2000, aboveSteadyMs: 1000, figures })).toEqual([])
})

test('one member of 600 partitions comes back by itself after the processor was taken away during moves', async () => {
  await using front = await startFront(cluster())
  await using process = await startMemberProcess()
  await using run = await crowd('600 partitions, the processor taken away during moves', front, process)
  const before = await process.told()
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
  await run.pass(0)
  const backMs = backAfter(run.ledger, run.workload.partitions, endedAt)
  const moves = front.moveCount
  const redials = await grown(process, before, ['wire.redialled'], 5 * moves)
  const sessions = await grown(process, before, ['session.opened'], 1)
  const dials = { name: 'dials', value: (await process.told()).dials - before.dials, most: 20 * moves }
  const figures = [{ name: 'ms until all were back', value: backMs, most: 30_000 }, ...redials, ...sessions, dials]
  expect(whole.to).toBeGreaterThan(endedAt)
  const outcome = await run.finish({ catchUpMs: 60_000 })
  // what shares the machine with the busy ones is late too
  const timerLateMs = Math.min(outcome.timerLateMs, 1000)
  const steadyMs = Number.POSITIVE_INFINITY
  expect(report({ ...outcome, timerLateMs }, { twice: 'process', rebalances: undefined, steadyMs, figures })).toEqual(
    [],
  )
})

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
