// The routes: where each request of KafkaJS's goes, and what it gets when the node it asks is not there.
import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { PrefetchBudget } from '../../../actors/delivery/prefetch-budget.ts'
import { readFetch } from '../../../actors/protocol/fetch-answers.ts'
import { answerHeaderBytes, apiKeys, requestBodyOffset } from '../../../actors/protocol/frames.ts'
import { maxBytesOf } from '../../../actors/protocol/requests.ts'
import type { Routes } from '../../../actors/wire/routes.ts'
import { answerFrame, fetchBody, int32, list, metadataBody, namedBody, requestFrame, text } from '../bytes.ts'
import { snapshotOf } from '../fake-cluster.ts'
import {
  broker,
  cluster,
  emptyFetch,
  fetched,
  fetchRequest,
  moments,
  refreshes,
  renewBroker,
  routesWith,
} from './routes-stage.ts'

test('versions and the coordinator are answered by nobody', async () => {
  const routes = routesWith()
  await routes.answer(1, requestFrame(apiKeys.apiVersions, 2, 1))
  const coordinator = await routes.answer(1, requestFrame(apiKeys.findCoordinator, 2, 2))
  expect(coordinator.includes('node-2147483647')).toBe(true)
  expect(broker.connections).toBe(0)
})

test.each(['joinGroup', 'syncGroup', 'leaveGroup', 'offsetFetch', 'offsetCommit'] as const)(
  '%s goes to the group, whichever wire it came over',
  async (name) => {
    const request = requestFrame(apiKeys[name], 3, 1)
    expect(await routesWith().answer(2147483647, request)).toEqual(answerFrame(0, int32(0), request))
    expect(broker.connections).toBe(0)
  },
)

test('metadata comes from any broker, under constant names, with the nodes of the book', async () => {
  cluster.answering = async () => answerFrame(0, metadataBody('ours', [{ nodeId: 2, host: '10.0.0.2', port: 9092 }]))
  const answer = await routesWith().answer(1, requestFrame(apiKeys.metadata, 6, 1, int32(0)))
  for (const name of ['node-1', 'node-2', 'node-2147483647']) expect(answer.includes(text(name)), name).toBe(true)
  expect(answer.includes('10.0.0.2')).toBe(false)
  expect(refreshes).toBe(0)
})

test.each(['fetch', 'listOffsets', 'metadata', 'joinGroup'] as const)(
  'the throttle time of %s is not shown to KafkaJS, which would hold look-ups of leaders for it',
  async (name) => {
    const throttled = int32(700)
    const body = name === 'fetch' ? fetchBody(10, {}) : metadataBody('ours', broker.view.brokers)
    throttled.copy(body)
    broker.answering.set(apiKeys[name], () => body)
    cluster.answering = async () => answerFrame(0, body)
    const routes = routesWith({ group: async () => answerFrame(0, body) })
    const request = name === 'fetch' ? fetchRequest() : requestFrame(apiKeys[name], 6, 1, int32(0))
    expect((await routes.answer(1, request)).readInt32BE(answerHeaderBytes)).toBe(0)
  },
)

test('metadata that shows a partition without a leader is asked for again soon', async () => {
  const topics = [{ topic: 'orders', partitions: [{ partition: 0, leader: -1, error: 5 }] }]
  cluster.answering = async () => answerFrame(0, metadataBody('ours', broker.view.brokers, topics))
  const refreshed = once(moments, 'refresh')
  await routesWith().answer(1, requestFrame(apiKeys.metadata, 6, 1, int32(0)))
  await refreshed
  expect(refreshes).toBe(1)
})

test('metadata that nobody answers is tried until `holdMs` is over', async () => {
  let tries = 0
  cluster.answering = async () => {
    tries++
    if (tries === 1) throw new ConnectionError({ kind: 'unreachable', message: 'not yet' })
    return answerFrame(0, metadataBody('ours', broker.view.brokers))
  }
  const request = requestFrame(apiKeys.metadata, 6, 1, int32(0))
  expect((await routesWith().answer(1, request)).includes(text('node-1'))).toBe(true)
  cluster.answering = () => Promise.reject(new ConnectionError({ kind: 'unreachable', message: 'never' }))
  await expect(routesWith({ holdMs: 0 }).answer(1, request)).rejects.toThrow('never')
})

