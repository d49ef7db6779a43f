// What brokers refuse for good or slow down, under a stock producer of KafkaJS and under one on `follow` in the same run: with which error, and when.
import kafkajs, { type Message, type Producer, type SASLOptions } from 'kafkajs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { Reader, request, text } from '../cluster/broker-request.ts'
import { readValues } from './harness/producing.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { within } from './harness/until.ts'

const ALTER_CLIENT_QUOTAS = 49
const REQUEST_TIMEOUT_MS = 5000
/** A refusal comes as soon as under a stock producer, and a little later at most. */
const LATER_MS = 250

const cluster = sharedCluster({
  security: 'scram',
  properties: {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // who comes in over the other listener has no name
    'super.users': 'User:ANONYMOUS;User:service',
  },
})

test("a message that is too large is refused with KafkaJS's own error, as soon as by a stock producer", async () => {
  await cluster().createTopic('too-large', { configuration: { 'max.message.bytes': '1000' } })
  await using sides = await startSides('too-large')
  await sides.send([{ value: '0' }])
  const { stock, followed } = await sides.refusals([{ value: 'x'.repeat(5000) }])
  expect(stock.type).toBe('MESSAGE_TOO_LARGE')
  expect(followed).toMatchObject({ name: stock.name, type: stock.type })
  expect(followed.tookMs).toBeLessThan(stock.tookMs + LATER_MS)
  await sides.send([{ value: '1' }])
})

test("a topic that may not be written is refused with KafkaJS's own error, as soon as by a stock producer", async () => {
  const [TOPIC, LITERAL, DESCRIBE, ALLOW] = [2, 3, 8, 3]
  await cluster().createTopic('no-rights')
  const acl = { resourceType: TOPIC, resourceName: 'no-rights', resourcePatternType: LITERAL }
  const admin = cluster().kafka().admin()
  await admin.connect()
  await admin.createAcls({
    acl: [{ ...acl, principal: 'User:guest', host: '*', operation: DESCRIBE, permissionType: ALLOW }],
  })
  await admin.disconnect()
  await using sides = await startSides('no-rights', { sasl: cluster().guest as SASLOptions })
  const { stock, followed } = await sides.refusals([{ value: '0' }])
  expect(stock.type).toBe('TOPIC_AUTHORIZATION_FAILED')
  expect(followed).toMatchObject({ name: stock.name, type: stock.type })
  expect(followed.tookMs).toBeLessThan(stock.tookMs + LATER_MS)
})

test('under a quota that is used up everything is acknowledged, later', async () => {
  const bytesPerSecond = 4000
  await cluster().createTopic('quota')
  await using sides = await startSides('quota')
  for (const { clientId } of sides.all) await limit(clientId, bytesPerSecond)
  await cluster().waitReady()
  // a broker counts ten seconds together, so that much is free
  const messages = (from: number) =>
    Array.from({ length: 6 }, (_, index) => ({ value: String(from + index), headers: { filler: 'x'.repeat(5000) } }))
  const sends = 6
  const tookMs = await sides.each(async ({ producer }) => {
    const since = performance.now()
    for (let send = 0; send < sends; send++) await producer.send({ topic: 'quota', messages: messages(send * 6) })
    return Math.round(performance.now() - since)
  })
  console.info('under a quota, ms:', tookMs)
  for (const took of Object.values(tookMs)) expect(took).toBeGreaterThan(1000)
  const log = await readValues(cluster(), 'quota')
  const copies = (value: number) => log.filter((each) => each.value === value).length
  // one of each side
  expect(Array.from({ length: sends * 6 }, (_, value) => copies(value))).toEqual(Array(sends * 6).fill(2))
})

test('where the topic is deleted under it, a followed producer rejects by its deadline', async () => {
  await cluster().createTopic('deleted')
  await using sides = await startSides('deleted', { retries: 3 })
  await sides.send([{ value: '0' }])
  await cluster().deleteTopic('deleted')
  const { followed } = await sides.refusals([{ value: '1' }])
  expect(followed.tookMs).toBeLessThan(REQUEST_TIMEOUT_MS)
})

