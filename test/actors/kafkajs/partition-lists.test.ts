// What KafkaJS searches in each round of a node: how much of it, and what a round is shown.
import { expect, test } from 'vitest'
import { InOrder, PartitionLists, type PartitionMetadata, putInOrder } from '../../../actors/kafkajs/partition-lists.ts'

const partitions = (count: number, nodes: number): PartitionMetadata[] =>
  Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader: (partitionId % nodes) + 1 }))

const clusterOf = (list: PartitionMetadata[]) => ({ findTopicPartitionMetadata: (_topic: string) => list })

/** What KafkaJS's consumer does when a round of this node goes on. */
async function round(lists: PartitionLists, cluster: ReturnType<typeof clusterOf>, nodeId: number) {
  await lists.begin(nodeId, Promise.resolve())
  const list = cluster.findTopicPartitionMetadata('orders')
  let looks = 0
  const ids = Array.from({ length: 2000 }, (_, id) => id).sort()
  const found = ids.filter((id) =>
    list.find(({ partitionId }) => {
      looks++
      return partitionId === id
    }),
  )
  return { found, listed: list.map(({ partitionId }) => partitionId), looks }
}

test('rounds of several nodes that go on at the same moment each find and list what their node leads', async () => {
  const cluster = clusterOf(partitions(2000, 3))
  const lists = new PartitionLists(cluster, true)
  const rounds = await Promise.all([1, 2, 3].map((nodeId) => round(lists, cluster, nodeId)))
  for (const [index, { found, listed }] of rounds.entries()) {
    expect(found).toHaveLength(index === 2 ? 666 : 667)
    expect(found.every((id) => id % 3 === index)).toBe(true)
    expect(listed).toEqual(found)
  }
  expect(cluster.findTopicPartitionMetadata('orders').map(({ partitionId }) => partitionId)).toEqual(
    Array.from({ length: 2000 }, (_, id) => id),
  )
})

test('a round looks at each partition about once, however many there are', async () => {
  const cluster = clusterOf(partitions(2000, 3))
  const { looks } = await round(new PartitionLists(cluster, true), cluster, 1)
  expect(looks).toBeLessThan(2 * 2000)
})

test('where replicas are read, a round finds all partitions', async () => {
  const cluster = clusterOf(partitions(2000, 3))
  const { found } = await round(new PartitionLists(cluster, false), cluster, 1)
  expect(found).toHaveLength(2000)
})

test('a round whose turn fails fails, and the next one goes on', async () => {
  const cluster = clusterOf(partitions(6, 3))
  const lists = new PartitionLists(cluster, true)
  await expect(lists.begin(1, Promise.reject(new Error('closed')))).rejects.toThrow('closed')
  await lists.begin(2, Promise.resolve())
  expect(cluster.findTopicPartitionMetadata('orders').map(({ partitionId }) => partitionId)).toEqual([1, 4])
})

test('leaders are known by partition, and new metadata is a new list', () => {
  const cluster = clusterOf(partitions(6, 3))
  const lists = new PartitionLists(cluster, true)
  expect([0, 1, 6].map((partition) => lists.leaderOf('orders', partition))).toEqual([1, 2, undefined])
  const other = clusterOf(partitions(6, 2))
  expect(new PartitionLists(other, true).leaderOf('orders', 2)).toBe(1)
})

test('what a broker was asked for is searched in order too, and the request is otherwise as it was', () => {
  const request = { topics: [{ topic: 'orders', partitions: [{ partition: 0 }, { partition: 1 }] }] }
  putInOrder(request)
  expect(request).toEqual({ topics: [{ topic: 'orders', partitions: [{ partition: 0 }, { partition: 1 }] }] })
  const list = request.topics[0]?.partitions ?? []
  expect(list).toBeInstanceOf(InOrder)
  expect(list.indexOf(list[1] ?? { partition: -1 })).toBe(1)
  expect(list.find(({ partition }) => partition === 0)).toEqual({ partition: 0 })
  expect(list.find(({ partition }) => partition === 2)).toBeUndefined()
})