test('a fetch goes to its node and is told, and other requests do not wait behind its long poll', async () => {
  broker.answering.set(apiKeys.listOffsets, () => namedBody('at once'))
  let release: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  broker.answering.set(apiKeys.fetch, async () => {
    await held
    return fetchBody(10, { orders: [{ partition: 0, highWatermark: 7n }] })
  })
  const routes = routesWith()
  const poll = routes.answer(1, fetchRequest())
  await broker.asked(apiKeys.fetch)
  expect((await routes.answer(1, requestFrame(apiKeys.listOffsets, 3, 2))).includes('at once')).toBe(true)
  const connectionOf = (key: number) => broker.requests.find(({ apiKey }) => apiKey === key)?.connection
  expect(connectionOf(apiKeys.listOffsets)).not.toBe(connectionOf(apiKeys.fetch))
  release()
  await poll
  expect(fetched).toMatchObject([[1, { stale: false, partitions: [{ topic: 'orders', highWatermark: 7n }] }]])
  expect(routes.links.fetchLink(1)?.current).toBe(true)
  expect(routes.links.fetchLink(2)).toBeUndefined()
})

test('a fetch lets its broker wait as long as was set', async () => {
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, {}))
  await routesWith({ maxWaitMs: 300 }).answer(1, fetchRequest())
  const { frame } = broker.requests.find(({ apiKey }) => apiKey === apiKeys.fetch) ?? {}
  expect(frame?.readInt32BE(requestBodyOffset(frame) + 4)).toBe(300)
})

test('a broker that answers "nothing" at once is not asked without a pause', async () => {
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, { orders: [{ partition: 0 }] }))
  const routes = routesWith()
  await routes.answer(1, fetchRequest())
  const startedAt = performance.now()
  for (let round = 0; round < 3; round++) await routes.answer(1, fetchRequest())
  expect(performance.now() - startedAt).toBeGreaterThan(25)
})

test('a node that had nothing to fetch has its next turn when leaders are known anew, a node that had something at once', async () => {
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, {}))
  const routes = routesWith({ maxWaitMs: 60_000 })
  await Promise.all([routes.awaitFetchTurn(1), routes.awaitFetchTurn(2)])
  await routes.answer(1, fetchRequest())
  await routes.awaitFetchTurn(1)
  let turns = 0
  const turn = routes.awaitFetchTurn(2).then(() => turns++)
  await routes.answer(1, fetchRequest())
  expect(turns).toBe(0)
  routes.wakeup()
  await turn
})

test('a node that has nothing to fetch is looked at after `maxWaitMs`, and at once when KafkaJS has something else to do', async () => {
  const routes = routesWith({ maxWaitMs: 20 })
  await routes.awaitFetchTurn(1)
  await routes.awaitFetchTurn(1)
  const patient = routesWith({ maxWaitMs: 60_000 })
  await patient.awaitFetchTurn(1)
  const turn = patient.awaitFetchTurn(1)
  patient.interruptPolls()
  await turn
  patient.close()
  await patient.awaitFetchTurn(1)
})

test('a fetch of the wrong leader is "nothing new" once leaders were looked up again', async () => {
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, { orders: [{ partition: 0, error: 6 }] }))
  const answer = await routesWith().answer(1, fetchRequest())
  expect(refreshes).toBe(1)
  expect(answer.subarray(8)).toEqual(fetchBody(10, { orders: [{ partition: 0 }] }))
})

test('a fetch from a node that has left is "nothing new", and leaders are looked up again', async () => {
  const routes = routesWith()
  await broker.close()
  cluster.book.drop(1)
  cluster.newestSnapshot = snapshotOf(Date.now() + 60_000)
  expect(await routes.answer(1, fetchRequest())).toEqual(emptyFetch)
  expect(refreshes).toBe(1)
  expect(fetched).toEqual([])
  await renewBroker()
})

test.each([
  ['for as long as it was told to', () => {}, 5000],
  ['not at all once there may be more to fetch', (routes: Routes) => routes.wakeup(), 0],
])('a fetch that waits for its node is held by it %s', async (_what, meanwhile, waitMs) => {
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, {}))
  const routes = routesWith({ maxWaitMs: 5000 })
  cluster.book.put(1, { host: '127.0.0.1', port: 1 })
  const poll = routes.answer(1, fetchRequest())
  await once(cluster.moments, 'update')
  meanwhile(routes)
  cluster.book.put(1, broker.endpoint)
  const frame = await broker.asked(apiKeys.fetch)
  expect(frame.readInt32BE(requestBodyOffset(frame) + 4)).toBe(waitMs)
  await poll
})

