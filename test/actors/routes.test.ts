// The routes: where each request of KafkaJS's goes, and what it gets when the node it asks is not there.
import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { FetchSummary } from '../../actors/answers.ts'
import { readFetch } from '../../actors/answers.ts'
import { Backlog } from '../../actors/backlog.ts'
import { ConnectionError } from '../../actors/connection.ts'
import { createDial } from '../../actors/dial.ts'
import { answerHeaderBytes, apiKeys, requestBodyOffset } from '../../actors/frames.ts'
import { held } from '../../actors/link.ts'
import { MetadataView } from '../../actors/metadata-view.ts'
import { maxBytesOf } from '../../actors/requests.ts'
import { Routes, type RoutesOptions } from '../../actors/routes.ts'
import { Subscription } from '../../actors/subscription.ts'
import { Topics } from '../../actors/topics.ts'
import type { Fact } from '../../machines/fact.ts'
import { answerFrame, fetchBody, int32, list, metadataBody, namedBody, requestFrame, text } from './bytes.ts'
import { FakeBroker } from './fake-broker.ts'
import { FakeCluster, snapshotOf } from './fake-cluster.ts'

let cluster: FakeCluster
let broker: FakeBroker
let fetched: [nodeId: number, summary: FetchSummary][]
let facts: Fact[]
let refreshes: number
const moments = new EventEmitter()
const made: Routes[] = []

beforeEach(async () => {
  cluster = new FakeCluster()
  broker = await FakeBroker.listen()
  cluster.book.put(1, broker.endpoint)
  fetched = []
  facts = []
  refreshes = 0
})
afterEach(async () => {
  vi.useRealTimers()
  for (const routes of made.splice(0)) routes.close()
  await broker.close()
})

const topics = new Topics()
const subscription = new Subscription({
  ...{ subscribed: ['orders'], cluster: new FakeCluster(), clientId: 'orders-service', topics },
  signal: new AbortController().signal,
})
const view = new MetadataView({
  ...{ epoch: 1, topics, subscription, emit: () => {}, isJoining: () => true, onGrown: () => {} },
  onRecreated: () => {},
})

