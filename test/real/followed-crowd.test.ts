// Ten `Kafka`s on `follow` in one process, one of them with two groups and an admin, while all brokers move.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import { type Crowd, startCrowd } from './harness/followed-crowd.ts'
import { form } from './harness/form.ts'
import { readLog, stampedOnAppend } from './harness/ground-truth.ts'
import { unhandled } from './harness/ledger.ts'
import { assess, findings } from './harness/outcome.ts'
import { report } from './harness/report.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import type { Stretch } from './harness/silence.ts'
import { watchTimer } from './harness/timer-watch.ts'
import { until, within } from './harness/until.ts'
import { createWorkload, type Workload } from './harness/workload.ts'

const cluster = sharedCluster({ bindFixed: true })
const MOVES = form(3, 40)
const WINDOW_MS = 1000
/** As for one followed consumer: the bound of `createConsumer`, and KafkaJS's wait for a fetch. */
const WORST_MS = 1000 + 250
/** One poller polls each second, ± 10 %, and has a connection to each of three brokers. */
const STEADY_MS = 3000
const MOST_POLLS = 4
const MOST_POLL_DIALS = 3
/** How long a process takes to end in which nothing is left, on a busy machine. */
const ENDED_MS = 2000

test('eleven groups and an admin on ten Kafkas share one poller, lose nothing in moves, and leave a process that ends by itself', async () => {
  await using front = await startFront(cluster())
  const topic = `crowd-${randomUUID().slice(0, 8)}`
  await cluster().createTopic(topic, { partitions: 3, configuration: stampedOnAppend })
  const groupIds = Array.from({ length: 11 }, (_, index) => `${topic}-${index}`)
  await using crowd = await startCrowd(topic, groupIds, front.endpoints())
  const pollDialsOfStart = crowd.pollDials.length
  const workload = await createWorkload(cluster(), { topic, partitions: 3, perSecond: 30 })
  const timer = watchTimer()
  const moves: Stretch[] = []
  try {
    workload.start()
    await passed(crowd, workload, Date.now())
    const steadyFrom = Date.now()
    await pause(STEADY_MS)
    const polls = crowd.polls.filter(({ at }) => at >= steadyFrom && at < steadyFrom + STEADY_MS)
    for (let move = 0; move < MOVES; move += 1) {
      const from = Date.now()
      await front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' })
      crowd.tell(front.endpoints())
      moves.push({ from, to: Date.now() + WINDOW_MS })
      await passed(crowd, workload, Date.now() + WINDOW_MS)
    }
    await workload.stop()
    timer.stop()
    const steady = { from: steadyFrom, to: Date.now() }
    const log = await readLog(cluster().kafka(), topic)
    const behind = () =>
      [...crowd.ledgers].flatMap(([groupId, ledger]) =>
        [...log].flatMap(([partition, { low, sequences }]) => {
          const { length } = unhandled(ledger, partition, low, low + sequences.length)
          return length > 0 ? `${length} of ${groupId}, partition ${partition}` : []
        }),
      )
    await until(() => behind().join() || undefined).catch(() => {})
    const answered = crowd.answered
    const left = await within(20_000, 'The end of the process', crowd.end())

    const outcomes = [...crowd.ledgers].map(([groupId, ledger], index) => {
      const evidence = { ledger, log, moves, partitions: workload.partitions, countedTo: () => undefined }
      return {
        scenario: `followed, ten Kafkas in one process, group ${index + 1}`,
        ...assess({ ...evidence, commits: [], steady }),
        ...{ rebalances: (crowd.joins.get(groupId) ?? 0) - 1, coordinatorChanges: 0, stopMs: left.tookMs },
        timerLateMs: Math.max(timer.worstMs, left.timerLateMs),
        story: [...crowd.wrong, ...findings(evidence)],
      }
    })
    // They share a process: what holds one of them up outside of moves may hold up any of them in one.
    const steadyMs = Math.max(...outcomes.map((outcome) => outcome.steadyMs))
    const bounds = { rebalances: 0, worstMs: WORST_MS, steadyMs: 2000 }
    const violations = outcomes.flatMap((outcome) => report({ ...outcome, steadyMs }, bounds))
    expect([...violations, ...crowd.wrong]).toEqual([])
    expect(answered).toBeGreaterThan(MOVES)
    expect(polls.length).toBeGreaterThan(0)
    expect(polls.length).toBeLessThanOrEqual(MOST_POLLS)
    expect(pollDialsOfStart).toBeLessThanOrEqual(MOST_POLL_DIALS)
    expect(new Set(left.states)).toEqual(new Set(['resting']))
    expect(left.ending).toBe('0')
    expect(left.endedAfterMs).toBeLessThan(ENDED_MS)
  } finally {
    timer.stop()
    await workload.close()
  }
})

/** Resolves when every group has handled a message of each partition that was sent at this time or later. */
async function passed(crowd: Crowd, { partitions }: Workload, sentAfter: number): Promise<void> {
  const waiting = () =>
    [...crowd.ledgers].flatMap(([groupId, ledger]) =>
      partitions.filter((one) => ledger.newestSentAt(one) < sentAfter).map((one) => `${groupId}, partition ${one}`),
    )
  await until(() => (waiting().length > 0 ? `new messages of ${waiting().join('; ')}` : undefined), {
    deadlineMs: 60_000,
  })
}
