// The coordinator: looked up, followed, asked again when it is not ready, and never waited for longer than was said.
import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../actors/connection.ts'
import { Coordinator } from '../../actors/coordinator.ts'
import { apiKeys } from '../../actors/frames.ts'
import { calls } from '../../actors/kafka.ts'
import { held, type Link } from '../../actors/link.ts'
import { answerFrame, int16, int32, requestFrame, text } from './bytes.ts'
import { FakeCluster } from './fake-cluster.ts'
import { agreeable, FakeGroup, groupAnswers } from './fake-group.ts'

let group: FakeGroup
afterEach(() => group.end())

const patience = { withinMs: 5000, silenceMs: 60_000 }
const beat = (withinMs = patience.withinMs) =>
  group.coordinator.call(calls.heartbeat('orders', 'member-1', 4), ({ errorCode }) => errorCode, {
    ...patience,
    withinMs,
  })

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
  expect(group.coordinator).toMatchObject({ nodeId: 2, moves: 1 })
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

/** A coordinator on a clock that a test turns, whose node answers by the test's word: with an error code, an error, or never. */
class Clocked {
  readonly cluster = new FakeCluster()
  readonly stop = new AbortController()
  /** When it was looked up. */
  readonly lookups: number[] = []
  readonly sent: { readonly nodeId: number; readonly mayBeHeld: boolean; readonly signal: AbortSignal | undefined }[] =
    []
  nodeId = 1
  lookupError = 0
  answer: () => Promise<Buffer> = async () => int16(0)
  readonly coordinator: Coordinator

  constructor() {
    this.cluster.answering = async () => {
      this.lookups.push(performance.now())
      const found = [int32(this.nodeId), text('somewhere'), int32(9092)]
      return answerFrame(0, int32(0), int16(this.lookupError), text(null), ...found)
    }
    this.coordinator = new Coordinator({
      groupId: 'orders',
      clientId: 'orders-service',
      cluster: this.cluster,
      linkTo: (nodeId, mayBeHeld) =>
        ({
          send: (_frame: Buffer, _silenceMs: number, signal?: AbortSignal) => {
            this.sent.push({ nodeId, mayBeHeld, signal })
            return this.answer()
          },
        }) as Link,
      signal: this.stop.signal,
    })
  }

  /** Sends a request; resolves with the error code of its answer, or why there is none, and after how many milliseconds. */
  async send(withinMs: number, { silenceMs = 1000, errorOf = (answer: Buffer) => answer.readInt16BE(0) } = {}) {
    const startedAt = performance.now()
    const request = requestFrame(apiKeys.heartbeat, 3, 1)
    const result = await this.coordinator.send(request, errorOf, { withinMs, silenceMs }).then(
      (answer) => answer.readInt16BE(0),
      (error) => error as ConnectionError,
    )
    const tookMs = performance.now() - startedAt
    return result instanceof Error ? { failure: result.failure, tookMs } : { code: result, tookMs }
  }
}

