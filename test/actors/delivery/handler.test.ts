// The handler: retries, policies, deadlines, and what of a batch counts as handled.
import { getEventListeners } from 'node:events'
import { expect, test, vi } from 'vitest'
import type { EachMessagePayload } from '../../../actors/kafkajs/consumer.ts'
import { Stage, settled, staged, topic, withFakeTime } from '../stage.ts'

withFakeTime()

const partitionOf = { topic, partition: 0 }

test('a message that fails is tried again after a wait, and others go on meanwhile', async () => {
  const stage = await staged({ handlerRetries: 2 })
  await stage.handlers.at('0/0').throw('no')
  await stage.offer(1, [0])
  await stage.handlers.end('1/0')
  expect(stage.handlers.log).toEqual(['0/0', '1/0'])
  await vi.advanceTimersByTimeAsync(124)
  expect(stage.handlers.atWork).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  await stage.handlers.at('0/0').throw('no again')
  await vi.advanceTimersByTimeAsync(250)
  await stage.handlers.end('0/0')
  expect(stage.handlers.log).toEqual(['0/0', '1/0', '0/0', '0/0', '0/1'])
  expect(
    stage.factsOf('handler.failed').map(({ attempt, failure, offset }) => [attempt, failure.message, offset]),
  ).toEqual([
    [1, 'no', '0'],
    [2, 'no again', '0'],
  ])
})

test('a handler that is no async function is done when it returns, and has failed when it throws', async () => {
  const log: string[] = []
  const eachMessage = ({ message: { offset } }: EachMessagePayload): void => {
    log.push(offset)
    if (log.length === 2) throw new Error('no')
  }
  const stage = await staged({ eachMessage, handlerRetries: 1 })
  await vi.advanceTimersByTimeAsync(125)
  expect(log).toEqual(['0', '1', '1', '2'])
  expect(stage.factsOf('handler.failed').map(({ offset, failure }) => [offset, failure.message])).toEqual([['1', 'no']])
})

test('user and password of a URL in what a handler throws are in no fact', async () => {
  const stage = await staged({ handlerRetries: 2 })
  await stage.handlers.at('0/0').throw('no answer from https://shop:sesame@orders.example')
  expect(stage.factsOf('handler.failed').map(({ failure }) => failure.message)).toEqual([
    'no answer from https://orders.example',
  ])
})

test('past its deadline a handler gets its signal, is reported, and gives its slot to others', async () => {
  const stage = await staged({ handlerTimeoutMs: 300, concurrency: 1 })
  await stage.offer(1, [0])
  const { signal } = stage.handlers.at('0/0')
  await vi.advanceTimersByTimeAsync(299)
  expect(signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  await settled()
  expect(signal.aborted).toBe(true)
  expect(stage.factsOf('handler.timed-out')).toEqual([
    { type: 'handler.timed-out', ...partitionOf, offset: '0', afterMs: 300 },
  ])
  expect(stage.factsOf('partition.stalled')).toHaveLength(1)
  expect(stage.handlers.log).toEqual(['0/0', '1/0'])
  await stage.handlers.end('0/0')
  expect(stage.factsOf('partition.resumed')).toHaveLength(1)
  expect(stage.queue(0).progress.mark).toBe(1n)
})

test('a handler whose end is read in the turn of its deadline is in time', async () => {
  const stage = await staged({ handlerTimeoutMs: 300 })
  vi.advanceTimersByTime(300)
  await stage.handlers.end('0/0')
  expect(stage.factsOf('handler.timed-out')).toEqual([])
})

test('a partition that was reported for its late handler is reported well again when a retry succeeds', async () => {
  const stage = await staged({ handlerTimeoutMs: 300, handlerRetries: 1 })
  await vi.advanceTimersByTimeAsync(300)
  await stage.handlers.at('0/0').throw('aborted')
  await vi.advanceTimersByTimeAsync(125)
  await stage.handlers.end('0/0')
  expect(stage.factsOf('partition.stalled')).toHaveLength(1)
  expect(stage.factsOf('partition.resumed')).toHaveLength(1)
})

test('a handler can pause its partition and resume it later', async () => {
  const stage = await staged({})
  const call = stage.handlers.at('0/0')
  const resume = (call.payload as EachMessagePayload).pause()
  await call.end()
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.queue(0).progress.mark).toBe(1n)
  resume()
  await stage.offer(0, [1])
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
})

test('a handler that pauses its partition and throws gets the message again when it is resumed, and not before', async () => {
  const stage = await staged({ handlerRetries: 0 })
  const call = stage.handlers.at('0/0')
  const resume = (call.payload as EachMessagePayload).pause()
  await call.throw('too many requests')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.factsOf('handler.gave-up')).toEqual([])
  resume()
  await stage.offer(0, [0, 1])
  expect(stage.handlers.log).toEqual(['0/0', '0/0'])
})

