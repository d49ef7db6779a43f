/** A producer of KafkaJS that sends without pause, what it was acknowledged, and what the log says of that. */
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type Kafka, type KafkaConfig, type Producer, type ProducerRecord } from 'kafkajs'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import { until, within } from './until.ts'

export interface ProducingOptions {
  readonly topic: string
  /** Options of `kafka.producer`. */
  readonly producer?: Parameters<Kafka['producer']>[0] | undefined
  /** Messages per second. Default 1000, in batches of 20. */
  readonly perSecond?: number
  /** Each send goes out at its time, whatever became of those before it. Default: one after the other, so that their order can be told. */
  readonly isConcurrent?: boolean
  /** How long the last sends are waited for, in milliseconds: what takes longer counts as one failure. Default 60,000. */
  readonly lastSendMs?: number
}

/** What became of what was sent. */
export interface Produced {
  /** Messages. */
  readonly sent: number
  readonly acknowledged: number
  /** Acknowledged and not in the log. */
  readonly missing: number
  /** In the log more than once. */
  readonly twice: number
  /** Messages of one key that stand before an earlier one of it. */
  readonly disordered: number
  /** Sends that were rejected, by what they said. */
  readonly failures: Readonly<Record<string, number>>
  /** How long each send took, in milliseconds, with when it began. */
  readonly sends: readonly { readonly at: number; readonly tookMs: number }[]
}

export interface Producing extends AsyncDisposable {
  /** Resolves when so many more sends were acknowledged. */
  acknowledged(sends: number): Promise<void>
  /** Ends the stream, waits for what is under way, and reads the log. */
  finish(): Promise<Produced>
}

const BATCH = 20
const KEYS = 12
const END = 'end'

export async function startProducing(
  cluster: KafkaCluster,
  config: KafkaConfig,
  { topic, producer: options, perSecond = 1000, isConcurrent = false, lastSendMs = 60_000 }: ProducingOptions,
): Promise<Producing> {
  const producer: Producer = new kafkajs.Kafka(config).producer({ allowAutoTopicCreation: false, ...options })
  await producer.connect()
  const isTransactional = options?.transactionalId !== undefined
  const acknowledged = new Set<number>()
  const sends: { at: number; tookMs: number }[] = []
  const failures: Record<string, number> = {}
  let sequence = 0
  let isOver = false
  const send = async (record: ProducerRecord): Promise<unknown> => {
    if (!isTransactional) return producer.send(record)
    const transaction = await producer.transaction()
    await transaction.send(record)
    return transaction.commit()
  }
  const sendBatch = async () => {
    const numbers = Array.from({ length: BATCH }, () => sequence++)
    const at = Date.now()
    const from = performance.now()
    // half with a key, half without
    const messages = numbers.map((value) => {
      return { value: String(value), ...(value % 2 ? { key: `k${value % KEYS}` } : {}) }
    })
    try {
      await send({ topic, messages })
      for (const each of numbers) acknowledged.add(each)
      sends.push({ at, tookMs: performance.now() - from })
    } catch (error) {
      const { message } = error as Error
      failures[message] = (failures[message] ?? 0) + 1
    }
  }
  const everyMs = (1000 * BATCH) / perSecond
  const stream = (async () => {
    const underWay: Promise<void>[] = []
    for (let due = performance.now(); !isOver; due += everyMs) {
      const ahead = due - performance.now()
      if (ahead > 0) await pause(ahead)
      const sending = sendBatch()
      if (isConcurrent) underWay.push(sending)
      else await sending
    }
    await Promise.all(underWay)
  })()
  const stop = async () => {
    isOver = true
    try {
      await within(lastSendMs, 'The last send', stream)
    } catch (error) {
      failures[(error as Error).message] = 1
      // KafkaJS's disconnect would wait for it
      return void producer.disconnect().catch(() => {})
    }
    await within(10_000, 'The disconnect of the producer', producer.disconnect())
  }
  return {
    async acknowledged(count) {
      const enough = sends.length + count
      await until(() => (sends.length < enough ? `${enough - sends.length} sends` : undefined), { deadlineMs: 60_000 })
    },
    async finish() {
      await stop()
      const promised = [...acknowledged]
      const log = await readValues(cluster, topic)
      const seen = new Map<number, number>()
      let disordered = 0
      const newest = new Map<string, number>()
      for (const { value, key } of log) {
        seen.set(value, (seen.get(value) ?? 0) + 1)
        if (key === null) continue
        if (value < (newest.get(key) ?? -1)) disordered++
        newest.set(key, Math.max(value, newest.get(key) ?? -1))
      }
      return {
        sent: sequence,
        acknowledged: promised.length,
        missing: promised.filter((each) => !seen.has(each)).length,
        twice: [...seen.values()].filter((times) => times > 1).length,
        disordered,
        failures,
        sends,
      }
    },
    async [Symbol.asyncDispose]() {
      if (!isOver) await stop().catch(() => {})
    },
  }
}

