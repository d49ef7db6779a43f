import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import type { Handed } from './harness/member.ts'
import { type RelistenMember, relistenMember } from './harness/relisten-member.ts'
import { report } from './harness/report.ts'
import { type Run, startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const HANDLER_TIMEOUT_MS = 3000
const STOP_TIMEOUT_MS = 5000
/** More calls than there are where a policy decides. */
const MANY_CALLS = 7
/** The longest wait before a handler is called again. */
const LONGEST_WAIT_MS = 30_000
/** What a timer may be late on a machine at work. */
const TIMER_SLACK_MS = 250

const cluster = sharedCluster({ bindFixed: true })

test('a handler takes five seconds on one partition while all brokers move', async () => {
  await using front = await startFront(cluster())
  let slow = false
  let working = false
  await using run = await startRun({
    scenario: 'a handler takes 5 s while all move: partitions of other leaders',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    handle: async ({ partition }) => {
      if (partition !== 0 || !slow) return
      slow = false
      working = true
      await pause(5000)
      working = false
    },
  })
  const others = await led(run, 0)
  for (let move = 0; move < 3; move += 1) {
    slow = true
    await until(() => (working ? undefined : 'the slow handler'))
    await run.move(() => front.move(setAfter(front), { close: move === 1 ? 'rst' : 'fin' }), { except: [0] })
    expect(working).toBe(true)
    await until(() => (working ? 'the end of the slow handler' : undefined))
    await run.pass(500)
  }
  const outcome = await run.finish({ partitions: others })
  expect(report(outcome, { rebalances: 0, medianMs: 250, worstMs: 1000 })).toEqual([])
})

test('a handler never returns while all brokers move', async () => {
  await using front = await startFront(cluster())
  let hang = false
  let hanging: (Handed & { since: number }) | undefined
  await using run = await startRun({
    scenario: 'a handler never returns while all move: partitions of other leaders',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    options: { handlerTimeoutMs: HANDLER_TIMEOUT_MS, stopTimeoutMs: STOP_TIMEOUT_MS },
    handle: async (handed) => {
      if (handed.partition !== 0 || !hang) return
      hanging ??= { ...handed, since: Date.now() }
      await new Promise(() => {})
    },
  })
  const others = await led(run, 0)
  hang = true
  await until(() => (hanging === undefined ? 'the handler that hangs' : undefined))
  for (let move = 0; move < 3; move += 1) {
    await run.move(() => front.move(setAfter(front)), { except: [0] })
  }
  const owner = run.members.find((member) => member.partitions().includes(0)) as RelistenMember
  const { at } = await owner.fact('handler.timed-out', ({ data }) => data.partition === 0)
  expect(hanging?.signal.aborted).toBe(true)

  const outcome = await run.finish({ partitions: others, stuck: [0] })
  const figures = [
    { name: 'ms until its fact', value: at - (hanging?.since ?? 0), most: HANDLER_TIMEOUT_MS + TIMER_SLACK_MS },
    { name: 'ms of stop()', value: outcome.stopMs, most: STOP_TIMEOUT_MS + TIMER_SLACK_MS },
  ]
  expect(report(outcome, { twice: 'none', rebalances: 0, medianMs: 250, worstMs: 1000, figures })).toEqual([])
})

// beside each other: most of the time nothing happens
test.concurrent('a handler throws for one message, again and again, while all brokers move', async () => {
  await using front = await startFront(cluster())
  let poison: number | undefined
  let armed = false
  let calls = 0
  await using run = await startRun({
    scenario: 'a handler throws for one message: the other partitions',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    options: { onHandlerError: 'pause' },
    handle: ({ partition, offset }) => {
      if (partition !== 0 || !armed) return
      poison ??= offset
      if (offset !== poison) return
      calls += 1
      throw new Error('This message cannot be handled')
    },
  })
  const owner = run.members.find((member) => member.partitions().includes(0)) as RelistenMember
  armed = true
  const gaveUp = await owner.fact('handler.gave-up', ({ data }) => data.partition === 0, 60_000)
  expect(gaveUp.data).toMatchObject({ offset: String(poison), decision: 'pause' })
  expect(calls).toBe(6)
  for (let move = 0; move < 2; move += 1) await run.move(() => front.move(setAfter(front)), { except: [0] })
  // the partition waits at the message; nothing after it was handed out
  expect(run.ledger.handOuts(0).at(-1)?.offset).toBe(poison)
  const outcome = await run.finish({ partitions: [1, 2, 3, 4, 5], stuck: [0] })
  expect(report(outcome, { twice: 'none', rebalances: 0, worstMs: 1000 })).toEqual([])
})

test.concurrent('what all handlers need is away for seven calls of each while all brokers move: nothing is skipped, and all go on by themselves', async () => {
  await using front = await startFront(cluster())
  let away = false
  const calls = new Map<number, number>()
  await using run = await startRun({
    scenario: 'what handlers need is away for seven calls while all move',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    handle: ({ partition }) => {
      if (!away) return
      calls.set(partition, (calls.get(partition) ?? 0) + 1)
      throw new Error('The database is away')
    },
  })
  const calledOften = (most: number) => () => {
    const waiting = run.workload.partitions.filter((one) => (calls.get(one) ?? 0) < most)
    return waiting.length > 0 ? `${most} calls of partition ${waiting.join(', ')}` : undefined
  }
  away = true
  await until(calledOften(1))
  await run.move(() => front.move(setAfter(front)), { passes: false })
  await until(calledOften(MANY_CALLS), { deadlineMs: 60_000 })
  away = false
  const from = Date.now()
  await run.pass(0)
  const figures = [{ name: 'ms until all go on', value: Date.now() - from, most: LONGEST_WAIT_MS + TIMER_SLACK_MS }]
  expect(run.members.flatMap(({ facts }) => facts.filter(({ type }) => type === 'handler.gave-up'))).toEqual([])
  await run.move(() => front.move(setAfter(front)))
  const outcome = await run.finish()
  expect(report(outcome, { rebalances: 0, steadyMs: Number.POSITIVE_INFINITY, figures })).toEqual([])
})

/** The partitions that another broker leads than this one. */
async function led(run: Run, partition: number): Promise<number[]> {
  const leaders = await cluster().leaders(run.topic)
  return run.workload.partitions.filter((other) => leaders.get(other) !== leaders.get(partition))
}