test('a fetch that nobody waits for any more does not go to where its node is now: a slow one would work on it first', async () => {
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, {}))
  const routes = routesWith({ maxWaitMs: 5000 })
  cluster.book.put(1, { host: '127.0.0.1', port: 1 })
  const unwanted = routes.answer(1, fetchRequest())
  await once(cluster.moments, 'update')
  routes.interruptPolls()
  expect(await unwanted).toEqual(emptyFetch)
  const poll = routes.answer(1, fetchRequest())
  cluster.book.put(1, broker.endpoint)
  await poll
  expect(broker.requests.filter(({ apiKey }) => apiKey === apiKeys.fetch)).toHaveLength(1)
})

test('long polls end early with "nothing new" when KafkaJS has something else to do', async () => {
  broker.answering.set(apiKeys.fetch, () => undefined)
  const routes = routesWith()
  const polls = [routes.answer(1, fetchRequest()), routes.answer(1, fetchRequest())]
  await broker.asked(apiKeys.fetch, 1)
  routes.interruptPolls()
  expect(await Promise.all(polls)).toEqual([emptyFetch, emptyFetch])
})

test('closed routes let nothing through and leave no socket', async () => {
  broker.answering.set(apiKeys.fetch, () => undefined)
  const routes = routesWith()
  const poll = routes.answer(1, fetchRequest())
  await broker.asked(apiKeys.fetch)
  routes.close()
  expect(await poll).toEqual(emptyFetch)
  expect(refreshes).toBe(0)
  await broker.left()
  expect(await routes.answer(1, fetchRequest())).toEqual(emptyFetch)
  await expect(routes.answer(2, requestFrame(apiKeys.listOffsets, 3, 1))).rejects.toBeInstanceOf(ConnectionError)
  expect(broker.connections).toBe(1)
})

test('closed routes leave no wait behind, however long a fetch may wait', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, { orders: [{ partition: 0, error: 6 }] }))
  const looking = once(moments, 'refresh')
  const routes = routesWith({
    maxWaitMs: 30_000,
    refreshMetadata: () => {
      moments.emit('refresh')
      return new Promise(() => {})
    },
  })
  const answered = routes.answer(1, fetchRequest())
  await looking
  routes.close()
  await answered
  expect(vi.getTimerCount()).toBe(0)
})

test('what a fetch brings that was asked for under another assignment is not given to KafkaJS', async () => {
  let era = 1
  broker.answering.set(apiKeys.fetch, () => {
    era++
    return fetchBody(10, { orders: [{ partition: 0, records: Buffer.from('a late answer') }] })
  })
  const answer = await routesWith({ era: () => era }).answer(1, fetchRequest())
  expect(answer).toEqual(emptyFetch)
  expect(fetched).toEqual([])
})

test('nor what became of another one while the end of its leader epoch was looked up', async () => {
  let era = 1
  broker.answering.set(apiKeys.fetch, () =>
    fetchBody(10, { orders: [{ partition: 0, records: Buffer.from('a late answer') }] }),
  )
  const diverged = async () => {
    era++
    return []
  }
  expect(await routesWith({ era: () => era, diverged }).answer(1, fetchRequest())).toEqual(emptyFetch)
})

test('after a node was out of reach, what it brings is given to KafkaJS once the topics are known to be the same', async () => {
  let era = 1
  let looks = 0
  // The second time the topic is another one, the third time nobody can say at first.
  const identify = async () => {
    looks++
    if (looks === 2) era++
    if (looks === 3) throw new ConnectionError({ kind: 'unreachable', message: 'nobody answers' })
  }
  const records = fetchBody(10, { orders: [{ partition: 0, records: Buffer.from('of some topic') }] })
  broker.answering.set(apiKeys.fetch, () => records)
  const routes = routesWith({ era: () => era, identify })
  const bytes = async () => readFetch(await routes.answer(1, fetchRequest()), 10, 1, () => 1).recordBytes
  const lose = async () => {
    broker.reset()
    await broker.left()
  }
  const brought: number[] = [await bytes()]
  for (let breaks = 0; breaks < 3; breaks++) {
    await lose()
    brought.push(await bytes(), await bytes())
  }
  expect(brought).toEqual([13, 13, 13, 0, 13, 0, 13])
  expect(looks).toBe(4)
})

