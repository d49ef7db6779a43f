// How clients of KafkaJS on `follow` begin and end where nobody answers, or all fall silent.
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type KafkaConfig } from 'kafkajs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'

const { Kafka, logLevel } = kafkajs
const quiet = { logLevel: logLevel.NOTHING }
const cluster = sharedCluster({ bindFixed: true })

/** Nothing listens there. */
const nobody = ['127.0.0.1:1']
const retry = { retries: 2, initialRetryTime: 100 }

/** What a promise was rejected with, and after how long. */
async function rejection(promise: Promise<unknown>): Promise<{ error: Error & { type?: string }; tookMs: number }> {
  const from = performance.now()
  const error = await promise.then(
    () => expect.unreachable('it was resolved'),
    (thrown: Error) => thrown,
  )
  return { error, tookMs: performance.now() - from }
}

test('where no broker answers, connect() is rejected as often and as soon as without it', async () => {
  const config: KafkaConfig = { clientId: 'nobody', brokers: nobody, retry, connectionTimeout: 1000, ...quiet }
  const stock = await rejection(new Kafka(config).admin().connect())
  const followed = follow({ ...config, brokers: nobody }, { logger: false })
  const ours = await rejection(new Kafka(followed).admin().connect())
  expect(ours.error.name).toBe(stock.error.name)
  expect(ours.error.message).toContain('ECONNREFUSED')
  // one look for brokers takes a second: nobody may have answered yet
  expect(ours.tookMs).toBeLessThan(stock.tookMs + 3 * 1500)
  expect(followed.followed.status()).toMatchObject({ state: 'resting', connections: 0 })
  await followed.followed.close()
})

test('where all brokers fall silent for good, close() ends a disconnect() under way within a second', async () => {
  await using front = await startFront(cluster())
  const config = follow({ clientId: 'ends', brokers: () => front.endpoints(), ...quiet }, { logger: false })
  const kafka = new Kafka(config)
  await cluster().createTopic('followed-ends')
  const consumer = kafka.consumer({ groupId: 'followed-ends', maxWaitTimeInMs: 250 })
  const admin = kafka.admin()
  await Promise.all([consumer.connect(), admin.connect()])
  await consumer.subscribe({ topic: 'followed-ends' })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.run({ eachMessage: async () => {} })
  await within(20_000, 'The join', joined)
  await front.close(1, 'silent')
  const asked = admin.listTopics().catch((error: Error) => error)
  const ended = Promise.all([consumer.disconnect(), admin.disconnect()])
  await pause(500)
  const from = performance.now()
  await config.followed.close()
  await within(5000, 'The end of both', ended)
  expect(performance.now() - from).toBeLessThan(1000)
  expect(await asked).toBeInstanceOf(Error)
  await until(() => (config.followed.status().connections > 0 ? 'the end of all connections' : undefined))
})
