// Transactions of KafkaJS on `follow`: offsets that are about to be committed, and what is read, transformed and produced exactly once.
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type Kafka } from 'kafkajs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { setAfter, setNow } from './harness/address-sets.ts'
import { form } from './harness/form.ts'
import { startProducing } from './harness/producing.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { committedValues, startTransforming } from './harness/transforming.ts'
import { until, within } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })
const OFFSET_FETCH = 9
/** The requests of a transaction, by their API keys. */
const requests = {
  ...{ InitProducerId: 22, AddPartitionsToTxn: 24, Produce: 0 },
  ...{ AddOffsetsToTxn: 25, TxnOffsetCommit: 28, EndTxn: 26 },
}
const MOVES = form(6, 20)
const endings = ['fin', 'rst', 'silent'] as const
const quiet = { logLevel: kafkajs.logLevel.NOTHING }

test('a member waits for offsets that a transaction is about to commit, where a stock one begins before them', async () => {
  let answered = 0
  await using front = await startFront(cluster(), {
    tap: ({ kind, apiKey }) => {
      if (kind === 'answer' && apiKey === OFFSET_FETCH) answered += 1
    },
  })
  const topic = 'about-to-commit'
  await cluster().createTopic(topic, { partitions: 1 })
  const stock = cluster().kafka()
  const config = follow({ clientId: 'members', brokers: () => front.endpoints(), ...quiet }, { logger: false })
  const followed = new kafkajs.Kafka(config)

  const producer = stock.producer({ idempotent: true, transactionalId: topic, maxInFlightRequests: 1 })
  await producer.connect()
  await producer.send({ topic, messages: Array.from({ length: 10 }, (_, value) => ({ value: String(value) })) })
  const transaction = await producer.transaction()
  for (const consumerGroupId of ['stock', 'followed'])
    await transaction.sendOffsets({ consumerGroupId, topics: [{ topic, partitions: [{ partition: 0, offset: '7' }] }] })

  const first = { stock: firstOf(stock, 'stock', topic), followed: firstOf(followed, 'followed', topic) }
  expect(await within(20_000, 'The first message of the stock member', first.stock)).toBe('0')
  await until(() => (answered < 3 ? 'the offsets of the followed member, asked for again' : undefined), {
    deadlineMs: 10_000,
  })
  await transaction.commit()
  expect(await within(20_000, 'The first message of the followed member', first.followed)).toBe('7')
  await producer.disconnect()
  await config.followed.close()
})

test('what is read, transformed and produced is there exactly once, in order, while brokers move and the member dies in a transaction', async () => {
  await using front = await startFront(cluster())
  const [from, to] = ['to-transform', 'transformed']
  for (const topic of [from, to]) await cluster().createTopic(topic)
  const config = () => ({ clientId: 'transforming', brokers: () => front.endpoints(), ...quiet })
  await using input = await startProducing(cluster(), follow(config(), { logger: false }), {
    ...{ topic: from, perSecond: 400 },
    producer: { idempotent: true },
  })
  await using transforming = await startTransforming(cluster(), config, { from, to })
  await transforming.passed(400)
  for (let move = 0; move < MOVES; move++) {
    const [set, close] = [setAfter(front), endings[move % 3] as 'fin']
    // at once and node by node, each in every way in which the old addresses may end
    for (const nodes of move % 2 === 0 ? [cluster().nodeIds] : cluster().nodeIds.map((nodeId) => [nodeId])) {
      await front.move(set, { close, nodes })
      await pause(50)
    }
    if (move === Math.floor(MOVES / 2)) await transforming.crash()
    await transforming.passed(400)
  }
  expect(await input.finish()).toMatchObject({ missing: 0, twice: 0, failures: {} })
  const { read, produced, failures } = await transforming.finish()
  expect(read.flat().length).toBeGreaterThan(MOVES * 400)
  expect(produced).toEqual(read)
  expect(failures).toEqual([])
})

test('transactions end as they were told to where the answer to any of their requests is lost', async () => {
  const asked: number[] = []
  let lost = -1
  let lose = () => {}
  await using front = await startFront(cluster(), {
    tap: ({ kind, apiKey }) => {
      if (kind === 'request') asked.push(apiKey)
      if (kind !== 'answer' || apiKey !== lost) return
      lost = -1
      lose()
    },
  })
  const topic = 'answers-lost'
  await cluster().createTopic(topic)
  const config = follow({ clientId: topic, brokers: () => front.endpoints(), ...quiet }, { logger: false })
  const kafka = new kafkajs.Kafka(config)
  const producer = kafka.producer({ idempotent: true, transactionalId: topic, maxInFlightRequests: 1 })
  await producer.connect()
  const committed: string[] = []
  for (const [round, ends] of (['commit', 'abort', 'commit'] as const).entries()) {
    for (const [name, apiKey] of Object.entries(requests)) {
      // KafkaJS asks for its id once
      if (apiKey === requests.InitProducerId && round > 0) continue
      const [left, set] = [setNow(front), setAfter(front)]
      await front.open(set)
      // the answer has come to the front, and goes no further: its connection is reset, as all are, and the brokers are elsewhere
      lose = () => {
        front.advertise(set)
        void front.close(left, 'rst')
      }
      lost = apiKey
      asked.length = 0
      const transaction = await producer.transaction()
      const values = Array.from({ length: 12 }, (_, index) => `${round} ${name} ${index}`)
      await transaction.send({ topic, messages: values.map((value) => ({ value })) })
      const topics = [{ topic, partitions: [{ partition: 0, offset: String(round) }] }]
      await transaction.sendOffsets({ consumerGroupId: topic, topics })
      await transaction[ends]()
      if (ends === 'commit') committed.push(...values)
      expect(asked.filter((each) => each === apiKey).length, `${name} sent in round ${round}`).toBeGreaterThan(1)
    }
  }
  // at once after the one before, of which the coordinator still writes the markers: KafkaJS does not repeat these requests
  for (let offset = 3; offset < 13; offset++) {
    const transaction = await producer.transaction()
    const topics = [{ topic, partitions: [{ partition: 0, offset: String(offset) }] }]
    await transaction.sendOffsets({ consumerGroupId: topic, topics })
    await (offset % 2 === 0 ? transaction.commit() : transaction.abort())
  }
  await producer.disconnect()
  const [{ partitions = [] } = {}] = await offsetsOf(kafka, topic)
  expect(partitions.find(({ partition }) => partition === 0)?.offset).toBe('12')
  await config.followed.close()
  const values = await committedValues(cluster(), topic)
  expect(values.flat().toSorted()).toEqual(committed.toSorted())
})

async function offsetsOf(kafka: Kafka, groupId: string) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await admin.fetchOffsets({ groupId, topics: [groupId] })
  } finally {
    await admin.disconnect()
  }
}

/** The offset of the first message that a member of the group is given. */
async function firstOf(kafka: Kafka, groupId: string, topic: string): Promise<string> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  try {
    return await new Promise((resolve) => {
      void consumer.run({ autoCommit: false, eachMessage: async ({ message }) => resolve(message.offset) })
    })
  } finally {
    await consumer.disconnect()
  }
}
