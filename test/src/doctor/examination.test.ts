// What real brokers of today can't have, or what needs none.
import { afterEach, expect, test } from 'vitest'
import { FakeBroker } from '../../actors/fake-broker.ts'
import { kafkaVersions } from '../../kafka-versions.ts'
import { examined, found, whatOf } from './examined.ts'

const DESCRIBE_CONFIGS = 32

const brokers: FakeBroker[] = []
async function listen(nodeId = 1, host = '127.0.0.1'): Promise<FakeBroker> {
  const broker = await FakeBroker.listen({ nodeId, host })
  broker.answering.set(DESCRIBE_CONFIGS, () => Buffer.alloc(0))
  brokers.push(broker)
  return broker
}
afterEach(async () => {
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})
const place = ({ port }: FakeBroker, host = '127.0.0.1') => `${host}:${port}`

test('a source of brokers that fails is found', async () => {
  const seen = await examined({
    brokers: () => {
      throw new Error('the registry is away')
    },
  })
  expect(found(seen)).toEqual(['source-failed', 'no-broker-answers'])
  expect(whatOf(seen, 'source-failed')).toContain('the registry is away')
})

test('settings that fail are found, and nobody is connected to', async () => {
  const broker = await listen()
  const seen = await examined({
    brokers: [place(broker)],
    kafka: () => {
      throw new Error('the vault is away')
    },
  })
  expect(found(seen)).toEqual(['settings-failed'])
  expect([whatOf(seen, 'settings-failed'), broker.connections]).toEqual([
    'The option `kafka` gave no settings: the vault is away',
    0,
  ])
})

test('a broker that is too old is found, with what it lacks', async () => {
  const broker = await listen()
  broker.versions = kafkaVersions['2.3']
  const seen = await examined({ brokers: [place(broker)] })
  expect(found(seen)).toEqual(['version-too-old', 'no-broker-answers'])
  expect(whatOf(seen, 'version-too-old')).toMatch(
    /^127\.0\.0\.1:\d+: It does not speak what is needed: LeaveGroup v3 came with Kafka 2\.4/,
  )
})

test('brokers that know of other nodes than the first one are found', async () => {
  const [one, other] = [await listen(), await listen(2, '127.0.0.2')]
  const both = [...one.view.brokers, ...other.view.brokers]
  one.view.brokers = both
  const seen = await examined({ brokers: [place(one)] })
  expect(found(seen)).toEqual(['views-differ'])
  expect(whatOf(seen, 'views-differ')).toBe(
    `${place(one)} knows of nodes 1, 2; ${place(other, '127.0.0.2')} knows of nodes 2`,
  )
  expect(seen.findings[0]?.severity).toBe('warning')
})
