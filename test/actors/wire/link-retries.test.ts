// How a link tries again: the pace at which it dials, the requests that nodes hang up on, and logins that run out.
import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { createDial, type Dial } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { Condition } from '../../../actors/time/condition.ts'
import { held } from '../../../actors/wire/in-flight-requests.ts'
import { Link, type LinkOptions } from '../../../actors/wire/link.ts'
import { int32, namedBody, requestFrame } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { FakeCluster } from '../fake-cluster.ts'

const links: Link[] = []
let broker: FakeBroker
let cluster: FakeCluster
let redials: { soft: boolean; tookMs: number }[]
const moments = new EventEmitter()

beforeEach(async () => {
  cluster = new FakeCluster()
  redials = []
  broker = await FakeBroker.listen()
  broker.answering.set(apiKeys.listOffsets, () => namedBody('one'))
  cluster.book.put(1, broker.endpoint)
})
afterEach(async () => {
  vi.useRealTimers()
  for (const link of links.splice(0)) link.close()
  await broker.close()
})

const dial: Dial = createDial({ security: () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' })

function linkWith(options: Partial<LinkOptions> = {}): Link {
  const onRedial: LinkOptions['onRedial'] = (redial) => {
    redials.push(redial)
    moments.emit('redial')
  }
  const link = new Link({ nodeId: 1, cluster, dial, holdMs: 5000, onRedial, ...options })
  links.push(link)
  return link
}

const ask = async (link: Link): Promise<string> =>
  (await link.send(requestFrame(apiKeys.listOffsets, 3, 0, int32(-1)), 60_000)).toString('utf8', 14)
const failureOf = (asked: Promise<unknown>): Promise<unknown> =>
  asked.then(
    () => expect.unreachable('it was answered'),
    (error: unknown) => (error instanceof ConnectionError ? error.failure.code : error),
  )

test('however many requests come for a node that stays out of reach, it is dialled at the pace of its failures', async () => {
  let dials = 0
  const away: Dial = () => {
    dials += 1
    return Promise.reject(new ConnectionError({ kind: 'dial-failed', message: 'no', code: 'ECONNREFUSED' }))
  }
  const crowd = Array.from({ length: 5 }, () => linkWith({ holdMs: 30, dial: away }))
  await Promise.all(crowd.map((link) => failureOf(ask(link))))
  for (const until = performance.now() + 400; performance.now() < until; )
    await Promise.all(crowd.map((link) => failureOf(ask(link))))
  // Waits of 20, 40, 80 and 160 ms are behind it at the most, and the first dials began together.
  expect(dials).toBeLessThanOrEqual(5 + 6)
})

test('a node that refuses the login, or its identity, is not dialled before its wait is over, whoever asks', async () => {
  for (const kind of ['login-refused', 'identity-refused'] as const) {
    let dials = 0
    const refusing: Dial = () => {
      dials += 1
      return Promise.reject(new ConnectionError({ kind, message: 'no' }))
    }
    cluster.book.put(1, { ...broker.endpoint, host: kind })
    for (let asked = 0; asked < 4; asked += 1)
      expect(await failureOf(ask(linkWith({ holdMs: 20, dial: refusing })))).toBe('ETIMEDOUT')
    expect(dials, kind).toBe(1)
  }
})

test('a request that the node hangs up on is sent five times and then fails by name, and the node is not stormed', async () => {
  const link = linkWith()
  broker.answering.set(apiKeys.leaveGroup, () => {
    broker.reset()
    return undefined
  })
  const leave = () => link.send(requestFrame(apiKeys.leaveGroup, 3, 0), 60_000)
  await expect(leave()).rejects.toMatchObject({
    failure: { code: 'HUNG_UP', message: expect.stringContaining('5 connections without an answer to LeaveGroup v3') },
  })
  expect(broker.connections).toBe(5)
  const until = performance.now() + 300
  while (performance.now() < until) await Promise.race([failureOf(leave()), new Promise((end) => setTimeout(end, 300))])
  expect(broker.connections).toBeLessThanOrEqual(6)
  broker.answering.set(apiKeys.leaveGroup, () => namedBody('left'))
  expect(await ask(link)).toBe('one')
})

test('a connection that has answered and then ends is made anew at once, one that has not after a growing wait', async () => {
  const link = linkWith({ urgent: true })
  const starts: number[] = []
  await ask(link)
  const waited = vi.spyOn(Condition.prototype, 'wait')
  for (let round = 0; round < 4; round += 1) {
    const back = once(moments, 'redial')
    broker.reset()
    await back
    starts.push(waited.mock.calls.length)
  }
  const [first = -1, ...later] = starts
  expect(first).toBe(0)
  for (const [index, waits] of later.entries()) expect(waits).toBeGreaterThan(starts[index] ?? 0)
})

test('a login that is valid for longer than a timer can run is renewed once when it is due', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const day = 86_400_000
  const link = linkWith({
    dial: async (...given) => Object.assign(await dial(...given), { loginValidMs: 400 * day }),
  })
  await ask(link)
  await vi.advanceTimersByTimeAsync(319 * day)
  expect(broker.connections).toBe(1)
  const renewed = once(moments, 'redial')
  await vi.advanceTimersByTimeAsync(day)
  await renewed
  expect(broker.connections).toBe(2)
  expect(redials).toMatchObject([{ soft: true, tookMs: 0 }])
})

test('a request that waits while its login is renewed is answered over the connection it was sent on', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const link = linkWith({ dial: async (...given) => Object.assign(await dial(...given), { loginValidMs: 10_000 }) })
  let answer: (body: Buffer) => void = () => {}
  broker.answering.set(apiKeys.fetch, () => new Promise((resolve) => (answer = resolve)))
  const fetched = link.send(requestFrame(apiKeys.fetch, 11, 0), 60_000)
  await broker.asked(apiKeys.fetch)
  const observed = vi.spyOn(cluster, 'observe')
  await vi.advanceTimersByTimeAsync(8000)
  await vi.waitFor(() => expect(observed).toHaveBeenCalled(), { timeout: 5000 })
  // What is answered meanwhile is not all that waits.
  expect(await ask(link)).toBe('one')
  const renewed = once(moments, 'redial')
  answer(namedBody('slow'))
  expect((await fetched).toString('utf8', 14)).toBe('slow')
  await renewed
  expect(await ask(link)).toBe('one')
  const sent = broker.requests.filter(({ apiKey }) => apiKey === apiKeys.fetch || apiKey === apiKeys.listOffsets)
  expect(sent.map(({ connection }) => connection)).toEqual([1, 1, 2])
})

test('a login that is being renewed when its node moves waits for nothing at the old place: what is held there may never be answered', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const link = linkWith({ dial: async (...given) => Object.assign(await dial(...given), { loginValidMs: 10_000 }) })
  broker.answering.set(apiKeys.joinGroup, () => undefined)
  const joining = link.send(requestFrame(apiKeys.joinGroup, 5, 0), held)
  await broker.asked(apiKeys.joinGroup)
  const observed = vi.spyOn(cluster, 'observe')
  await vi.advanceTimersByTimeAsync(8000)
  await vi.waitFor(() => expect(observed).toHaveBeenCalled(), { timeout: 5000 })
  const there = await FakeBroker.listen()
  there.answering.set(apiKeys.joinGroup, () => namedBody('joined'))
  cluster.book.put(1, there.endpoint)
  expect((await joining).toString('utf8', 14)).toBe('joined')
  await there.close()
})
