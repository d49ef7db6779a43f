// The edges of logs, asked of the leader of a partition over a real link.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDial } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { Link } from '../../../actors/wire/link.ts'
import { LogOffsets } from '../../../actors/wire/log-offsets.ts'
import { int16, int32, int64, list, text } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { FakeCluster } from '../fake-cluster.ts'

let broker: FakeBroker
let link: Link
/** How often leaders were looked up again. */
let lookUps: number

beforeEach(async () => {
  lookUps = 0
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
const edges = ({
  leaderOf = (_: { partition: number }): number | undefined => 1,
  readUncommitted = false,
} = {}): LogOffsets =>
  new LogOffsets({
    clientId: 'me',
    readUncommitted,
    leaderOf,
    linkTo: () => link,
    refreshLeaders: () => void lookUps++,
  })

const epochEnd = (error: number, epoch: number, end: bigint): Buffer =>
  Buffer.concat([
    int32(0),
    list([Buffer.concat([text('orders'), list([Buffer.concat([int16(error), int32(4), int32(epoch), int64(end)])])])]),
  ])
const offset = (error: number, end: bigint, epoch = -1): Buffer => {
  const partition = Buffer.concat([int32(4), int16(error), int64(-1n), int64(end), int32(epoch)])
  return Buffer.concat([int32(0), list([Buffer.concat([text('orders'), list([partition])])])])
}

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

test('the ends of many logs are asked with one request per leader, and an error of one is none of the others', async () => {
  const partitions = [0, 1].map((partition) =>
    Buffer.concat([int32(partition), int16(partition === 1 ? 6 : 0), int64(-1n), int64(17n), int32(3)]),
  )
  const answer = Buffer.concat([int32(0), list([Buffer.concat([text('orders'), list(partitions)])])])
  broker.answering.set(apiKeys.listOffsets, () => answer)
  const leaderOf = ({ partition }: { partition: number }) => (partition === 2 ? undefined : 1)
  const places = [0, 1, 2].map((partition) => ({ topic: 'orders', partition }))
  expect(await Promise.allSettled(edges({ leaderOf }).edges(places, 'end'))).toMatchObject([
    { value: { offset: 17n, leaderEpoch: 3 } },
    { reason: { message: expect.stringContaining("the end of orders/1 gave Kafka's error 6") } },
    { reason: { message: 'orders/2 has no leader' } },
  ])
  const asked = [0, 1].map((partition) => Buffer.concat([int32(partition), int32(-1), int64(-1n)]))
  const body = Buffer.concat([int32(-1), Buffer.from([1]), list([Buffer.concat([text('orders'), list(asked)])])])
  expect((await broker.asked(apiKeys.listOffsets)).subarray(-body.length)).toEqual(body)
})

test('the ends of many epochs are asked with one request per leader, and an error of one is none of the others', async () => {
  const ends = [0, 1].map((partition) =>
    Buffer.concat([int16(partition === 1 ? 74 : 0), int32(partition), int32(3), int64(17n)]),
  )
  const answer = Buffer.concat([int32(0), list([Buffer.concat([text('orders'), list(ends)])])])
  broker.answering.set(apiKeys.offsetForLeaderEpoch, () => answer)
  const leaderOf = ({ partition }: { partition: number }) => (partition === 2 ? undefined : 1)
  const places = [0, 1, 2, 3].map((partition) => ({ topic: 'orders', partition, leaderEpoch: 5, ledIn: 6 }))
  const found = await Promise.allSettled(edges({ leaderOf }).epochEnds(places))
  expect(found).toMatchObject([
    { value: 17n },
    { reason: { message: expect.stringContaining("Kafka's error 74") } },
    { reason: { message: 'orders/2 has no leader' } },
    { status: 'rejected' },
  ])
  const asked = [0, 1, 3].map((partition) => Buffer.concat([int32(partition), int32(6), int32(5)]))
  const body = Buffer.concat([int32(-1), list([Buffer.concat([text('orders'), list(asked)])])])
  const request = await broker.asked(apiKeys.offsetForLeaderEpoch)
  expect(request.subarray(-body.length)).toEqual(body)
})

test('an epoch the leader knows nothing of has no end', async () => {
  broker.answering.set(apiKeys.offsetForLeaderEpoch, () => epochEnd(0, -1, -1n))
  expect(await edges().epochEnd(where, 5)).toBeUndefined()
})

test('an error of the leader is none of its answers', async () => {
  broker.answering.set(apiKeys.offsetForLeaderEpoch, () => epochEnd(6, -1, -1n))
  broker.answering.set(apiKeys.listOffsets, () => offset(6, -1n))
  await expect(edges().epochEnd(where, 5)).rejects.toThrow("Kafka's error 6")
  await expect(edges().edge(where, 'end')).rejects.toThrow("Kafka's error 6")
})

test('a leader that does not say has leaders looked up again, and not for each that asks', async () => {
  broker.answering.set(apiKeys.listOffsets, () => offset(6, -1n))
  const log = edges()
  await Promise.all(Array.from({ length: 100 }, () => log.edge(where, 'end').catch(() => {})))
  const atOnce = lookUps
  expect(atOnce).toBeGreaterThan(0)
  expect(atOnce).toBeLessThan(20)
  await vi.waitFor(async () => {
    await log.edge(where, 'end').catch(() => {})
    expect(lookUps).toBeGreaterThan(atOnce)
  })
})

test('a partition without a leader has leaders looked up again, and one that is answered has not', async () => {
  await expect(edges({ leaderOf: () => undefined }).edge(where, 'end')).rejects.toThrow('has no leader')
  expect(lookUps).toBe(1)
  broker.answering.set(apiKeys.listOffsets, () => offset(0, 9n))
  await edges().edge(where, 'end')
  expect(lookUps).toBe(1)
})

test.each([
  ['start', -2n, false, 1],
  ['end', -1n, true, 0],
] as const)(
  'the %s of a log is asked of the leader, with its leader epoch',
  async (edge, time, readUncommitted, isolation) => {
    broker.answering.set(apiKeys.listOffsets, () => offset(0, 9n, 6))
    expect(await edges({ readUncommitted }).edge(where, edge)).toEqual({ offset: 9n, leaderEpoch: 6 })
    const request = await broker.asked(apiKeys.listOffsets)
    const partition = Buffer.concat([int32(4), int32(-1), int64(time)])
    const topics = list([Buffer.concat([text('orders'), list([partition])])])
    const body = Buffer.concat([int32(-1), Buffer.from([isolation]), topics])
    expect(request.subarray(-body.length)).toEqual(body)
    expect(request.readInt16BE(6)).toBe(4)
  },
)

test('a partition without a leader is nobody to ask', async () => {
  await expect(edges({ leaderOf: () => undefined }).edge(where, 'end')).rejects.toThrow('orders/4 has no leader')
})
