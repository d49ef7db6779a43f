// Transactions of KafkaJS on `follow`: offsets that are about to be committed, and what is read, transformed and produced exactly once.
import kafkajs, { type Kafka } from 'kafkajs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })
const OFFSET_FETCH = 9
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