test('a partition that nothing was asked of for a while counts once the topics were looked at', async () => {
  let looks = 0
  const routes = routesWith({ identify: async () => void looks++ })
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, { orders: [{ partition: 0, highWatermark: 9n }] }))
  const fetch = () => routes.answer(1, fetchRequest(0))
  await fetch()
  await fetch()
  expect(looks).toBe(0)
  const later = performance.now() + 300
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => later)
  await fetch().finally(() => clock.mockRestore())
  expect(looks).toBe(1)
})

test('a partition whose log was cut is out of range for KafkaJS, and only that one', async () => {
  const partitions = [0, 1].map((partition) => ({ partition, highWatermark: 9n }))
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, { orders: partitions }))
  const routes = routesWith({ diverged: async (found) => found.filter(({ partition }) => partition === 1) })
  const answer = await routes.answer(1, fetchRequest())
  expect(readFetch(answer, 10, 1, () => 1).partitions.map(({ errorCode }) => errorCode)).toEqual([0, 1])
})

test('whether a log was cut is judged last: what is judged does not wait for leaders to be looked up', async () => {
  const partitions = [
    { partition: 0, records: Buffer.alloc(5) },
    { partition: 1, error: 6 },
  ]
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, { orders: partitions }))
  const order: string[] = []
  const diverged = async () => {
    order.push('judged')
    return []
  }
  const refreshMetadata = async () => void order.push('looked up')
  await routesWith({ diverged, refreshMetadata }).answer(1, fetchRequest())
  expect(order).toEqual(['looked up', 'judged'])
})

test('where nobody can say whether a log was cut, nothing of the answer is used and leaders are looked up', async () => {
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, { orders: [{ partition: 0, records: Buffer.alloc(5) }] }))
  const unknown = new ConnectionError({ kind: 'unreachable', message: 'its leader is away' })
  const answer = await routesWith({ diverged: () => Promise.reject(unknown) }).answer(1, fetchRequest())
  expect(answer).toEqual(emptyFetch)
  expect(refreshes).toBe(1)
})

test('a fetch asks for no more than there is room for, and waits where there is none', async () => {
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, {}))
  const prefetchBudget = new PrefetchBudget(600)
  const routes = routesWith({ prefetchBudget, maxWaitMs: 30 })
  await routes.answer(1, fetchRequest())
  const sent = await broker.asked(apiKeys.fetch)
  expect(maxBytesOf(sent)).toBe(600)
  prefetchBudget.add(600)
  expect(await routes.answer(1, fetchRequest())).toEqual(emptyFetch)
  expect(broker.requests.filter(({ apiKey }) => apiKey === apiKeys.fetch)).toHaveLength(1)
})

test('topics are asked for with their ids where brokers tell them', async () => {
  cluster.spoken.add('3/11')
  const asked: Buffer[] = []
  cluster.answering = async (frame) => {
    asked.push(frame)
    throw new ConnectionError({ kind: 'unreachable', message: 'no answer' })
  }
  const request = requestFrame(apiKeys.metadata, 6, 1, list([text('orders')]), Buffer.from([0]))
  await expect(routesWith({ holdMs: 0 }).answer(1, request)).rejects.toThrow('no answer')
  expect(asked.map((frame) => frame.readInt16BE(6))).toEqual([11])
})

test('fetches of twenty nodes that wait for room give no warning', async () => {
  const warnings: Error[] = []
  const warned = (warning: Error) => void warnings.push(warning)
  process.on('warning', warned)
  try {
    const prefetchBudget = new PrefetchBudget(100)
    prefetchBudget.add(100)
    const routes = routesWith({ prefetchBudget })
    await Promise.all(Array.from({ length: 20 }, (_, index) => routes.answer(index + 1, fetchRequest())))
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
  } finally {
    process.off('warning', warned)
  }
})

test('room that a fetch is given after its interrupt goes back', async () => {
  const prefetchBudget = new PrefetchBudget(100)
  prefetchBudget.add(100)
  const routes = routesWith({ prefetchBudget })
  const fetching = routes.answer(1, fetchRequest())
  await new Promise((resolve) => setImmediate(resolve))
  routes.interruptPolls()
  await fetching
  prefetchBudget.add(-100)
  await new Promise((resolve) => setImmediate(resolve))
  expect(await prefetchBudget.reserve(100, 1, 1000, new AbortController().signal)).toBe(100)
})
