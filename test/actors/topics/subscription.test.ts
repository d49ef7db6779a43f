// A subscription: which topics names and expressions mean, now and later.
import { expect, test } from 'vitest'
import { Subscription } from '../../../actors/topics/subscription.ts'
import { Topics } from '../../../actors/topics/topics.ts'
import { answerFrame, metadataBody } from '../bytes.ts'
import { FakeCluster } from '../fake-cluster.ts'

let questions = 0

function subscribedTo(subscribed: readonly (string | RegExp)[], existing: string[]) {
  questions = 0
  const cluster = new FakeCluster()
  cluster.answering = async () => {
    questions++
    const topics = existing.map((topic) => ({ topic, partitions: [{ partition: 0, leader: 1 }] }))
    return answerFrame(1, metadataBody('ours', [], [...topics, { topic: 'orders-broken', error: 5, partitions: [] }]))
  }
  const topics = new Topics()
  const { signal } = new AbortController()
  return { topics, subscription: new Subscription({ subscribed, cluster, clientId: 'me', topics, signal }) }
}

test('names are taken as they are, and nobody is asked', async () => {
  const { subscription } = subscribedTo(['orders', 'bills', 'orders'], [])
  expect(await subscription.resolve()).toEqual(['bills', 'orders'])
  expect(await subscription.changed()).toBeUndefined()
  expect(questions).toBe(0)
})

test('expressions are matched against all topics that can be read, flags that keep a place aside', async () => {
  const { subscription } = subscribedTo([/^orders-/g, /BILLS/i], ['orders-1', 'orders-2', 'orders-3', 'bills', 'other'])
  expect(await subscription.resolve()).toEqual(['bills', 'orders-1', 'orders-2', 'orders-3'])
})

test('a topic that comes to match is told until it is subscribed to, and is known as one that came later', async () => {
  const existing = ['orders-1', 'other']
  const { subscription, topics } = subscribedTo([/^orders-/], existing)
  await subscription.resolve()
  expect(await subscription.changed()).toBeUndefined()
  existing.push('orders-2')
  expect(await subscription.changed()).toEqual(['orders-1', 'orders-2'])
  expect(await subscription.changed()).toEqual(['orders-1', 'orders-2'])
  await subscription.resolve()
  expect(await subscription.changed()).toBeUndefined()
  expect([topics.isNew('orders-1', 0), topics.isNew('orders-2', 0)]).toEqual([false, true])
})

test('a topic that is gone changes no subscription: it may come back', async () => {
  const existing = ['orders-1', 'orders-2']
  const { subscription } = subscribedTo([/^orders-/], existing)
  await subscription.resolve()
  existing.pop()
  expect(await subscription.changed()).toBeUndefined()
})
