/** Slow handlers and a backlog while all brokers move: whether the loop goes on, in tenths of a second, beside bare KafkaJS. */
import { setTimeout as pause } from 'node:timers/promises'
import { startFront } from '../../cluster/front.ts'
import { HIGHEST_SET } from '../../cluster/loopback.ts'
import type { GoalFigure } from '../goal.ts'
import type { Client } from './consuming.ts'
import { fillTopic } from './filled-topic.ts'
import { median } from './median.ts'
import type { CostRun } from './run.ts'
import { startSubject } from './subject.ts'

const goal = 'the same with handlers of 20 ms and a backlog of 100,000'
const topic = 'slow-handlers'
const handlerMs = 20
const concurrency = 6
const tenthMs = 100
const usualMs = 5000
const quietMs = 5000

/** What became of the throughput at the moves of one client. */
interface Dips {
  /** Messages handled in a tenth of a second before the first move, median. */
  readonly usual: number
  /** Per move, the longest run of tenths below half of the usual, in milliseconds. */
  readonly dipsMs: readonly number[]
  /** Per move, the longest run of tenths without a single message, in milliseconds. */
  readonly stopsMs: readonly number[]
}

export async function measureSlowHandlers({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  await fillTopic(cluster, { topic, messages: 100_000, bytes: 100 })
  const moves = quick ? 3 : 10
  const relisten = await dipsOf(cluster, 'relisten', moves)
  say(`relisten: dips ${relisten.dipsMs.join(', ')} ms, stops ${relisten.stopsMs.join(', ')} ms`)
  const kafkajs = await dipsOf(cluster, 'kafkajs', quick ? 1 : 2)
  say(`kafkajs: dips ${kafkajs.dipsMs.join(', ')} ms, stops ${kafkajs.stopsMs.join(', ')} ms`)
  await cluster.deleteTopic(topic)
  const worst = (values: readonly number[]) => Math.max(...values)
  const note = `worst of ${moves} moves, ${relisten.usual} messages per tenth of a second before`
  const beside = (value: number) => `bare kafkajs ${value} ms in the ${quietMs / 1000} s after a move`
  return [
    {
      goal,
      name: 'time below half of the throughput',
      value: worst(relisten.dipsMs),
      unit: 'ms',
      most: 500,
      reference: beside(worst(kafkajs.dipsMs)),
      note,
    },
    {
      goal,
      name: 'time without a message',
      value: worst(relisten.stopsMs),
      unit: 'ms',
      most: 0,
      reference: beside(worst(kafkajs.stopsMs)),
      note,
    },
  ]
}

async function dipsOf(cluster: CostRun['cluster'], client: Client, moves: number): Promise<Dips> {
  await using front = await startFront(cluster)
  const groupId = `${topic}-${client}`
  const consuming = { client, groupId, topic, each: 'message', concurrency, handlerMs } as const
  await using subject = await startSubject({ brokers: front.endpoints(), consuming })
  await subject.reach(1)
  await pause(usualMs)
  const movedAt: number[] = []
  for (let move = 1; move <= moves; move += 1) {
    const { at } = await front.move((move % HIGHEST_SET) + 1, { close: move % 2 === 0 ? 'fin' : 'rst' })
    movedAt.push(at)
    await subject.tell(front.endpoints())
    await pause(quietMs)
  }
  const { firstAt, perTenth } = await subject.read()
  const tenthOf = (at: number) => Math.floor((at - firstAt) / tenthMs)
  const usual = median(perTenth.slice(10, tenthOf(movedAt[0] ?? 0)))
  const after = movedAt.map((at) => {
    const from = tenthOf(at)
    return Array.from({ length: quietMs / tenthMs - 1 }, (_, index) => perTenth[from + index] ?? 0)
  })
  const longest = (isLow: (count: number) => boolean) => after.map((counts) => longestRun(counts, isLow) * tenthMs)
  return { usual, dipsMs: longest((count) => count < usual / 2), stopsMs: longest((count) => count === 0) }
}

function longestRun(counts: readonly number[], isLow: (count: number) => boolean): number {
  let longest = 0
  let run = 0
  for (const count of counts) {
    run = isLow(count) ? run + 1 : 0
    longest = Math.max(longest, run)
  }
  return longest
}
