/** Memory: what a process holds after many messages, beside bare KafkaJS, and whether moves leave anything behind. */
import { setTimeout as pause } from 'node:timers/promises'
import { startFront } from '../../cluster/front.ts'
import { HIGHEST_SET } from '../../cluster/loopback.ts'
import type { GoalFigure } from '../goal.ts'
import { fillTopic } from './filled-topic.ts'
import { median } from './median.ts'
import type { CostRun } from './run.ts'
import { type Subject, startSubject } from './subject.ts'

const goal = 'memory over bare kafkajs'
const bytes = 100
/** Full within the first moves: a journal that fills up to its bound is no leak. */
const journalCapacity = 200

/** Of each of the two, round by round. */
type Beside = Record<'relisten' | 'kafkajs', number[]>

/** After many messages. */
export async function measureMemory({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  const messages = quick ? 200_000 : 1_000_000
  const rounds = quick ? 1 : 3
  const topic = 'memory-messages'
  await fillTopic(cluster, { topic, messages, bytes })
  const rss: Beside = { relisten: [], kafkajs: [] }
  const heap: Beside = { relisten: [], kafkajs: [] }
  const malloc: Beside = { relisten: [], kafkajs: [] }
  for (let round = 0; round < rounds; round += 1) {
    for (const client of ['relisten', 'kafkajs'] as const) {
      const groupId = `${topic}-${client}-${round}`
      const consuming = { client, groupId, topic, each: 'message', concurrency: 1, maxWaitTimeInMs: 250 } as const
      await using subject = await startSubject({ brokers: [...cluster.internal], consuming })
      await subject.reach(messages)
      await pause(1500) // the commits have gone out
      const reading = await subject.read({ collect: true })
      await subject.stop()
      rss[client].push(reading.rssMb)
      heap[client].push(reading.heapMb)
      malloc[client].push(reading.mallocMb)
      say(
        `${client}: heap ${reading.heapMb.toFixed(1)} MB, resident ${reading.rssMb.toFixed(1)} MB, of it malloc's heap ${reading.mallocMb.toFixed(1)} MB`,
      )
    }
  }
  await cluster.deleteTopic(topic)
  const over = (of: Beside) => median(of.relisten) - median(of.kafkajs)
  const beside = (of: Beside) =>
    `relisten ${median(of.relisten).toFixed(1)} MB, bare kafkajs ${median(of.kafkajs).toFixed(1)} MB`
  const note = `after ${messages} messages and a collection, medians of ${rounds}`
  return [
    { goal, name: 'heap in use', value: over(heap), unit: 'MB', most: 15, reference: beside(heap), note },
    { goal, name: 'resident set', value: over(rss), unit: 'MB', most: 15, reference: beside(rss), note },
    {
      goal,
      name: 'of the resident set, the heap malloc grows in place',
      value: over(malloc),
      unit: 'MB',
      reference: beside(malloc),
      note: 'fetched bytes that were freed and that malloc did not give back to the kernel; V8 holds as much in both. How much stays is luck: on simulated brokers it was 10 to 63 MB in runs of one and the same code, whether 4 or 64 MB were allowed to wait, and whether chunks were copied into their frame as they came or at its end',
    },
  ]
}

/** Over many moves. */
export async function measureMoves({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  const moves = quick ? 50 : 500
  const step = quick ? moves / 5 : moves / 10
  const topic = 'memory-moves'
  await cluster.createTopic(topic)
  await using front = await startFront(cluster)
  const consuming = {
    client: 'relisten',
    groupId: topic,
    topic,
    each: 'message',
    concurrency: 1,
    journalCapacity,
  } as const
  await using subject = await startSubject({ brokers: front.endpoints(), consuming })
  const heaps: number[] = []
  // what the first moves add is code that is compiled for the first time
  const firstAt = quick ? step : 100
  for (let move = 1; move <= moves; move += 1) {
    await front.move((move % HIGHEST_SET) + 1, { close: move % 2 === 0 ? 'fin' : 'rst' })
    await subject.tell(front.endpoints())
    await pause(120)
    if (move % step === 0 && move >= firstAt) {
      const heapMb = await lowestHeap(subject)
      heaps.push(heapMb)
      say(`after ${move} moves: heap ${heapMb.toFixed(2)} MB`)
    }
  }
  await subject.stop()
  await cluster.deleteTopic(topic)
  return [
    {
      goal,
      name: `growth of the heap per 100 moves, from move ${firstAt} to ${moves}`,
      value: (slope(heaps) / step) * 100,
      unit: 'MB',
      most: 0.2,
      reference: heaps.map((heapMb) => `${heapMb.toFixed(2)} MB`).join(', '),
      note: `least squares through the heap in use after a collection, each ${step} moves, with a journal of ${journalCapacity} records; the goal is no slope, single values scatter by 0.3 MB, and V8 goes on compiling`,
    },
  ]
}

/** What is in use for a moment only is no growth: the lowest of several readings after a collection each. */
async function lowestHeap(subject: Subject): Promise<number> {
  const heaps: number[] = []
  for (let reading = 0; reading < 5; reading += 1) {
    await pause(400)
    heaps.push((await subject.read({ collect: true })).heapMb)
  }
  return Math.min(...heaps)
}

/** Least squares: growth from one value to the next. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const over = values.reduce((sum, value, index) => sum + (index - middle) * (value - mean), 0)
  return over / values.reduce((sum, _, index) => sum + (index - middle) ** 2, 0)
}
