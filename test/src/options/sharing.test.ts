// Sharing: consumers whose options say the same share a poller and marks, whichever literals said it.
import { createSecureContext } from 'node:tls'
import { expect, test } from 'vitest'
import { createConsumer } from '../../../src/lifecycle-consumer.ts'
import type { ConsumerOptions } from '../../../src/options/consumer-options.ts'
import { clusterKey, marksKey } from '../../../src/options/sharing.ts'
import { FakeBroker } from '../../actors/fake-broker.ts'

type Given = Partial<ConsumerOptions>

const { checkServerIdentity, allowEndpoint, lookup, settings, source, oauthBearerProvider } = {
  ...{ checkServerIdentity: () => undefined, allowEndpoint: () => true, lookup: () => {}, settings: () => ({}) },
  ...{ source: () => ['b1:9092'], oauthBearerProvider: async () => ({ value: 'token' }) },
}
const context = createSecureContext()
const password = 'canary-9c2e'
const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'

/** Each makes options of its own, as two consumers that are written out would. */
const said: Readonly<Record<string, () => Given>> = {
  'nothing but brokers': () => ({ brokers: ['b1:9092', 'b2:9092'] }),
  'a password': () => ({ kafka: { ssl: true, sasl: { mechanism: 'plain', username: 'orders', password } } }),
  'a certificate as text': () => ({ kafka: { ssl: { ca: [`${pem}`], key: `${pem}` } } }),
  'a certificate as bytes': () => ({ kafka: { ssl: { ca: Buffer.from(pem), checkServerIdentity } } }),
  'a token provider': () => ({ kafka: { ssl: true, sasl: { mechanism: 'oauthbearer', oauthBearerProvider } } }),
  'an object of a class': () => ({ kafka: { ssl: { secureContext: context } } }),
  'functions of one place': () => ({ brokers: source, kafka: settings, allowEndpoint, lookup: lookup as never }),
  'choices of all kinds': () => ({
    clusterId: 'ours',
    kafka: { ssl: true },
    expectedIdentity: 'kafka',
    pollIntervalMs: 200,
  }),
}

const whole = (given: Given): ConsumerOptions =>
  ({
    brokers: ['b1:9092'],
    groupId: 'orders',
    topics: ['orders'],
    eachMessage: async () => {},
    ...given,
  }) as ConsumerOptions

test.each(Object.entries(said))('%s, said twice, is one cluster and one set of marks', (_what, options) => {
  const [one, other] = [whole(options()), whole(options())]
  expect(clusterKey(one)).toBe(clusterKey(other))
  expect(marksKey(one)).toBe(marksKey(other))
  expect(clusterKey(one)).toMatch(/^[0-9a-f]{64}$/)
})

test('what says something else is another cluster', () => {
  const different: Given[] = [
    ...Object.values(said).map((options) => options()),
    { brokers: ['b3:9092'] },
    { kafka: { ssl: true } },
    { kafka: { ssl: true, sasl: { mechanism: 'plain', username: 'orders', password: 'another' } } },
    { kafka: { ssl: { ca: [pem, pem] } } },
    { kafka: { ssl: { ca: Buffer.from(`${pem}\n`), checkServerIdentity } } },
    { kafka: { ssl: { ca: Buffer.from(pem), checkServerIdentity: () => undefined } } },
    { kafka: { ssl: { secureContext: createSecureContext() } } },
    { kafka: () => ({}) },
    { allowEndpoint: () => true },
    { dialTimeoutMs: 100 },
  ]
  expect(new Set(different.map((given) => clusterKey(whole(given)))).size).toBe(different.length)
})

test('the order of brokers and of names, and what is left undefined, says nothing', () => {
  const sasl = { mechanism: 'plain', username: 'orders', password } as const
  const turned = { password, username: 'orders', mechanism: 'plain', authorizationIdentity: undefined } as const
  expect(clusterKey(whole({ brokers: ['b2:9092', 'b1:9092', 'b2:9092'], kafka: { ssl: false, sasl } }))).toBe(
    clusterKey(whole({ brokers: ['b1:9092', 'b2:9092'], kafka: { sasl: turned } })),
  )
})

test('marks belong to a group where the brokers are, however often these are asked and whoever logs in', () => {
  const one = whole({ pollIntervalMs: 200, dialTimeoutMs: 300, kafka: () => ({}), allowEndpoint: () => true })
  const other = whole({ kafka: { ssl: true } })
  expect(marksKey(one)).toBe(marksKey(other))
  expect(clusterKey(one)).not.toBe(clusterKey(other))
  for (const given of [
    { groupId: 'others' },
    { clusterId: 'theirs' },
    { brokers: ['b2:9092'] },
    { autoCommit: false },
    { lookup: lookup as never },
  ])
    expect(marksKey(whole(given))).not.toBe(marksKey(one))
})

test('options that lead back to themselves or can not be read count by identity', () => {
  const circle = { name: 'circle', within: {} }
  circle.within = circle
  const unreadable = Object.defineProperty({}, 'ca', {
    enumerable: true,
    get: () => {
      throw new Error('no')
    },
  })
  for (const ssl of [circle, unreadable])
    expect(clusterKey(whole({ kafka: { ssl: ssl as never } }))).toBe(
      clusterKey(whole({ kafka: { ssl: ssl as never } })),
    )
})

test('two consumers with literals of their own, one with defaults written out, ask the brokers over one connection', async () => {
  const broker = await FakeBroker.listen()
  const consumerWith = (given: Given) =>
    createConsumer(whole({ brokers: [`127.0.0.1:${broker.port}`], kafka: { clientId: 'orders' }, ...given }))
  const consumers = [consumerWith({}), consumerWith({ pollIntervalMs: 1000 })]
  const reached = consumers.map(
    (consumer) => new Promise<void>((resolve) => void consumer.on('cluster.reached', () => resolve())),
  )
  const started = consumers.map((consumer) => consumer.start().catch(() => {}))
  await Promise.all(reached)
  expect(broker.connections).toBe(1)
  await Promise.all(consumers.map((consumer) => consumer.stop()))
  await Promise.all(started)
  await broker.close()
})
