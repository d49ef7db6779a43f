// A connection breaks before a Produce arrives, or after it was carried out: under a stock producer of KafkaJS and under one on `follow`.
import kafkajs, { type KafkaJSProtocolError, type Producer, type ProducerConfig } from 'kafkajs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import type { Cut } from '../cluster/front-address.ts'
import { readValues } from './harness/producing.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'

const PRODUCE = 0
const PARTITIONS = 6
/** One more than fits evenly: a stock producer sends a keyless message elsewhere when it repeats it. */
const SENT = 7
const REQUEST_TIMEOUT_MS = 3000

/** Where a stock producer sends keyless messages is random, and now and then none of them is lost. */
const LUCK = 5

const cluster = sharedCluster({ bindFixed: true })

test('a request that is lost once costs a stock producer messages it has acknowledged, and a followed one none', async () => {
  const { stock, followed } = await stockAndFollowed('request', { partitions: 2 }, (producer, topic) => [
    producer.send({ topic, messages: numbered(SENT) }),
  ])
  expect(stock.missing).toBeGreaterThan(0)
  expect(stock.twice).toBeGreaterThan(0)
  expect(followed).toEqual({ missing: 0, twice: 0, batchesTwice: 0 })
})

test('an answer that is lost while sends wait costs an idempotent stock producer a message, and a followed one none', async () => {
  const options = { partitions: 1, producer: { idempotent: true } }
  const { stock, followed } = await stockAndFollowed('answer', options, (producer, topic) =>
    numbered(SENT).map((message) => producer.send({ topic, messages: [message] })),
  )
  expect(stock.missing).toBeGreaterThan(0)
  expect(stock.twice).toBeGreaterThan(0)
  expect(followed).toEqual({ missing: 0, twice: 0, batchesTwice: 0 })
})

const modes = [
  { name: 'plain, acks -1', acks: -1, producer: {} },
  { name: 'plain, acks 1', acks: 1, producer: {} },
  { name: 'idempotent', acks: -1, producer: { idempotent: true } },
] as const
const transactional = {
  name: 'transactional',
  acks: -1,
  producer: { idempotent: true, transactionalId: 'lost-answer', maxInFlightRequests: 1 },
} as const

test.each([...modes, transactional])('an answer that is lost once leaves nothing in doubt: $name', async (mode) => {
  const { name, acks, producer: options } = mode
  const topic = `lost-once-${name.replaceAll(/[^\w-]+/g, '-')}`
  await using stage = await startStage(topic, options)
  const left = stage.front.cut('answer', PRODUCE, 1)
  const record = { topic, acks, messages: numbered(SENT) }
  if (mode === transactional) {
    const transaction = await stage.producer.transaction()
    await transaction.send(record)
    await transaction.commit()
  } else {
    await stage.producer.send(record)
  }
  expect(left()).toBe(0)
  const found = await truth(topic, SENT)
  const { repeated } = stage.followed.status()
  console.info(`answer lost once, ${name}:`, { ...found, repeated })
  expect(found.missing).toBe(0)
  expect(found.batchesTwice).toBe(repeated)
  if ('idempotent' in options) expect(found.twice).toBe(0)
  else expect(found.twice).toBeGreaterThan(0)
})

test.each(modes)(
  'answers that are lost until the deadline reject a send once, and it is told what of: $name',
  async (mode) => {
    const { name, acks, producer: options } = mode
    const topic = `lost-for-good-${name.replaceAll(/[^\w-]+/g, '-')}`
    await using stage = await startStage(topic, options)
    const { front, followed, producer } = stage
    const told: string[] = []
    followed.on('response.lost', ({ data }) => told.push(data.failure.message))
    front.cut('answer', PRODUCE, Number.POSITIVE_INFINITY)
    const from = performance.now()
    const error = await producer.send({ topic, acks, messages: numbered(SENT) }).then(
      () => expect.unreachable('it was resolved'),
      (thrown: KafkaJSProtocolError) => thrown,
    )
    const tookMs = Math.round(performance.now() - from)
    console.info(`answers lost for good, ${name}: rejected after ${tookMs} ms with ${error.name} ${error.type}`, told)
    expect(tookMs).toBeLessThan(REQUEST_TIMEOUT_MS)
    expect(error).toMatchObject({ type: 'UNKNOWN', retriable: false })
    const open = () => {
      const named = (partition: number) => told.some((each) => each.includes(`${topic}/${partition}`))
      const missing = [...Array(PARTITIONS).keys()].filter((partition) => !named(partition))
      return missing.length > 0 ? `a word of partitions ${missing} in ${told.join('; ')}` : undefined
    }
    await until(open)
    for (const each of told) expect(each).toContain("can't be known")
    front.cut('answer', PRODUCE, 0)
    const found = await truth(topic, SENT)
    expect(found.missing).toBe(0)
    const { repeated, counts } = followed.status()
    expect(counts.lostResponses).toBe(told.length)
    if ('idempotent' in options) return expect([found.twice, repeated]).toEqual([0, 0])
    expect(repeated).toBeGreaterThanOrEqual(found.batchesTwice)
    await producer.send({ topic, acks, messages: numbered(1) })
  },
)