function routesWith(options: Partial<RoutesOptions> = {}): Routes {
  const routes = new Routes({
    cluster,
    dial: createDial({ security: () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' }),
    holdMs: 5000,
    maxWaitMs: 100,
    fetchVersion: 10,
    clientId: 'orders-service',
    leaderOf: () => 1,
    backlog: new Backlog(1_000_000),
    tenure: () => undefined,
    onAsked: () => {},
    diverged: async () => [],
    view: (description, nodes) => view.view(description, nodes),
    emit: (fact) => facts.push(fact),
    group: async (request) => answerFrame(0, int32(0), request),
    refreshMetadata: async () => {
      refreshes++
      moments.emit('refresh')
    },
    onFetched: (...given) => fetched.push(given),
    ...options,
  })
  made.push(routes)
  return routes
}

const fetchRequest = (): Buffer =>
  requestFrame(apiKeys.fetch, 10, 1, ...[-1, 10, 1, 1000].map(int32), Buffer.from([1]), ...[0, -1, 0].map(int32))
const emptyFetch = answerFrame(0, fetchBody(10, {}))

test('versions and the coordinator are answered by nobody', async () => {
  const routes = routesWith()
  await routes.answer(1, requestFrame(apiKeys.apiVersions, 2, 1))
  const coordinator = await routes.answer(1, requestFrame(apiKeys.findCoordinator, 2, 2))
  expect(coordinator.includes('node-2147483647')).toBe(true)
  expect(broker.connections).toBe(0)
})

test.each(['joinGroup', 'syncGroup', 'heartbeat', 'leaveGroup', 'offsetFetch', 'offsetCommit'] as const)(
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
  expect(routes.fetchLink(1)?.current).toBe(true)
  expect(routes.fetchLink(2)).toBeUndefined()
})

test('while a join is held, others go past it on a connection that ends with the join', async () => {
  broker.answering.set(apiKeys.listOffsets, () => namedBody('at once'))
  let release: () => void = () => {}
  broker.answering.set(apiKeys.joinGroup, async () => {
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return namedBody('joined')
  })
  const routes = routesWith()
  const ask = () => routes.control(1).send(requestFrame(apiKeys.listOffsets, 3, 2), 1000)
  await ask()
  const joining = routes.control(1, true).send(requestFrame(apiKeys.joinGroup, 5, 3), held)
  await broker.asked(apiKeys.joinGroup)
  expect((await ask()).includes('at once')).toBe(true)
  await ask()
  const connections = (key: number) =>
    broker.requests.filter(({ apiKey }) => apiKey === key).map(({ connection }) => connection)
  expect(connections(apiKeys.joinGroup)).toEqual([1])
  expect(connections(apiKeys.listOffsets)).toEqual([1, 2, 2])
  expect(broker.open).toBe(2)
  release()
  await joining
  await broker.left(1)
  await ask()
  expect(connections(apiKeys.listOffsets)).toEqual([1, 2, 2, 1])
})

test('links have caught up only when a connection beside a held join has, too', async () => {
  broker.answering.set(apiKeys.listOffsets, () => namedBody('at once'))
  broker.answering.set(apiKeys.joinGroup, () => undefined)
  const routes = routesWith()
  routes
    .control(1, true)
    .send(requestFrame(apiKeys.joinGroup, 5, 3), held)
    .catch(() => {})
  await broker.asked(apiKeys.joinGroup)
  await routes.control(1).send(requestFrame(apiKeys.listOffsets, 3, 2), 1000)
  expect(await routes.caughtUp(() => false, 0)).toBe(true)
  const elsewhere = await FakeBroker.listen()
  elsewhere.view = broker.view
  cluster.book.put(1, elsewhere.endpoint)
  expect(await routes.caughtUp(() => false, 0)).toBe(false)
  await elsewhere.close()
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
  await Promise.all([routes.turn(1), routes.turn(2)])
  await routes.answer(1, fetchRequest())
  await routes.turn(1)
  let turns = 0
  const turn = routes.turn(2).then(() => turns++)
  await routes.answer(1, fetchRequest())
  expect(turns).toBe(0)
  routes.wake()
  await turn
})

test('a node that has nothing to fetch is looked at after `maxWaitMs`, and at once when KafkaJS has something else to do', async () => {
  const routes = routesWith({ maxWaitMs: 20 })
  await routes.turn(1)
  await routes.turn(1)
  const patient = routesWith({ maxWaitMs: 60_000 })
  await patient.turn(1)
  const turn = patient.turn(1)
  patient.hurry()
  await turn
  patient.close()
  await patient.turn(1)
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
  broker = await FakeBroker.listen()
})

test('long polls end early with "nothing new" when KafkaJS has something else to do', async () => {
  broker.answering.set(apiKeys.fetch, () => undefined)
  const routes = routesWith()
  const polls = [routes.answer(1, fetchRequest()), routes.answer(1, fetchRequest())]
  await broker.asked(apiKeys.fetch, 1)
  routes.hurry()
  expect(await Promise.all(polls)).toEqual([emptyFetch, emptyFetch])
})

test('links have caught up when each in use is where the book says, those left out aside', async () => {
  broker.answering.set(apiKeys.listOffsets, () => namedBody('here'))
  const routes = routesWith()
  expect(await routes.caughtUp(() => false, 1000)).toBe(true)
  await routes.answer(1, requestFrame(apiKeys.listOffsets, 3, 1))
  const next = await FakeBroker.listen()
  cluster.book.put(1, next.endpoint)
  expect(await routes.caughtUp(() => false, 2000)).toBe(true)
  expect(facts).toMatchObject([{ type: 'wire.redialled', nodeId: 1, soft: true, tookMs: 0 }])
  cluster.book.put(1, { host: '127.0.0.1', port: 1 })
  expect(await routes.caughtUp(() => false, 60)).toBe(false)
  expect(await routes.caughtUp((nodeId) => nodeId === 1, 60)).toBe(true)
  routes.close()
  await next.close()
})

test('a wait for links that nobody waits for any more ends at once', async () => {
  broker.answering.set(apiKeys.listOffsets, () => namedBody('here'))
  const routes = routesWith()
  await routes.answer(1, requestFrame(apiKeys.listOffsets, 3, 1))
  cluster.book.put(1, { host: '127.0.0.1', port: 1 })
  const left = new AbortController()
  const caughtUp = routes.caughtUp(() => false, 60_000, left.signal)
  left.abort()
  expect(await caughtUp).toBe(false)
})

test('a link that is dialled for the first time when somebody waits for links is told as soon as it is there', async () => {
  let admit: () => void = () => {}
  const admitted = new Promise<void>((resolve) => {
    admit = resolve
  })
  broker.answering.set(apiKeys.listOffsets, () => namedBody('here'))
  broker.answering.set(apiKeys.metadata, async () => {
    await admitted
    return metadataBody('ours', broker.view.brokers)
  })
  const routes = routesWith()
  const asked = routes.answer(1, requestFrame(apiKeys.listOffsets, 3, 1))
  await broker.asked(apiKeys.metadata)
  const startedAt = Date.now()
  const caughtUp = routes.caughtUp(() => false, 3000)
  admit()
  expect(await caughtUp).toBe(true)
  expect(Date.now() - startedAt).toBeLessThan(2000)
  await asked
  expect(facts).toEqual([])
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
  let tenure = 1
  broker.answering.set(apiKeys.fetch, () => {
    tenure++
    return fetchBody(10, { orders: [{ partition: 0, records: Buffer.from('a late answer') }] })
  })
  const answer = await routesWith({ tenure: () => tenure }).answer(1, fetchRequest())
  expect(answer).toEqual(emptyFetch)
  expect(fetched).toEqual([])
})

test('a partition whose log was cut is out of range for KafkaJS, and only that one', async () => {
  const partitions = [0, 1].map((partition) => ({ partition, highWatermark: 9n }))
  broker.answering.set(apiKeys.fetch, () => fetchBody(10, { orders: partitions }))
  const routes = routesWith({ diverged: async (found) => found.filter(({ partition }) => partition === 1) })
  const answer = await routes.answer(1, fetchRequest())
  expect(readFetch(answer, 10, 1, () => 1).partitions.map(({ errorCode }) => errorCode)).toEqual([0, 1])
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
  const backlog = new Backlog(600)
  const routes = routesWith({ backlog, maxWaitMs: 30 })
  await routes.answer(1, fetchRequest())
  const sent = await broker.asked(apiKeys.fetch)
  expect(maxBytesOf(sent)).toBe(600)
  backlog.add(600)
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
    const backlog = new Backlog(100)
    backlog.add(100)
    const routes = routesWith({ backlog })
    await Promise.all(Array.from({ length: 20 }, (_, index) => routes.answer(index + 1, fetchRequest())))
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
  } finally {
    process.off('warning', warned)
  }
})
