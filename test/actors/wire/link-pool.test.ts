// The link pool: which of a node's links a request takes, and when links have caught up with the book.
import { expect, test } from 'vitest'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { held } from '../../../actors/wire/in-flight-requests.ts'
import { metadataBody, namedBody, requestFrame } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { broker, cluster, facts, routesWith } from './routes-stage.ts'

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
  const ask = () => routes.links.controlLink(1).send(requestFrame(apiKeys.listOffsets, 3, 2), 1000)
  await ask()
  const joining = routes.links.controlLink(1, true).send(requestFrame(apiKeys.joinGroup, 5, 3), held)
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
  routes.links
    .controlLink(1, true)
    .send(requestFrame(apiKeys.joinGroup, 5, 3), held)
    .catch(() => {})
  await broker.asked(apiKeys.joinGroup)
  await routes.links.controlLink(1).send(requestFrame(apiKeys.listOffsets, 3, 2), 1000)
  expect(await routes.links.caughtUp(() => false, 0)).toBe(true)
  const elsewhere = await FakeBroker.listen()
  elsewhere.view = broker.view
  cluster.book.put(1, elsewhere.endpoint)
  expect(await routes.links.caughtUp(() => false, 0)).toBe(false)
  await elsewhere.close()
})

test('links have caught up when each in use is where the book says, those left out aside', async () => {
  broker.answering.set(apiKeys.listOffsets, () => namedBody('here'))
  const routes = routesWith()
  expect(await routes.links.caughtUp(() => false, 1000)).toBe(true)
  await routes.answer(1, requestFrame(apiKeys.listOffsets, 3, 1))
  const next = await FakeBroker.listen()
  cluster.book.put(1, next.endpoint)
  expect(await routes.links.caughtUp(() => false, 2000)).toBe(true)
  expect(facts).toMatchObject([{ type: 'link.reconnected', nodeId: 1, soft: true, tookMs: 0 }])
  cluster.book.put(1, { host: '127.0.0.1', port: 1 })
  expect(await routes.links.caughtUp(() => false, 60)).toBe(false)
  expect(await routes.links.caughtUp((nodeId) => nodeId === 1, 60)).toBe(true)
  routes.close()
  await next.close()
})

test('a wait for links that nobody waits for any more ends at once', async () => {
  broker.answering.set(apiKeys.listOffsets, () => namedBody('here'))
  const routes = routesWith()
  await routes.answer(1, requestFrame(apiKeys.listOffsets, 3, 1))
  cluster.book.put(1, { host: '127.0.0.1', port: 1 })
  const left = new AbortController()
  const caughtUp = routes.links.caughtUp(() => false, 60_000, left.signal)
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
  const caughtUp = routes.links.caughtUp(() => false, 3000)
  admit()
  expect(await caughtUp).toBe(true)
  expect(Date.now() - startedAt).toBeLessThan(2000)
  await asked
  expect(facts).toEqual([])
})
