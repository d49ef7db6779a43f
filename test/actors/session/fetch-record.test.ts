// The fetch record: what an answer says of a partition, and what an error does not.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FetchRecord } from '../../../actors/session/fetch-record.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  vi.advanceTimersByTime(1000)
})
afterEach(() => {
  vi.useRealTimers()
})

const orders = { topic: 'orders', partition: 0 }
let held: boolean
const recordOf = (readUncommitted = false): FetchRecord => {
  held = false
  return new FetchRecord(readUncommitted, ({ topic, partition }) => held && topic === 'orders' && partition === 0)
}
const answer = (end: bigint, { errorCode = 0, throttleMs = 0, unstable = 0n } = {}) => ({
  throttleMs,
  partitions: [
    {
      ...orders,
      errorCode,
      highWatermark: end + unstable,
      lastStableOffset: end,
      firstEpoch: -1,
      lastOffset: -1n,
      lastEpoch: -1,
      errorAt: 0,
    },
  ],
})

test('an answer tells when, from which node, and the end of the log as it may be read', () => {
  const record = recordOf()
  expect(record.of(orders)).toBeUndefined()
  const at = performance.now()
  record.note(3, answer(7n, { unstable: 2n }))
  expect(record.of(orders)).toEqual({ at, end: 7n, nodeId: 3, errorCode: 0 })
  const uncommitted = recordOf(true)
  uncommitted.note(3, answer(7n, { unstable: 2n }))
  expect(uncommitted.of(orders)?.end).toBe(9n)
})

test('an error is no answer: the end of the log and the last good time stay, until the next good one', async () => {
  const record = recordOf()
  record.note(3, answer(-1n, { errorCode: 6 }))
  expect(record.of(orders)).toEqual({ at: 0, end: -1n, nodeId: 3, errorCode: 6 })
  await vi.advanceTimersByTimeAsync(100)
  const at = performance.now()
  record.note(3, answer(7n))
  expect(record.takeLongestGap()).toBe(0)
  await vi.advanceTimersByTimeAsync(100)
  record.note(4, answer(-1n, { errorCode: 5 }))
  expect(record.of(orders)).toEqual({ at, end: 7n, nodeId: 4, errorCode: 5 })
  record.note(4, answer(8n))
  expect(record.of(orders)).toEqual({ at: at + 100, end: 8n, nodeId: 4, errorCode: 0 })
})

test('the longest gap ends with an answer without an error, is told once, and a pause is none', async () => {
  const record = recordOf()
  record.note(3, answer(7n))
  await vi.advanceTimersByTimeAsync(400)
  record.note(3, answer(-1n, { errorCode: 6 }))
  await vi.advanceTimersByTimeAsync(300)
  record.note(3, answer(7n))
  await vi.advanceTimersByTimeAsync(100)
  record.note(3, answer(7n))
  expect(record.takeLongestGap()).toBe(700)
  expect(record.takeLongestGap()).toBe(0)
  await vi.advanceTimersByTimeAsync(500)
  held = true
  record.note(3, answer(7n))
  expect(record.takeLongestGap()).toBe(0)
  held = false
  await vi.advanceTimersByTimeAsync(500)
  record.note(3, answer(7n))
  // what ended half a minute ago belongs to no hand-over
  for (let quarter = 0; quarter < 120; quarter++) {
    await vi.advanceTimersByTimeAsync(250)
    record.note(3, answer(7n))
  }
  expect(record.takeLongestGap()).toBe(0)
})

test('a gap that is not over yet counts as far as it goes, and the rest of it counts for the next', async () => {
  const record = recordOf()
  record.note(3, answer(7n))
  await vi.advanceTimersByTimeAsync(20_000)
  expect(record.takeLongestGap()).toBe(20_000)
  await vi.advanceTimersByTimeAsync(300)
  record.note(3, answer(7n))
  expect(record.takeLongestGap()).toBe(300)
  held = true
  await vi.advanceTimersByTimeAsync(5000)
  expect(record.takeLongestGap()).toBe(0)
  held = false
})

test('another assignment knows nothing of the one before, and has a beginning', async () => {
  const record = recordOf()
  record.note(3, answer(7n))
  await vi.advanceTimersByTimeAsync(5000)
  record.clear()
  expect(record.of(orders)).toBeUndefined()
  expect(record.beganAt).toBe(performance.now())
  record.note(3, answer(7n))
  expect(record.takeLongestGap()).toBe(0)
})

test('a fetch is under way until it is answered or fails, and how long it took is known', async () => {
  const record = recordOf()
  expect([record.askedAt(3), record.tookMs(3)]).toEqual([undefined, 0])
  const askedAt = performance.now()
  const fetch = record.during(3, new Promise((resolve) => setTimeout(resolve, 250, 'answer')))
  await vi.advanceTimersByTimeAsync(249)
  expect([record.askedAt(3), record.askedAt(4)]).toEqual([askedAt, undefined])
  await vi.advanceTimersByTimeAsync(1)
  expect([await fetch, record.askedAt(3), record.tookMs(3)]).toEqual(['answer', undefined, 250])
  await expect(record.during(3, Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(record.askedAt(3)).toBeUndefined()
})

test('of fetches of a node that wait beside each other the first says since when', async () => {
  const record = recordOf()
  const askedAt = performance.now()
  void record.during(3, new Promise(() => {}))
  await vi.advanceTimersByTimeAsync(100)
  void record.during(3, new Promise(() => {}))
  expect(record.askedAt(3)).toBe(askedAt)
})

test('a throttle counts from its answer, and for a minute at most', () => {
  const record = recordOf()
  record.note(3, answer(7n, { throttleMs: 10_000 }))
  expect([record.throttledUntil(3), record.throttledUntil(4)]).toEqual([performance.now() + 10_000, 0])
  record.note(3, answer(7n))
  expect(record.throttledUntil(3)).toBe(performance.now() + 10_000)
  record.note(3, answer(7n, { throttleMs: 2 ** 31 - 1 }))
  expect(record.throttledUntil(3)).toBe(performance.now() + 60_000)
})
