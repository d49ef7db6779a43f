// Fetches of a client while leaders change and nodes go.
import { expect, test } from 'vitest'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { type FetchedBytes, fetchBody } from '../bytes.ts'
import { snapshotOf } from '../fake-cluster.ts'
import { brokers, cluster, leaders, nodes, read, request, routesWith, setTopics } from './clients-stage.ts'

interface ReadPartition {
  readonly partition: number
  readonly errorCode: number
  readonly preferredReadReplica: number
  readonly messages: readonly unknown[]
}

const led = (leader: number, ...more: number[]) => [
  { topic: 'orders', partitions: [leader, ...more].map((each, partition) => ({ partition, leader: each })) },
]
const fetchOf = (partitions: number[], maxWaitTime = 100) =>
  request('Fetch', 11, {
    ...{ replicaId: -1, isolationLevel: 1, sessionId: 0, sessionEpoch: -1, forgottenTopics: [], rackId: '' },
    ...{ maxWaitTime, minBytes: 1, maxBytes: 1000 },
    topics: [
      {
        topic: 'orders',
        partitions: partitions.map((partition) => ({ partition, fetchOffset: '5', maxBytes: 1000 })),
      },
    ],
  })
const answering = (index: 0 | 1, ...partitions: FetchedBytes[]) =>
  brokers[index].answering.set(apiKeys.fetch, () => fetchBody(11, { orders: partitions }))
const partitionsIn = async (answer: Buffer | undefined): Promise<ReadPartition[]> => {
  const { responses } = (await read('Fetch', 11, answer)) as { responses: { partitions: ReadPartition[] }[] }
  return responses.flatMap(({ partitions }) => partitions)
}
const seen = async (answer: Buffer | undefined) =>
  (await partitionsIn(answer)).map(({ partition, errorCode, preferredReadReplica }) => {
    return `${partition}: error ${errorCode}, next ${preferredReadReplica}`
  })

test('an answer without errors passes as it is', async () => {
  answering(0, { partition: 0, highWatermark: 9n })
  const answer = await routesWith().answer(1, await fetchOf([0]))
  expect(await partitionsIn(answer)).toMatchObject([{ errorCode: 0, highWatermark: '9', preferredReadReplica: -1 }])
})

test('a node that no longer leads is no error: the client asks the new leader next, and joins no group again', async () => {
  answering(0, { partition: 0, error: 6 }, { partition: 1 })
  setTopics(led(2, 1))
  const routes = routesWith()
  // the first answer makes it look, the next one knows
  expect(await seen(await routes.answer(1, await fetchOf([0, 1])))).toEqual([
    '0: error 0, next -1',
    '1: error 0, next -1',
  ])
  expect(await seen(await routes.answer(1, await fetchOf([0, 1])))).toEqual([
    '0: error 0, next 2',
    '1: error 0, next -1',
  ])
})

test('where a node is gone the client is sent to the new leaders, and hears of all that it asked for', async () => {
  cluster.book.drop(1)
  cluster.newestSnapshot = snapshotOf(Number.MAX_SAFE_INTEGER)
  brokers[0].reset()
  const gone = { host: '127.0.0.1', port: 1 }
  cluster.book.put(1, gone)
  cluster.book.drop(1)
  setTopics(led(2, -1))
  const answer = await routesWith().answer(1, await fetchOf([0, 1]))
  expect(await seen(answer)).toEqual(['0: error 0, next 2', '1: error 0, next -1'])
})

test('a leader that the client does not know is an error: only that makes it look at the cluster', async () => {
  answering(0, { partition: 0, error: 6 })
  const routes = routesWith()
  nodes.announce(3, { host: 'kafka-3', port: 9092, rack: null })
  setTopics(led(3))
  expect(await seen(await routes.answer(1, await fetchOf([0])))).toEqual(['0: error 6, next -1'])
})

test('an offset is out of range only where the leader says so', async () => {
  answering(0, { partition: 0, error: 1 })
  setTopics(led(2))
  const routes = routesWith()
  expect(await seen(await routes.answer(1, await fetchOf([0])))).toEqual(['0: error 0, next -1'])
  setTopics(led(1))
  await leaders.lookUp(['orders'])
  expect(await seen(await routes.answer(1, await fetchOf([0])))).toEqual(['0: error 1, next -1'])
})

test('a leader that has just changed is looked up before an offset counts as out of range', async () => {
  setTopics(led(1))
  await leaders.lookUp(['orders'])
  answering(0, { partition: 0, error: 1 })
  setTopics(led(2))
  expect(await seen(await routesWith().answer(1, await fetchOf([0])))).toEqual(['0: error 0, next -1'])
})

test('rounds that fail take longer and longer', async () => {
  answering(0, { partition: 0, error: 6 })
  setTopics(led(-1))
  const routes = routesWith()
  const took: number[] = []
  for (let round = 0; round < 5; round++) {
    const from = performance.now()
    await routes.answer(1, await fetchOf([0]))
    took.push(performance.now() - from)
  }
  expect(took.at(-1)).toBeGreaterThan(100)
  expect(brokers[0].requests.filter(({ apiKey }) => apiKey === apiKeys.fetch)).toHaveLength(5)
})

test('an error that does not pass reaches the client', async () => {
  answering(0, { partition: 0, error: 29 })
  expect(await seen(await routesWith().answer(1, await fetchOf([0])))).toEqual(['0: error 29, next -1'])
})
