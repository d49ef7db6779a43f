// The coordinator: looked up, followed, asked again when it is not ready, and never waited for longer than was said.
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { Coordinator } from '../../../actors/group/coordinator.ts'
import { calls } from '../../../actors/kafkajs/calls.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { held } from '../../../actors/wire/in-flight-requests.ts'
import type { Link } from '../../../actors/wire/link.ts'
import { requestFrame } from '../bytes.ts'
import { agreeable, FakeGroup, groupAnswers } from '../fake-group.ts'

let group: FakeGroup
afterEach(() => group.end())

const patience = { withinMs: 5000, silenceMs: 60_000 }
const beat = (withinMs = patience.withinMs) =>
  group.coordinator.call(
    calls.heartbeat({ groupId: 'orders', memberId: 'member-1', generation: 4 }),
    ({ errorCode }) => errorCode,
    { ...patience, withinMs },
  )

test('it is looked up once and then asked where it is', async () => {
  group = await FakeGroup.start(1, 2)
  agreeable(group.broker())
  expect([(await beat()).errorCode, (await beat()).errorCode]).toEqual([0, 0])
  expect(group.lookups).toBe(1)
  expect(group.coordinator.nodeId).toBe(1)
  expect(group.broker(2).connections).toBe(0)
})

test('a node that is no longer the coordinator is left for the one that is', async () => {
  group = await FakeGroup.start(1, 2)
  agreeable(group.broker())
  await beat()
  group.broker(1).answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(16))
  agreeable(group.broker(2))
  group.coordinatorId = 2
  expect((await beat()).errorCode).toBe(0)
  expect(group.coordinator).toMatchObject({ nodeId: 2 })
})

test('a coordinator that still loads is asked again, without another look-up', async () => {
  group = await FakeGroup.start(1)
  const codes = [14, 14, 0]
  group.broker().answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(codes.shift() ?? 0))
  expect((await beat()).errorCode).toBe(0)
  expect(group.broker().requests.filter(({ apiKey }) => apiKey === apiKeys.heartbeat)).toHaveLength(3)
  expect(group.lookups).toBe(1)
})

test('an error that speaks of the member and not of the coordinator is an answer', async () => {
  group = await FakeGroup.start(1)
  group.broker().answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(25))
  expect((await beat()).errorCode).toBe(25)
})

test('without a coordinator the request fails with its last reason when time is up', async () => {
  group = await FakeGroup.start(1)
  // The second attempt is cut off by the end of the time: what the first was told counts.
  const answers = [groupAnswers.heartbeat(15)]
  group.broker().answering.set(apiKeys.heartbeat, () => answers.shift())
  const asked = beat(150)
  await expect(asked).rejects.toBeInstanceOf(ConnectionError)
  await expect(asked).rejects.toMatchObject({
    failure: { kind: 'unreachable', message: expect.stringContaining('15') },
  })
  await expect(beat(0)).rejects.toMatchObject({ failure: { code: 'COORDINATOR_NOT_AVAILABLE' } })
})

test('a coordinator that says nothing is not waited for longer than was said', async () => {
  group = await FakeGroup.start(1)
  group.broker().answering.set(apiKeys.heartbeat, () => undefined)
  const startedAt = Date.now()
  await expect(beat(150)).rejects.toMatchObject({ failure: { kind: 'unreachable' } })
  expect(Date.now() - startedAt).toBeLessThan(1000)
})

test('a look-up that nobody answers is not waited for longer than was said', async () => {
  group = await FakeGroup.start(1)
  group.cluster.answering = () => new Promise(() => {})
  await expect(beat(150)).rejects.toMatchObject({ failure: { kind: 'unreachable' } })
})

test('a request that was given up is not sent again when its node comes back', async () => {
  group = await FakeGroup.start(1)
  group.broker().answering.set(apiKeys.heartbeat, () => undefined)
  await expect(beat(150)).rejects.toMatchObject({ failure: { kind: 'unreachable' } })
  const before = group.broker().connections
  group.broker().reset()
  agreeable(group.broker())
  expect((await beat()).errorCode).toBe(0)
  expect(group.broker().connections).toBeGreaterThan(before)
  const beats = group.broker().requests.filter(({ apiKey }) => apiKey === apiKeys.heartbeat)
  expect(beats).toHaveLength(2)
})

test('a node that holds a request is asked each 5 s whether it is there, and is left when it is not', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const links: string[] = []
  const node = (name: string, ...answers: (() => Promise<Buffer>)[]) =>
    ({
      send: () => {
        links.push(name)
        return answers.shift()?.() ?? new Promise(() => {})
      },
    }) as unknown as Link
  const gone = () => Promise.reject(new ConnectionError({ kind: 'dial-failed', message: 'gone' }))
  const joins = [node('join'), node('join again', async () => Buffer.from('joined'))]
  const beside = node('there?', async () => Buffer.from('yes'), gone)
  group = await FakeGroup.start(1)
  const coordinator = new Coordinator({
    groupId: 'orders',
    clientId: 'orders-service',
    cluster: group.cluster,
    linkTo: (_, mayBeHeld) => (mayBeHeld ? (joins.shift() as Link) : beside),
    signal: new AbortController().signal,
  })
  const answer = coordinator.send(requestFrame(apiKeys.joinGroup, 5, 1), () => 0, { withinMs: 70_000, silenceMs: held })
  const pass = async (ms: number) => {
    for (let turns = 0; turns < 5; turns++) await turn()
    await vi.advanceTimersByTimeAsync(ms)
    for (let turns = 0; turns < 5; turns++) await turn()
  }
  await pass(4999)
  expect(links).toEqual(['join'])
  await pass(5001)
  await pass(50)
  expect(links).toEqual(['join', 'there?', 'there?', 'join again'])
  expect(String(await answer)).toBe('joined')
  expect(group.lookups).toBe(2)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

test.each([
  ['passes', 15, 8],
  ['does not pass by itself', 30, 1],
] as const)(
  'a look-up that is answered with an error that %s (%i) is made again at its pace',
  async (_what, code, most) => {
    group = await FakeGroup.start(1)
    group.lookupError = code
    await expect(beat(900)).rejects.toMatchObject({ failure: { message: expect.stringContaining(`error ${code}`) } })
    expect(group.lookups).toBeLessThanOrEqual(most)
    // Who asks next goes on where the last one gave up.
    const before = group.lookups
    await expect(beat(100)).rejects.toBeInstanceOf(ConnectionError)
    expect(group.lookups - before).toBeLessThanOrEqual(1)
  },
)
