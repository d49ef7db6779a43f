// The questions of the Kafka sampler, put to brokers on loopback.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KafkaLogSource } from '../../../actors/balancer/log-source.ts'
import { createDial } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { int16, int32, int64, list, text } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { FakeCluster } from '../fake-cluster.ts'

const listGroups = 16
const describeLogDirs = 35

let broker: FakeBroker
let source: KafkaLogSource

beforeEach(async () => {
  const cluster = new FakeCluster()
  broker = await FakeBroker.listen({ nodeId: 1 })
  cluster.book.put(1, broker.endpoint)
  cluster.book.put(2, broker.endpoint)
  cluster.book.drop(2)
  const dial = createDial({ security: async () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' })
  source = new KafkaLogSource({ cluster, dial, clientId: 'balancer' })
})
afterEach(async () => {
  source.close()
  await broker.close()
})

const topic = (name: string, partition: Buffer) => list([Buffer.concat([text(name), list([partition])])])

test('brokers that are gone are asked nothing', () => {
  expect(source.nodes()).toEqual([1])
})

test('the ends of logs are those that their leader tells without an error', async () => {
  const found = (partition: number, error: number) =>
    Buffer.concat([int32(partition), int16(error), int64(-1n), int64(42n)])
  const partitions = list([found(0, 0), found(1, 6)])
  broker.answering.set(apiKeys.listOffsets, () =>
    Buffer.concat([int32(0), list([Buffer.concat([text('orders'), partitions])])]),
  )
  const places = [0, 1].map((partition) => ({ topic: 'orders', partition }))
  expect(await source.offsets(1, places, 'end')).toEqual(new Map([['orders/0', 42n]]))
})

test('a user who may not see the disks hears why there are no sizes', async () => {
  broker.answering.set(describeLogDirs, () => Buffer.concat([int32(0), list([])]))
  expect(await source.sizes(1)).toEqual(new Map())
  const directory = Buffer.concat([int16(31), text('/data'), list([])])
  broker.answering.set(describeLogDirs, () => Buffer.concat([int32(0), list([directory])]))
  await expect(source.sizes(1)).rejects.toThrow("asking for the sizes of its replicas gave Kafka's error 31")
})

test('groups of consumers count, and no others', async () => {
  const groups = [
    ['readers', 'consumer'],
    ['simple', ''],
    ['workers', 'connect'],
  ].map(([id = '', protocol = '']) => Buffer.concat([text(id), text(protocol)]))
  broker.answering.set(listGroups, () => Buffer.concat([int32(0), int16(0), list(groups)]))
  expect(await source.groups(1)).toEqual(['readers', 'simple'])
})

test('a partition without a commit is not among those of a group', async () => {
  const committed = (partition: number, offset: bigint) =>
    Buffer.concat([int32(partition), int64(offset), text(''), int16(0)])
  const partitions = list([committed(0, 7n), committed(1, -1n)])
  broker.answering.set(apiKeys.offsetFetch, () =>
    Buffer.concat([int32(0), list([Buffer.concat([text('orders'), partitions])]), int16(0)]),
  )
  expect(await source.committed(1, 'readers')).toEqual(new Map([['orders/0', 7n]]))
})

test('a batch that does not fit among others is fetched alone', async () => {
  const batch = Buffer.alloc(100)
  batch.writeInt32BE(88, 8)
  batch.writeInt8(2, 16)
  batch.writeInt32BE(4, 23)
  batch.writeInt32BE(5, 57)
  let fetches = 0
  broker.answering.set(apiKeys.fetch, () => {
    const records = ++fetches === 1 ? Buffer.alloc(0) : batch
    const head = [int32(0), int16(0), int64(0n), int64(0n), int64(0n), int32(-1), int32(records.length)]
    return Buffer.concat([int32(0), int16(0), int32(0), topic('orders', Buffer.concat([...head, records]))])
  })
  const places = [{ topic: 'orders', partition: 0, leader: 1, from: 3n }]
  expect(await source.batches(1, places)).toEqual(new Map([['orders/0', { bytes: 100, offsets: 5 }]]))
  expect(fetches).toBe(2)
})

test('topics that are compacted, or that nobody tells of, are not among the uncompacted', async () => {
  const resource = (error: number, name: string, policy: string) => {
    const entry = Buffer.concat([text('cleanup.policy'), text(policy), Buffer.from([0, 5, 0]), list([])])
    return Buffer.concat([int16(error), text(null), Buffer.from([2]), text(name), list(error === 0 ? [entry] : [])])
  }
  const resources = [resource(0, 'plain', 'delete'), resource(0, 'both', 'compact,delete'), resource(29, 'secret', '')]
  broker.answering.set(apiKeys.describeConfigs, () => Buffer.concat([int32(0), list(resources)]))
  expect(await source.uncompacted(['plain', 'both', 'secret'])).toEqual(new Set(['plain']))
})

test('a question that waits when the source is closed is rejected', async () => {
  const waiting = source.groups(1)
  await broker.asked(listGroups)
  const closedAt = performance.now()
  source.close()
  await expect(waiting).rejects.toThrow('the sampler has ended')
  expect(performance.now() - closedAt).toBeLessThan(1000)
})