/** A plain and an idempotent producer side by side. */
export interface BothProducing extends AsyncDisposable {
  /** Resolves when so many more sends of each were acknowledged. */
  acknowledged(sends: number): Promise<void>
  finish(): Promise<{ readonly plain: Produced; readonly idempotent: Produced }>
}

/** What both promise, as a pattern for what `finish` resolves with. */
export const bothKept = {
  plain: { missing: 0, failures: {} },
  idempotent: { missing: 0, twice: 0, disordered: 0, failures: {} },
}

/** Each sends to a topic of its own, which is created. */
export async function startBoth(
  cluster: KafkaCluster,
  config: KafkaConfig,
  { topic, perSecond = 1000 }: Pick<ProducingOptions, 'topic' | 'perSecond'>,
): Promise<BothProducing> {
  const start = async (name: string, producer: ProducingOptions['producer']) => {
    const own = `${topic}-${name}`
    await cluster.createTopic(own)
    return startProducing(cluster, config, { topic: own, perSecond, producer })
  }
  const plain = await start('plain', {})
  const idempotent = await start('idempotent', { idempotent: true })
  const both = [plain, idempotent]
  return {
    acknowledged: async (sends) => void (await Promise.all(both.map((each) => each.acknowledged(sends)))),
    finish: async () => ({ plain: await plain.finish(), idempotent: await idempotent.finish() }),
    [Symbol.asyncDispose]: async () => void (await Promise.all(both.map((each) => each[Symbol.asyncDispose]()))),
  }
}

/** The longest send around each of these changes, in milliseconds. */
export const longestSends = (
  { sends }: Pick<Produced, 'sends'>,
  changes: readonly { readonly at: number }[],
): number[] =>
  changes.map(({ at }, index) => {
    // a send that waits for a change begins a moment before it at the earliest
    const to = (changes[index + 1]?.at ?? Number.POSITIVE_INFINITY) - 50
    const around = sends.filter((each) => each.at >= at - 50 && each.at < to)
    return Math.round(Math.max(0, ...around.map(({ tookMs }) => tookMs)))
  })

/** One message of a log. */
export interface Logged {
  readonly partition: number
  readonly offset: number
  readonly value: number
  readonly key: string | null
}

/**
 * The log of a topic whose values are numbers, as far as it is committed, partition by partition, in order. An end is written behind it, which shows
 * only when every transaction before it is over.
 */
export async function readValues(cluster: KafkaCluster, topic: string): Promise<Logged[]> {
  const kafka = cluster.kafka()
  const partitions = [...(await cluster.leaders(topic)).keys()]
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  await producer.send({ topic, messages: partitions.map((partition) => ({ partition, value: END })) })
  await producer.disconnect()
  const found: Logged[] = []
  const open = new Set(partitions)
  const consumer = kafka.consumer({ groupId: `read-${topic}-${Date.now()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message: { offset, value, key } }) => {
      if (String(value) === END) open.delete(partition)
      else
        found.push({ partition, offset: Number(offset), value: Number(value), key: key === null ? null : String(key) })
    },
  })
  await until(() => (open.size > 0 ? `the end of ${topic}, partitions ${[...open]}` : undefined))
  await consumer.disconnect()
  return found.toSorted((one, other) => one.partition - other.partition || one.offset - other.offset)
}
