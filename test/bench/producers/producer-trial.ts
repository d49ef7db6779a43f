/**
 * Producers through changes: each writes a steady stream to a topic of its own, all go through the same rounds, and what each was acknowledged is
 * counted against its log.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { readValues } from '../../real/harness/producing.ts'
import { until } from '../../real/harness/until.ts'
import { type ChangeName, changes } from '../change.ts'
import type { GoalFigure } from '../goal.ts'
import type { Stage } from '../stage.ts'
import { type Spread, spread } from '../statistics.ts'
import { startJavaProducer } from './java-producer.ts'
import { BATCH, type NodeProducer, type Sent, type Streaming, startProducerProcess } from './producer-process.ts'

export const producerTitles = {
  followed: 'KafkaJS on `follow`',
  'followed-idempotent': 'KafkaJS on `follow`, idempotent',
  kafkajs: 'KafkaJS',
  'kafkajs-idempotent': 'KafkaJS, idempotent',
  platformatic: '@platformatic/kafka',
  java: 'Java, idempotent as by default',
} as const satisfies Record<NodeProducer | 'java', string>
export type ProducerName = keyof typeof producerTitles

/** What one producer did in one change. */
export interface ProducerRow {
  readonly producer: ProducerName
  readonly change: ChangeName
  /** When it was measured, as ISO 8601. */
  readonly at: string
  readonly moves: number
  readonly sent: number
  readonly acknowledged: number
  /** Acknowledged and not in the log. */
  readonly missing: number
  /** In the log more than once. */
  readonly twice: number
  /** Of sends: rejected, and without an end when the trial ended. */
  readonly rejected: number
  readonly unended: number
  /** The longest send at each move, in milliseconds. */
  readonly longest: Spread
}

const EVERY_MS = 100
const STEADY_MS = 3000
const AFTER_MS = 4000
const LAST_SENDS_MS = 30_000

export interface ProducerTrialOptions {
  readonly stage: Stage
  readonly change: ChangeName
  readonly rounds: number
  /** Without Java, which takes seconds to start. */
  readonly quick: boolean
  readonly signal: AbortSignal
}

export async function producerTrial(options: ProducerTrialOptions): Promise<ProducerRow[]> {
  const { stage, rounds, quick, signal } = options
  const { cluster } = stage
  const id = randomUUID().slice(0, 8)
  const names = (Object.keys(producerTitles) as ProducerName[]).filter((name) => name !== 'java' || !quick)
  const streams = new Map<ProducerName, Streaming>()
  const topicOf = (name: ProducerName) => `${name}-${id}`
  try {
    for (const name of names) {
      await cluster.createTopic(topicOf(name))
      streams.set(name, await start(name, stage, topicOf(name)))
    }
    // the newest may be under way
    const quiet = () =>
      [...streams].filter(([, { sends }]) => [...sends].at(-2)?.endedAt === undefined).map(([name]) => name)
    await pause(STEADY_MS, undefined, { signal })
    await until(() => (quiet().length > 0 ? `the last send of ${quiet()}` : undefined), { deadlineMs: 10_000 })
    const moves: number[] = []
    for (let made = 0; made < rounds; made += 1) {
      const task = { stage, topic: topicOf('followed'), answered: () => {}, member: undefined, signal }
      await changes[options.change].round({ ...task, mark: () => moves.push(Date.now()) })
      await pause(AFTER_MS, undefined, { signal })
    }
    const endedAt = Date.now()
    await Promise.all([...streams.values()].map((stream) => stream.stop(LAST_SENDS_MS)))
    const rows: ProducerRow[] = []
    for (const [producer, { sends }] of streams) {
      const log = await readValues(cluster, topicOf(producer))
      rows.push({
        producer,
        change: options.change,
        at: new Date().toISOString(),
        ...figures([...sends], moves, endedAt, log),
      })
    }
    return rows
  } finally {
    await Promise.all([...streams.values()].map((stream) => stream.kill()))
  }
}

/** Those that take a function are told the addresses in force, the others those at the start. */
async function start(name: ProducerName, stage: Stage, topic: string): Promise<Streaming> {
  const stream = { topic, everyMs: EVERY_MS }
  if (name === 'java') return startJavaProducer(stage.now(), stream)
  const process = await startProducerProcess(name, () => stage.now())
  await process.stream(stream)
  return process
}

function figures(
  sends: readonly Sent[],
  moves: readonly number[],
  watchedTo: number,
  log: readonly { readonly value: number }[],
): Omit<ProducerRow, 'producer' | 'change' | 'at'> {
  const times = new Map<number, number>()
  for (const { value } of log) times.set(value, (times.get(value) ?? 0) + 1)
  const ended = sends.filter(({ endedAt }) => endedAt !== undefined)
  const good = ended.filter(({ error }) => error === undefined)
  const numbers = good.flatMap(({ first }) => Array.from({ length: BATCH }, (_, index) => first + index))
  const longest = moves.map((at, index) => {
    // a send that waits for a move begins a moment before it at the earliest
    const to = moves[index + 1] ?? Number.POSITIVE_INFINITY
    const around = sends.filter((sent) => sent.at < to && (sent.endedAt ?? watchedTo) >= at)
    return Math.max(0, ...around.map((sent) => (sent.endedAt ?? watchedTo) - sent.at))
  })
  return {
    ...{ moves: moves.length, sent: sends.length * BATCH, acknowledged: numbers.length },
    missing: numbers.filter((one) => !times.has(one)).length,
    twice: [...times.values()].filter((count) => count > 1).length,
    ...{ rejected: ended.length - good.length, unended: sends.length - ended.length, longest: spread(longest) },
  }
}

/** The goals for producers that a run of all of them can be judged by. */
export function producerGoals(rows: readonly ProducerRow[]): GoalFigure[] {
  const goal = 'producers: nothing acknowledged is missing, of an idempotent one nothing is there twice'
  const unharmed = rows
    .filter(({ producer }) => producer.startsWith('followed'))
    .map(({ producer, change, missing, twice, rejected, unended, at }): GoalFigure => {
      const isOnce = producer === 'followed-idempotent'
      const value = missing + rejected + unended + (isOnce ? twice : 0)
      const name = `${producerTitles[producer]}, ${changes[change].title}`
      return { goal, name, value, unit: 'in all', most: 0, at, reference: `${twice} in the log twice` }
    })
  const restarted = (name: ProducerName) =>
    rows.find(({ producer, change }) => producer === name && change === 'rolling-restart')
  const [ours, java] = [restarted('followed-idempotent'), restarted('java')]
  if (!ours || !java) return unharmed
  const longest: GoalFigure = {
    goal: 'producers, real rolling restart: the longest send is no longer than the Java producer’s in the same run',
    ...{ name: producerTitles['followed-idempotent'], value: ours.longest.worst, most: java.longest.worst, unit: 'ms' },
    ...{ at: ours.at, reference: `Java ${java.longest.worst} ms` },
  }
  return [...unharmed, longest]
}