test('a message that fails after a seek is not tried again', async () => {
  const stage = await staged({ handlerRetries: 3 })
  stage.dispatcher.seek(partitionOf, 2n)
  await stage.handlers.at('0/0').throw('no')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.factsOf('handler.gave-up')).toEqual([])
})

test('an assignment remembers nothing of the handlers that had a deadline', async () => {
  const stage = new Stage({ handlerTimeoutMs: 300, eachMessage: async () => {} })
  const { assignment } = await stage.assign({ 0: 0n })
  await stage.offer(
    0,
    Array.from({ length: 200 }, (_, offset) => offset),
  )
  expect(stage.queue(0).progress.mark).toBe(200n)
  expect(getEventListeners(assignment.signal, 'abort')).toEqual([])
  const inside = assignment.signal as unknown as Record<symbol, { size?: number } | undefined>
  const dependants = Object.getOwnPropertySymbols(inside).find((name) => name.description === 'kDependantSignals')
  expect((dependants && inside[dependants]?.size) ?? 0).toBe(0)
})

test('a partition has moved when a message is handed out and when it is handled', async () => {
  const stage = await staged({}, [0, 1])
  const startedAt = performance.now()
  expect(stage.queue(0).movedAt).toBe(startedAt)
  await vi.advanceTimersByTimeAsync(10)
  await stage.handlers.end('0/0')
  await vi.advanceTimersByTimeAsync(10)
  expect(stage.queue(0).movedAt).toBe(startedAt + 10)
  await stage.handlers.end('0/1')
  expect(stage.queue(0).movedAt).toBe(startedAt + 20)
})

test('what handlers are told when their time is over is the reason of their signal', async () => {
  const stage = await staged({ handlerTimeoutMs: 300 })
  const { signal } = stage.handlers.at('0/0')
  await vi.advanceTimersByTimeAsync(300)
  await settled()
  expect(signal.reason).toEqual(new Error('the handler is past its handlerTimeoutMs of 300 ms'))
  expect(stage.factsOf('partition.stalled')).toEqual([
    { type: 'partition.stalled', partitions: { [topic]: [0] }, reason: 'its handler has been at work for 300 ms' },
  ])
  await stage.handlers.end('0/0')
  expect(stage.factsOf('partition.resumed')).toEqual([{ type: 'partition.resumed', partitions: { [topic]: [0] } }])
})

test('a handler with a deadline hears of the end of its assignment before', async () => {
  const stage = await staged({ handlerTimeoutMs: 60_000 })
  const { signal } = stage.handlers.at('0/0')
  void stage.dispatcher.close(100)
  await vi.advanceTimersByTimeAsync(99)
  expect(signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(signal.reason).toEqual(new Error('the hand-over cannot wait any longer for this handler'))
  await stage.handlers.end('0/0')
})

test('a handler that has ended leaves no deadline behind, in time or late', async () => {
  const stage = await staged({ handlerTimeoutMs: 300 }, [0])
  await stage.handlers.end('0/0')
  expect(vi.getTimerCount()).toBe(0)
  await vi.advanceTimersByTimeAsync(300)
  await settled()
  expect(stage.factsOf('handler.timed-out')).toEqual([])
})

test('a stale result tells which message it was', async () => {
  const stage = await staged({}, [0, 1, 5])
  await stage.handlers.end('0/0', '0/1')
  const closed = stage.dispatcher.close(0)
  await vi.advanceTimersByTimeAsync(500)
  await closed
  await stage.handlers.end('0/5')
  expect(stage.factsOf('result.fenced')).toEqual([
    { type: 'result.fenced', ...partitionOf, generation: 1, offset: '5' },
  ])
})

const throwing = new Proxy(new Error('x'), {
  get: () => {
    throw new Error('a getter')
  },
})
test.each([
  ['a value without a prototype', Object.create(null), /^something that cannot be read$/],
  ['an error whose message is an object', Object.assign(new Error('x'), { message: { code: 1 } }), /^Error$/],
  [
    'an error whose message can not be shown',
    Object.assign(new Error('x'), { message: Object.create(null) }),
    /^Error$/,
  ],
  ['an error whose getters throw', throwing, /^something that cannot be read$/],
  ['undefined', undefined, /^undefined$/],
  ['a symbol', Symbol('odd'), /^Symbol\(odd\)$/],
  ['an object with a message', { message: 'told' }, /^told$/],
])('a handler that throws %s is tried again as after any error', async (_what, thrown, message) => {
  const calls: string[] = []
  const stage = await staged({
    handlerRetries: 1,
    eachMessage: async ({ message: { offset } }) => {
      calls.push(offset)
      throw thrown
    },
  })
  expect(calls).toEqual(['0'])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toEqual(['0', '0'])
  const failed = stage.factsOf('handler.failed')
  expect(failed.map(({ attempt }) => attempt)).toEqual([1, 2])
  for (const { failure } of failed) expect(failure.message).toMatch(message)
  expect(stage.factsOf('handler.gave-up')).toHaveLength(1)
})
