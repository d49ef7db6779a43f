/** A hundred consumers in one process while all brokers move: polls, dials and gaps. */
import { setTimeout as pause } from 'node:timers/promises'
import { startFront } from '../../cluster/front.ts'
import { HIGHEST_SET } from '../../cluster/loopback.ts'
import { stampOnAppend } from '../../real/harness/ground-truth.ts'
import { createWorkload } from '../../real/harness/workload.ts'
import type { GoalFigure } from '../goal.ts'
import { median } from './median.ts'
import type { CostRun } from './run.ts'
import { type Reading, startSubject } from './subject.ts'
import { isOfPoller } from './tap.ts'

const goal = '100 consumers in one process, all brokers move'
const topic = 'crowd'
const METADATA = 3
/** A message each 200 ms in each partition: more would be a benchmark of fetches, as each message is fetched by everybody. */
const partitions = 3
const perSecond = 15
const settleMs = 4000
const windowMs = 5000

export async function measureCrowd({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  const consumers = quick ? 30 : 100
  const moves = quick ? 2 : 5
  await cluster.createTopic(topic, { partitions })
  await stampOnAppend(cluster.kafka(), topic)
  await using front = await startFront(cluster)
  const workload = await createWorkload(cluster, { topic, partitions, perSecond })
  const consuming = { client: 'relisten', groupId: topic, topic, each: 'message', concurrency: 1 } as const
  await using subject = await startSubject({ brokers: front.endpoints(), consuming, consumers, tapped: true })
  try {
    workload.start()
    await pause(settleMs)
    const started = await subject.read()
    await pause(windowMs)
    const steady = await subject.read()
    const pollsOf = ({ sockets }: typeof steady) =>
      sockets.filter(isOfPoller).reduce((sum, { requests }) => sum + (requests[METADATA] ?? 0), 0)
    const polls = pollsOf(steady) - pollsOf(started)
    if (polls === 0) throw new Error('No poll was seen: the poller asks in other requests than those that are counted')
    const pollsPerSecond = polls / ((steady.at - started.at) / 1000)
    say(
      `${consumers} consumers: ${pollsPerSecond.toFixed(1)} polls a second, gap without a move ${steady.longestGapMs} ms, a message waited ${steady.longestWaitMs} ms`,
    )
    const gaps: number[] = []
    const waits: number[] = []
    const dials: number[][] = []
    const steadyShare = shareOf(started, steady)
    const extraMs: number[] = []
    let known = steady.sockets.length
    let before = steady
    for (let move = 1; move <= moves; move += 1) {
      const { at } = await front.move((move % HIGHEST_SET) + 1, { close: move % 2 === 0 ? 'fin' : 'rst' })
      await subject.tell(front.endpoints())
      await pause(windowMs)
      const after = await subject.read()
      const { longestGapMs, longestWaitMs, sockets } = after
      gaps.push(longestGapMs)
      waits.push(longestWaitMs)
      dials.push(sockets.slice(known).map(({ dialledAt }) => dialledAt - at))
      known = sockets.length
      const share = shareOf(before, after)
      extraMs.push(((share - steadyShare) / 100) * (after.at - before.at))
      before = after
      const newest = dials.at(-1) ?? []
      say(
        `move ${move}: gap ${longestGapMs} ms, a message waited ${longestWaitMs} ms, ${newest.length} dials from ${Math.min(...newest)} to ${Math.max(...newest)} ms, most within 10 ms ${mostWithin(newest, 10)}, 50 ms ${mostWithin(newest, 50)}, 100 ms ${mostWithin(newest, 100)}; ${share.toFixed(0)} % of a core`,
      )
    }
    await subject.stop()
    const perConsumer = Math.max(...dials.map((one) => one.length)) / consumers
    const most = (withinMs: number) => Math.max(...dials.map((one) => mostWithin(one, withinMs)))
    return [
      { goal, name: 'polls a second', value: pollsPerSecond, unit: 'polls/s', most: 2, note: 'one stream for all' },
      {
        goal,
        name: 'worst gap of any partition of any consumer',
        value: Math.max(...gaps),
        unit: 'ms',
        most: 1000,
        reference: `without a move ${steady.longestGapMs} ms`,
        note: `${moves} moves, each partition has a message each 200 ms`,
      },
      {
        goal,
        name: 'worst time of a message from the log to its handler',
        value: Math.max(...waits),
        unit: 'ms',
        reference: `without a move ${steady.longestWaitMs} ms`,
        note: 'what of the gap is not the producer or the log itself',
      },
      {
        goal,
        name: 'processor time of a move beyond the steady state',
        value: median(extraMs),
        unit: 'ms',
        reference: `without a move ${steadyShare.toFixed(0)} % of a core`,
        note: 'of the one thread that all consumers share; front, producer and three brokers share the two cores with it',
      },
      {
        goal,
        name: 'dials per consumer and move',
        value: perConsumer,
        unit: 'dials',
        note: 'three for the fetches, one to the coordinator; what is more was refused',
      },
      {
        goal,
        name: 'dials within 100 ms, as a part of all',
        value: most(100) / Math.max(...dials.map((one) => one.length)),
        unit: '×',
        note: `most dials within 10 ms ${most(10)}, 50 ms ${most(50)}, 100 ms ${most(100)}; median of all dials ${median(dials.flat()).toFixed(0)} ms after the move`,
      },
    ]
  } finally {
    await workload.close()
    await cluster.deleteTopic(topic)
  }
}

/** Processor time between two readings, as a part of a core. */
const shareOf = (before: Reading, after: Reading) => ((after.cpuMs - before.cpuMs) / (after.at - before.at)) * 100

/** The most of these moments that lie within so many milliseconds. */
function mostWithin(moments: readonly number[], withinMs: number): number {
  const sorted = moments.toSorted((one, other) => one - other)
  let first = 0
  let most = 0
  for (const [index, at] of sorted.entries()) {
    while (at - (sorted[first] ?? at) >= withinMs) first += 1
    most = Math.max(most, index - first + 1)
  }
  return most
}
