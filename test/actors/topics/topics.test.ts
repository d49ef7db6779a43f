// Topics: which partitions came while the group was subscribed.
import { expect, test } from 'vitest'
import { readCommitMetadata, writeCommitMetadata } from '../../../actors/protocol/commit-metadata.ts'
import { Topics } from '../../../actors/topics/topics.ts'

const there = (partitions: number, id?: string) => ({ topic: 'orders', id, errorCode: 0, partitions })
const gone = { topic: 'orders', errorCode: 3, partitions: 0 }
const kinds = (topics: Topics, ...views: Parameters<Topics['see']>[0]) => topics.see(views).map(({ kind }) => kind)

test('partitions beyond those of the first sight came later, and stay so', () => {
  const topics = new Topics()
  expect(kinds(topics, there(2))).toEqual(['observed'])
  expect(kinds(topics, there(2))).toEqual([])
  expect(kinds(topics, there(4))).toEqual(['grown'])
  expect([0, 1, 2, 3].map((partition) => topics.isNew('orders', partition))).toEqual([false, false, true, true])
  // A broker that lags behind takes nothing back.
  expect(kinds(topics, there(2))).toEqual([])
  expect(topics.partitionsOf('orders')).toBe(4)
})

test('a topic that was not there when the group subscribed is new as a whole', () => {
  const topics = new Topics()
  expect(kinds(topics, gone)).toEqual([])
  expect(topics.wasThere('orders')).toBe(false)
  expect(kinds(topics, there(2))).toEqual(['found'])
  expect(topics.isNew('orders', 0)).toBe(true)
})

test('a topic under another id is another topic, whether or not anybody saw it missing', () => {
  const topics = new Topics()
  topics.see([there(3, 'a')])
  expect(kinds(topics, gone)).toEqual(['missing'])
  expect(kinds(topics, there(3, 'a'))).toEqual(['found'])
  expect(topics.isNew('orders', 0)).toBe(false)
  expect(kinds(topics, there(2, 'b'))).toEqual(['recreated'])
  expect(topics.isNew('orders', 0)).toBe(true)
})

test('errors that say nothing about the topic change nothing', () => {
  const topics = new Topics()
  topics.see([there(2, 'a')])
  expect(kinds(topics, { ...gone, errorCode: 5 }, { ...gone, errorCode: 29 }, there(0, 'a'))).toEqual([])
})

test('what a commit or a journal says of the time before only makes more partitions new', () => {
  const topics = new Topics()
  topics.see([there(6, 'a')])
  topics.recall('orders', 8, 'a')
  expect(topics.isNew('orders', 5)).toBe(false)
  topics.recall('orders', 4, 'b')
  expect(topics.isNew('orders', 5)).toBe(false)
  topics.recall('orders', 4, 'a')
  expect([3, 4].map((partition) => topics.isNew('orders', partition))).toEqual([false, true])
})

test('a topic that was not among those of the cluster when an expression was matched first is new', () => {
  const topics = new Topics()
  topics.list(['orders-1'])
  topics.list(['orders-1', 'orders-2'])
  topics.see(['orders-1', 'orders-2'].map((topic) => ({ topic, errorCode: 0, partitions: 1 })))
  expect(['orders-1', 'orders-2'].map((topic) => topics.isNew(topic, 0))).toEqual([false, true])
})

test('metadata written into a commit is read again, and nothing else is taken for one', () => {
  const metadata = { topicId: 'ab'.repeat(16), partitions: 6, leaderEpoch: 12 }
  expect(readCommitMetadata(writeCommitMetadata(metadata))).toEqual(metadata)
  expect(readCommitMetadata(writeCommitMetadata({ topicId: undefined, partitions: 0, leaderEpoch: -1 }))).toEqual({
    ...{ topicId: undefined, partitions: 0, leaderEpoch: -1 },
  })
  for (const other of [null, '', 'by us', 'relisten/2 - 1 1', 'relisten/1 - 1', `relisten/1 xyz 1 1`])
    expect(readCommitMetadata(other)).toBeUndefined()
})