// the last one: it leaves a broker stopped
test('where too few replicas are in sync, a followed producer rejects by its deadline', async () => {
  await cluster().createTopic('too-few', { configuration: { 'min.insync.replicas': '3' } })
  await using sides = await startSides('too-few', { retries: 3 })
  await sides.send([{ value: '0' }])
  await cluster().stopBroker(3)
  const { stock, followed } = await sides.refusals([{ value: '1' }])
  expect(stock.type).toBe('NOT_ENOUGH_REPLICAS')
  expect(followed.tookMs).toBeLessThan(REQUEST_TIMEOUT_MS)
})

interface Side {
  readonly clientId: string
  readonly producer: Producer
}

interface Refusal {
  readonly name: string
  readonly type: string | undefined
  readonly tookMs: number
}

interface SidesOptions {
  readonly sasl?: SASLOptions
  readonly retries?: number
}

/** A stock and a followed producer of the topic, both connected. */
async function startSides(topic: string, { sasl = cluster().sasl as SASLOptions, retries = 5 }: SidesOptions = {}) {
  const config = (clientId: string) => ({
    ...{ clientId, brokers: cluster().endpoints(), sasl: { ...sasl }, retry: { retries } },
    ...{ requestTimeout: REQUEST_TIMEOUT_MS, logLevel: kafkajs.logLevel.NOTHING },
  })
  const start = async (clientId: string, own: ConstructorParameters<typeof kafkajs.Kafka>[0]): Promise<Side> => {
    const producer = new kafkajs.Kafka(own).producer({ allowAutoTopicCreation: false })
    await producer.connect()
    return { clientId, producer }
  }
  const followedConfig = follow(config(`${topic}-followed`), { logger: false })
  const stock = await start(`${topic}-stock`, config(`${topic}-stock`))
  const followed = await start(`${topic}-followed`, followedConfig)

  /** Both do it at the same time. */
  const each = async <Value>(work: (side: Side) => Promise<Value>): Promise<{ stock: Value; followed: Value }> => {
    const [ofStock, ofFollowed] = await within(
      60_000,
      `What is done with ${topic}`,
      Promise.all([work(stock), work(followed)]),
    )
    return { stock: ofStock, followed: ofFollowed }
  }
  return {
    all: [stock, followed],
    each,
    send: (messages: Message[]) => each(({ producer }) => producer.send({ topic, messages })),
    async refusals(messages: Message[]): Promise<{ stock: Refusal; followed: Refusal }> {
      const found = await each(async ({ producer }) => {
        const since = performance.now()
        const { name, type, cause } = await producer.send({ topic, messages }).then(
          () => expect.unreachable('it was acknowledged'),
          (error: Error & { type?: string; cause?: { type?: string } }) => error,
        )
        return { name, type: type ?? cause?.type, tookMs: Math.round(performance.now() - since) }
      })
      console.info(topic, found)
      return found
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([stock, followed].map(({ producer }) => producer.disconnect()))
      await followedConfig.followed.close()
    },
  }
}

/** What producers with this client id may write to each broker. */
async function limit(clientId: string, bytesPerSecond: number): Promise<void> {
  const one = Buffer.from([0, 0, 0, 1])
  const value = Buffer.alloc(8)
  value.writeDoubleBE(bytesPerSecond)
  const entity = [one, text('client-id'), text(clientId)]
  const operation = [one, text('producer_byte_rate'), value, Buffer.from([0])]
  const body = Buffer.concat([one, ...entity, ...operation, Buffer.from([0])])
  const [endpoint = ''] = cluster().internal
  const answer = new Reader(
    await request(endpoint, { apiKey: ALTER_CLIENT_QUOTAS, version: 0, body, deadlineMs: 10_000 }),
  )
  answer.int32() // throttled for
  answer.array(() => {
    const error = answer.int16()
    if (error !== 0) throw new Error(`The quota could not be set (error ${error}): ${answer.text()}`)
  })
}
