// What an execution asks of brokers on loopback: of which of them, how often, and what becomes of their errors.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KafkaControls } from '../../../actors/balancer/controls.ts'
import { createDial } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { int16, int32, int64, list, text } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { FakeCluster, snapshotOf } from '../fake-cluster.ts'

const electLeaders = 43
const incrementalAlterConfigs = 44
const describeLogDirs = 35
const byte = (value: number) => Buffer.from([value])

let cluster: FakeCluster
let brokers: readonly FakeBroker[]
let controls: KafkaControls

beforeEach(async () => {
  cluster = new FakeCluster()
  brokers = await Promise.all([1, 2].map((nodeId) => FakeBroker.listen({ nodeId })))
  for (const [index, { endpoint }] of brokers.entries()) cluster.book.put(index + 1, endpoint)
  const dial = createDial({ security: async () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' })
  controls = new KafkaControls({ cluster, dial, clientId: 'balancer' })
})
afterEach(async () => {
  controls.close()
  for (const broker of brokers) await broker.close()
})

/** How often each broker was asked this. */
const asked = (apiKey: number) =>
  brokers.map(({ requests }) => requests.filter((request) => request.apiKey === apiKey).length)
const on = (apiKey: number, body: () => Buffer | undefined) => {
  for (const { answering } of brokers) answering.set(apiKey, body)
}

const places = [0, 1].map((partition) => ({ topic: 'orders', partition }))
const reassigned = (error: number, ...partitions: readonly (readonly [number, number])[]) => {
  const each = partitions.map(([id, code]) => Buffer.concat([int32(id), int16(code), byte(0), byte(0)]))
  const topic = Buffer.concat([byte(7), Buffer.from('orders'), byte(each.length + 1), ...each, byte(0)])
  return Buffer.concat([byte(0), int32(0), int16(error), byte(0), byte(2), topic, byte(0)])
}
const elected = (error: number, ...partitions: readonly (readonly [number, number])[]) => {
  const each = partitions.map(([id, code]) => Buffer.concat([int32(id), int16(code), text(null)]))
  return Buffer.concat([int32(0), int16(error), list([Buffer.concat([text('orders'), list(each)])])])
}

test('reassignments go to the controller where it is known, and otherwise to a broker that is there', async () => {
  on(apiKeys.alterPartitionReassignments, () => reassigned(0, [0, 0], [1, 0]))
  const changes = places.map((place) => ({ ...place, replicas: [1, 2] }))
  cluster.newestSnapshot = { ...snapshotOf(0), controllerId: 2 }
  await controls.reassign(changes)
  expect(asked(apiKeys.alterPartitionReassignments)).toEqual([0, 1])
  cluster.newestSnapshot = { ...snapshotOf(0), controllerId: 7 }
  await controls.reassign(changes)
  expect(asked(apiKeys.alterPartitionReassignments)).toEqual([1, 1])
  cluster.book.drop(1)
  await controls.reassign(changes)
  expect(asked(apiKeys.alterPartitionReassignments)).toEqual([1, 2])
})

test('an error of a whole request stands for each partition that has none of its own', async () => {
  on(apiKeys.alterPartitionReassignments, () => reassigned(31, [0, 85], [1, 0]))
  const changes = places.map((place) => ({ ...place, replicas: null }))
  const errors = { 'orders/0': 85, 'orders/1': 31 }
  expect(Object.fromEntries(await controls.reassign(changes))).toEqual(errors)
  on(electLeaders, () => elected(0, [0, 84], [1, 0]))
  expect(Object.fromEntries(await controls.elect(places))).toEqual({ 'orders/0': 84, 'orders/1': 0 })
})

const described = (type: number, name: string, error = 0) => {
  const entry = Buffer.concat([text('one'), text('7'), byte(0), byte(type === 4 ? 2 : 1), byte(0), list([])])
  return Buffer.concat([int16(error), text(null), byte(type), text(name), list(error === 0 ? [entry] : [])])
}

test('settings of a broker are asked of itself, those of all topics of one broker at once', async () => {
  const [first, second] = brokers
  first?.answering.set(apiKeys.describeConfigs, (request) =>
    Buffer.concat([
      int32(0),
      list(request.includes('orders') ? [described(2, 'orders'), described(2, 'gone', 3)] : [described(4, '1')]),
    ]),
  )
  second?.answering.set(apiKeys.describeConfigs, () => Buffer.concat([int32(0), list([described(4, '2')])]))
  const topics = ['orders', 'gone'].map((name) => ({ type: 'topic', name }) as const)
  const ids = ['1', '2'].map((name) => ({ type: 'broker', name }) as const)
  const found = await controls.configs([...topics, ...ids], ['one'])
  expect(found.map(({ type, name, source }) => `${type} ${name} ${source}`)).toEqual([
    ...['topic orders topic', 'broker 1 broker', 'broker 2 broker'],
  ])
  expect(asked(apiKeys.describeConfigs)).toEqual([2, 1])
})

test('settings that may not be read are refused with the error of Kafka', async () => {
  on(apiKeys.describeConfigs, () => Buffer.concat([int32(0), list([described(2, 'orders', 29)])]))
  await expect(controls.configs([{ type: 'topic', name: 'orders' }], ['one'])).rejects.toMatchObject({
    failure: { code: '29', message: "asking for a configuration gave Kafka's error 29" },
  })
})

const altered = (error: number, message: string | null) =>
  Buffer.concat([int32(0), list([Buffer.concat([int16(error), text(message), byte(2), text('orders')])])])
const orders = { type: 'topic', name: 'orders' } as const

test('a setting of a broker is changed by itself; that of all of them, and of a topic, by any', async () => {
  on(incrementalAlterConfigs, () => altered(0, null))
  await controls.configure({ type: 'broker', name: '2' }, 'one', '7')
  expect(asked(incrementalAlterConfigs)).toEqual([0, 1])
  await controls.configure({ type: 'broker', name: '' }, 'one', '7')
  await controls.configure(orders, 'one', '7')
  expect(asked(incrementalAlterConfigs)).toEqual([2, 1])
})

test('a value that is refused rejects with what Kafka says; of a topic that is gone there is nothing to delete', async () => {
  on(incrementalAlterConfigs, () => altered(40, 'no number'))
  await expect(controls.configure(orders, 'one', 'x')).rejects.toThrow(
    "asking for a new value of one (no number) gave Kafka's error 40",
  )
  on(incrementalAlterConfigs, () => altered(3, null))
  await expect(controls.configure(orders, 'one', 'x')).rejects.toThrow("Kafka's error 3")
  await controls.configure(orders, 'one', null)
})

test('a change whose connection breaks goes out once, and is not known', async () => {
  on(incrementalAlterConfigs, () => {
    for (const broker of brokers) broker.reset()
    return undefined
  })
  await expect(controls.configure(orders, 'one', '7')).rejects.toThrow()
  expect(asked(incrementalAlterConfigs)).toEqual([1, 0])
})

test('sizes are those that a broker knows; where it says none, its error is why', async () => {
  const replica = Buffer.concat([int32(0), int64(10n), int64(0n), byte(0)])
  const directory = (error: number, topics: readonly Buffer[]) =>
    Buffer.concat([int32(0), list([Buffer.concat([int16(error), text('/data'), list(topics)])])])
  on(describeLogDirs, () => directory(0, [Buffer.concat([text('orders'), list([replica])])]))
  expect(await controls.sizes(2)).toEqual(new Map([['orders/0', 10]]))
  on(describeLogDirs, () => directory(31, []))
  await expect(controls.sizes(2)).rejects.toThrow("the sizes of its replicas gave Kafka's error 31")
})

test('what waits when it is closed is rejected at once', async () => {
  on(electLeaders, () => undefined)
  const rejected = expect(controls.elect(places)).rejects.toThrow('the execution has ended')
  await Promise.race(brokers.map((broker) => broker.asked(electLeaders)))
  controls.close()
  await rejected
})

test('where no broker is known nothing is asked for', async () => {
  for (const id of [1, 2]) cluster.book.drop(id)
  await expect(controls.elect(places)).rejects.toThrow('no broker is known')
})
