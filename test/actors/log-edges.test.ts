// The edges of logs, asked of the leader of a partition over a real link.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDial } from '../../actors/dial.ts'
import { apiKeys } from '../../actors/frames.ts'
import { Link } from '../../actors/link.ts'
import { LogEdges } from '../../actors/log-edges.ts'
import { int16, int32, int64, list, text } from './bytes.ts'
import { FakeBroker } from './fake-broker.ts'
import { FakeCluster } from './fake-cluster.ts'

let broker: FakeBroker
let link: Link

beforeEach(async () => {
  const cluster = new FakeCluster()
  broker = await FakeBroker.listen()
  cluster.book.put(1, broker.endpoint)
  const dial = createDial({ security: () => ({}), dialTimeoutMs: 1000, clusterId: () => 'ours' })
  link = new Link({ nodeId: 1, cluster, dial, holdMs: 5000 })
})
afterEach(async () => {
  link.close()
  await broker.close()
})

const where = { topic: 'orders', partition: 4 }
const edges = (leaderOf: () => number | undefined = () => 1): LogEdges =>
  new LogEdges({ clientId: 'me', readUncommitted: false, leaderOf, linkTo: () => link })

const epochEnd = (error: number, epoch: number, end: bigint): Buffer =>
  Buffer.concat([
    int32(0),
    list([Buffer.concat([text('orders'), list([Buffer.concat([int16(error), int32(4), int32(epoch), int64(end)])])])]),
  ])
const offset = (error: number, end: bigint): Buffer =>
  Buffer.concat([
    int32(0),
    list([Buffer.concat([text('orders'), list([Buffer.concat([int32(4), int16(error), int64(-1n), int64(end)])])])]),
  ])

test('where a leader epoch ends is asked of the leader, as a consumer asks', async () => {
  broker.answering.set(apiKeys.offsetForLeaderEpoch, () => epochEnd(0, 3, 17n))
  expect(await edges().epochEnd(where, 5)).toBe(17n)
  const request = await broker.asked(apiKeys.offsetForLeaderEpoch)
  const body = Buffer.concat([
    int32(-1),
    list([Buffer.concat([text('orders'), list([Buffer.concat([int32(4), int32(-1), int32(5)])])])]),
  ])
  expect(request.subarray(-body.length)).toEqual(body)
  expect(request.readInt16BE(6)).toBe(3)
})

test('an epoch the leader knows nothing of has no end', async () => {
  broker.answering.set(apiKeys.offsetForLeaderEpoch, () => epochEnd(0, -1, -1n))
  expect(await edges().epochEnd(where, 5)).toBeUndefined()
})

test('an error of the leader is none of its answers', async () => {
  broker.answering.set(apiKeys.offsetForLeaderEpoch, () => epochEnd(6, -1, -1n))
  broker.answering.set(apiKeys.listOffsets, () => offset(6, -1n))
  await expect(edges().epochEnd(where, 5)).rejects.toThrow("Kafka's error 6")
  await expect(edges().offsetAt(where, 'end')).rejects.toThrow("Kafka's error 6")
})

test('the start and the end of a log are asked of the leader', async () => {
  broker.answering.set(apiKeys.listOffsets, () => offset(0, 9n))
  expect([await edges().offsetAt(where, 'start'), await edges().offsetAt(where, 'end')]).toEqual([9n, 9n])
  const asked = broker.requests.filter(({ apiKey }) => apiKey === apiKeys.listOffsets)
  expect(asked.map(({ frame }) => frame.readBigInt64BE(frame.length - 8))).toEqual([-2n, -1n])
})

test('a partition without a leader is nobody to ask', async () => {
  await expect(edges(() => undefined).offsetAt(where, 'end')).rejects.toThrow('orders/4 has no leader')
})
