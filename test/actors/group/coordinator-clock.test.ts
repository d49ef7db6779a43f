// The coordinator on a clock that the test turns: when it is looked up and asked again, for how long, and what it says when time is up.
import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { Coordinator } from '../../../actors/group/coordinator.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { held } from '../../../actors/wire/in-flight-requests.ts'
import type { Link } from '../../../actors/wire/link.ts'
import { answerFrame, int16, int32, requestFrame, text } from '../bytes.ts'
import { FakeCluster } from '../fake-cluster.ts'

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
          send: (_frame: Buffer, _silenceMs: number, { signal }: { signal?: AbortSignal } = {}) => {
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

let one: Clocked
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  vi.spyOn(Math, 'random').mockReturnValue(1)
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
  expect([one.sent.length, one.lookups.length, one.coordinator.nodeId]).toEqual([3, lookups, 1])
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
  expect(one.coordinator).toMatchObject({ nodeId: 2 })
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
  one.answer = () => new Promise((resolve) => setTimeout(resolve, 20, int16(0)))
  await Promise.all([one.send(1000, { silenceMs: held }), pass(25)])
  expect(one.sent.map(({ mayBeHeld }) => mayBeHeld)).toEqual([false, true])
  expect(vi.getTimerCount()).toBe(0)
})

test('a look-up that outlasts its request leaves nobody who asks whether the node is there', async () => {
  const { answering } = one.cluster
  one.cluster.answering = async (...asked) => {
    await new Promise((resolve) => setTimeout(resolve, 30))
    return answering(...asked)
  }
  const late = one.send(20, { silenceMs: held })
  await pass(40)
  expect(await late).toMatchObject({ failure: unavailable('it did not answer in time'), tookMs: 20 })
  expect(vi.getTimerCount()).toBe(0)
})

test('beside a request that the node may hold it is asked whether it is there, and beside no other', async () => {
  one.answer = () => new Promise(() => {})
  const brief = one.send(5100)
  await pass(5105)
  await brief
  expect(one.sent).toHaveLength(1)
  await pass(30)
  void one.send(20_000, { silenceMs: held })
  await pass(5)
  one.answer = async () => int16(0)
  await pass(10_100)
  expect(one.sent.map(({ mayBeHeld }) => mayBeHeld)).toEqual([false, true, false, false])
  // All of it ends with the request: nobody else is left to listen.
  const [, request] = one.sent
  expect(request?.signal && getEventListeners(request.signal, 'abort')).toHaveLength(1)
})

test('a look-up that nobody answers is made again at the pace of look-ups', async () => {
  one.cluster.answering = () => {
    one.lookups.push(performance.now())
    return Promise.reject(new ConnectionError({ kind: 'unreachable', message: 'nobody' }))
  }
  const sent = one.send(40)
  await pass(45)
  expect([await sent, one.lookups.length]).toMatchObject([{ failure: { message: 'nobody' } }, 2])
  expect(getEventListeners(one.stop.signal, 'abort')).toEqual([])
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