/** Time goes by in steps of five milliseconds, and whatever is ready has its turn. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5) {
    await vi.advanceTimersByTimeAsync(5)
    for (let turns = 0; turns < 3; turns++) await turn()
  }
}

describe('on a clock of its own', () => {
  let one: Clocked
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    vi.spyOn(Math, 'random').mockReturnValue(1)
    group = await FakeGroup.start()
    one = new Clocked()
  })
  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  const unavailable = (why: string) => ({
    kind: 'unreachable',
    code: 'COORDINATOR_NOT_AVAILABLE',
    message: `The coordinator of group orders is not available: ${why}`,
  })

  test.each([
    [24, 'group-refused', 'INVALID_GROUP_ID'],
    [30, 'not-authorized', 'GROUP_AUTHORIZATION_FAILED'],
  ])(
    'a look-up that is refused with error %i ends the request by name, and is not made again',
    async (error, kind, code) => {
      one.lookupError = error
      const sent = one.send(60_000)
      await pass(100)
      const message = `Looking up the coordinator of group orders was refused with Kafka's error ${error}`
      expect(await sent).toMatchObject({ failure: { kind, code, message } })
      expect(one.lookups).toHaveLength(1)
    },
  )

  test.each([
    ['the look-up passes', 15, 30],
    ['the look-up does not pass by itself', 42, 1500],
  ])(
    'after an error that %s the next one waits accordingly, and not beyond the end of the time',
    async (_what, error, waitMs) => {
      one.lookupError = error
      const sent = one.send(waitMs + 20)
      await pass(waitMs + 25)
      expect(await sent).toMatchObject({ failure: unavailable(`looking it up gave error ${error}`) })
      expect(one.lookups).toHaveLength(2)
      expect((one.lookups[1] ?? 0) - (one.lookups[0] ?? 0)).toBeGreaterThanOrEqual(waitMs)
      // Whoever has less time than the wait hears at its end what the last one was told.
      const brief = one.send(10)
      await pass(15)
      expect(await brief).toMatchObject({ failure: unavailable(`looking it up gave error ${error}`), tookMs: 10 })
      expect(one.lookups).toHaveLength(2)
    },
  )

  test('after an answer errors are forgotten', async () => {
    one.lookupError = 42
    const failed = one.send(100)
    await pass(105)
    await failed
    one.lookupError = 0
    const answered = one.send(5000)
    await pass(1500)
    expect(await answered).toMatchObject({ code: 0 })
    one.answer = () => new Promise(() => {})
    const silent = one.send(50)
    await pass(55)
    expect(await silent).toMatchObject({ failure: unavailable('it did not answer in time'), tookMs: 50 })
    // What was denied before has its pace no more: the next try is at that of look-ups.
    one.answer = async () => int16(0)
    const next = one.send(50)
    await pass(55)
    expect(await next).toMatchObject({ code: 0 })
  })

  test.each([
    [14, 1],
    [15, 3],
    [16, 3],
  ])('a node that answers with error %i is asked again, after %i look-ups in all', async (error, lookups) => {
    const codes = [error, error, 0]
    one.answer = async () => int16(codes.shift() ?? 0)
    const sent = one.send(5000)
    await pass(500)
    expect(await sent).toMatchObject({ code: 0 })
    expect([one.sent.length, one.lookups.length, one.coordinator.moves]).toEqual([3, lookups, 0])
  })

  test('a node that still loads when time is up is named with its error', async () => {
    one.answer = async () => int16(14)
    const sent = one.send(20)
    await pass(25)
    expect(await sent).toMatchObject({ failure: unavailable('it answered with error 14') })
  })

  test('an answer that can not be read is none, and the coordinator is looked up again', async () => {
    const errorOf = (): number => {
      throw new Error('too short')
    }
    const sent = one.send(50, { errorOf })
    await pass(55)
    expect(await sent).toMatchObject({ failure: unavailable("its answer can't be read: Error: too short") })
    expect(one.lookups.length).toBeGreaterThan(1)
  })

  test('a node that is out of reach is left for the one that a look-up finds', async () => {
    one.answer = () => Promise.reject(new ConnectionError({ kind: 'dial-failed', message: 'gone' }))
    const sent = one.send(5000)
    await pass(5)
    one.nodeId = 2
    one.answer = async () => int16(0)
    await pass(100)
    expect(await sent).toMatchObject({ code: 0 })
    expect(one.sent.map(({ nodeId }) => nodeId)).toEqual([1, 2])
    expect(one.coordinator).toMatchObject({ nodeId: 2, moves: 1 })
  })

  test('requests that fail at the same time count as one failure', async () => {
    one.answer = async () => int16(14)
    const many = Array.from({ length: 6 }, () => one.send(5000))
    await pass(5)
    expect(one.sent).toHaveLength(6)
    one.answer = async () => int16(0)
    // The wait after one failure, not after six.
    await pass(30)
    expect(await Promise.all(many)).toMatchObject(many.map(() => ({ code: 0 })))
  })

  test('a request that is answered or given up is no longer wanted by its link', async () => {
    await Promise.all([one.send(1000), pass(5)])
    one.answer = () => new Promise(() => {})
    const silent = one.send(50)
    await pass(20)
    expect(one.sent.map(({ signal }) => signal?.aborted)).toEqual([true, false])
    await pass(35)
    await silent
    expect(one.sent.map(({ signal }) => signal?.reason)).toEqual(['settled', 'settled'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a request that the node may hold goes over the link for those', async () => {
    await Promise.all([one.send(1000), pass(5)])
    await Promise.all([one.send(1000, { silenceMs: held }), pass(5)])
    expect(one.sent.map(({ mayBeHeld }) => mayBeHeld)).toEqual([false, true])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a stop ends the wait for another try, and nothing is asked after it', async () => {
    one.lookupError = 42
    const waiting = one.send(60_000)
    await pass(20)
    one.stop.abort()
    await pass(5)
    expect(await waiting).toMatchObject({ failure: unavailable('looking it up gave error 42') })
    expect(await one.send(1000)).toMatchObject({ failure: unavailable('looking it up gave error 42') })
    expect(one.lookups).toHaveLength(1)
    expect(getEventListeners(one.stop.signal, 'abort')).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('without any time nobody is asked', async () => {
    expect(await one.send(0)).toMatchObject({ failure: unavailable('there was no time to ask it') })
    expect(one.lookups).toEqual([])
  })
})