/** Messages without a key, whose values are 0, 1, 2 and so on. */
const numbered = (count: number) => Array.from({ length: count }, (_, value) => ({ value: String(value) }))

interface Truth {
  readonly missing: number
  readonly twice: number
  /** Partitions with messages that are there twice: each had one batch. */
  readonly batchesTwice: number
}

/** What the log has of so many messages, all of them acknowledged. */
async function truth(topic: string, sent: number): Promise<Truth> {
  const log = await readValues(cluster(), topic)
  const copies = new Map<number, number>()
  for (const { value } of log) copies.set(value, (copies.get(value) ?? 0) + 1)
  const twice = [...copies].filter(([, times]) => times > 1).map(([value]) => value)
  const places = log.filter(({ value }) => twice.includes(value)).map(({ partition }) => partition)
  const missing = numbered(sent).filter(({ value }) => !copies.has(Number(value))).length
  return { missing, twice: twice.length, batchesTwice: new Set(places).size }
}

/** The same sends and the same fault, one side after the other; all sends are acknowledged. */
async function stockAndFollowed(
  kind: Cut,
  { partitions, producer: options }: { readonly partitions: number; readonly producer?: ProducerConfig },
  sends: (producer: Producer, topic: string) => readonly Promise<unknown>[],
): Promise<{ stock: Truth; followed: Truth }> {
  const side = async (name: 'stock' | 'followed', suffix = ''): Promise<Truth> => {
    const topic = `${kind}-lost-${name}${suffix}`
    await using stage = await startStage(topic, { ...options, partitions, isStock: name === 'stock' })
    const leaders = await cluster().leaders(topic)
    // each partition has a leader of its own, so that the fault meets one of them and not the others
    expect(new Set(leaders.values()).size).toBe(partitions)
    const left = stage.front.cut(kind, PRODUCE, 1, [leaders.get(partitions - 1) as number])
    await within(30_000, `What ${name} sends`, Promise.all(sends(stage.producer, topic)))
    expect(left()).toBe(0)
    const found = await truth(topic, SENT)
    console.info(`${kind} lost once, ${name}:`, found)
    return found
  }
  const [followed, first] = [await side('followed'), await side('stock')]
  let stock = first
  for (let lucky = 1; lucky < LUCK && (stock.missing === 0 || stock.twice === 0); lucky++)
    stock = await side('stock', `-${lucky}`)
  return { stock, followed }
}

interface StageOptions extends ProducerConfig {
  readonly partitions?: number
  readonly isStock?: boolean
}

/** A topic, and a connected producer of it behind a front. */
async function startStage(topic: string, { partitions = PARTITIONS, isStock = false, ...options }: StageOptions) {
  const front = await startFront(cluster())
  await cluster().createTopic(topic, { partitions })
  const config = {
    ...{ clientId: topic, brokers: front.endpoints(), requestTimeout: REQUEST_TIMEOUT_MS },
    logLevel: kafkajs.logLevel.NOTHING,
  }
  const followed = follow(config, { logger: false })
  const kafka = new kafkajs.Kafka(isStock ? config : followed)
  const producer = kafka.producer({ allowAutoTopicCreation: false, ...options })
  await producer.connect()
  return {
    ...{ front, producer, followed: followed.followed },
    async [Symbol.asyncDispose]() {
      await producer.disconnect()
      await followed.followed.close()
      await front[Symbol.asyncDispose]()
    },
  }
}
