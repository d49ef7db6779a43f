// The handler: retries, policies, deadlines, and what of a batch counts as handled.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { HandlerErrorContext } from '../../actors/handler.ts'
import type { EachBatchPayload, EachMessagePayload } from '../../actors/kafka.ts'
import { Stage, settled, topic } from './stage.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const partitionOf = { topic, partition: 0 }

/** A stage with one partition from offset 0, and a first batch in it. */
async function staged(options: ConstructorParameters<typeof Stage>[0], offsets = [0, 1, 2]): Promise<Stage> {
  const stage = new Stage(options)
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, offsets)
  return stage
}

test('a message that fails is tried again after a wait, and others go on meanwhile', async () => {
  const stage = await staged({ handlerRetries: 2 })
  await stage.handlers.at('0/0').throw('no')
  await stage.offer(1, [0])
  await stage.handlers.end('1/0')
  expect(stage.handlers.log).toEqual(['0/0', '1/0'])
  // Half of 100 ms at the least.
  await vi.advanceTimersByTimeAsync(49)
  expect(stage.handlers.atWork).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  await stage.handlers.at('0/0').throw('no again')
  await vi.advanceTimersByTimeAsync(100)
  await stage.handlers.end('0/0')
  expect(stage.handlers.log).toEqual(['0/0', '1/0', '0/0', '0/0', '0/1'])
  expect(
    stage.factsOf('handler.failed').map(({ attempt, failure, offset }) => [attempt, failure.message, offset]),
  ).toEqual([
    [1, 'no', '0'],
    [2, 'no again', '0'],
  ])
})

test('user and password of a URL in what a handler throws are in no fact', async () => {
  const stage = await staged({ handlerRetries: 2 })
  await stage.handlers.at('0/0').throw('no answer from https://shop:sesame@orders.example')
  expect(stage.factsOf('handler.failed').map(({ failure }) => failure.message)).toEqual([
    'no answer from https://orders.example',
  ])
})

test('without a policy the partition is paused, reported, and goes on with the same message when it is resumed', async () => {
  const stage = await staged({})
  await stage.handlers.at('0/0').throw('no')
  expect(stage.factsOf('handler.gave-up')).toEqual([
    { type: 'handler.gave-up', ...partitionOf, offset: '0', decision: 'pause' },
  ])
  expect(stage.factsOf('partition.stalled')).toHaveLength(1)
  expect(stage.handOut.paused()).toEqual([partitionOf])
  expect(stage.reader.log).toContain('pause 0')
  expect(stage.lane(0).progress.mark).toBe(0n)
  stage.handOut.resume(partitionOf)
  await settled()
  expect(stage.factsOf('partition.resumed')).toHaveLength(1)
  await stage.handlers.end('0/0')
  expect(stage.handlers.log).toEqual(['0/0', '0/0', '0/1'])
})

test('a policy that skips goes on behind the message', async () => {
  const told: HandlerErrorContext[] = []
  const stage = await staged({
    onHandlerError: (context) => {
      told.push(context)
      return 'skip'
    },
  })
  await stage.handlers.at('0/0').throw('poison')
  expect(told).toMatchObject([{ ...partitionOf, offset: '0', attempts: 1, message: { offset: '0' } }])
  expect(told[0]?.error).toEqual(new Error('poison'))
  expect(stage.lane(0).progress.mark).toBe(1n)
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
  expect(stage.factsOf('handler.gave-up')[0]?.decision).toBe('skip')
})

test('a policy that retries hands the message out once more after a wait, and is asked again', async () => {
  const decisions = ['retry', 'skip'] as const
  let asked = 0
  const stage = await staged({ onHandlerError: () => decisions[asked++] ?? 'pause' })
  await stage.handlers.at('0/0').throw('no')
  // Without one, a handler that throws at once would keep the event loop for itself.
  await vi.advanceTimersByTimeAsync(49)
  expect(stage.handlers.atWork).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  await stage.handlers.at('0/0').throw('no')
  expect(asked).toBe(2)
  expect(stage.handlers.log).toEqual(['0/0', '0/0', '0/1'])
})

test.each([
  ['throws', () => Promise.reject(new Error('policy'))],
  ['answers nonsense', () => 'forget it' as 'skip'],
])(
  'a policy that %s has decided nothing: the partition is paused and the message kept',
  async (_what, onHandlerError) => {
    const stage = await staged({ onHandlerError })
    await stage.handlers.at('0/0').throw('no')
    expect(stage.factsOf('handler.gave-up')[0]?.decision).toBe('pause')
    expect(stage.lane(0).progress.mark).toBe(0n)
  },
)

test('the policy `stop` keeps the message and says so', async () => {
  const stage = await staged({ onHandlerError: 'stop' })
  await stage.handlers.at('0/0').throw('no')
  expect(stage.factsOf('handler.gave-up')[0]?.decision).toBe('stop')
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.lane(0).progress.mark).toBe(0n)
})

test('the wait before a retry ends with the tenure, and the message is not tried again in it', async () => {
  const stage = await staged({ handlerRetries: 5 })
  await stage.handlers.at('0/0').throw('no')
  const closed = stage.handOut.close(0)
  await settled()
  await vi.advanceTimersByTimeAsync(0)
  expect(await closed).toBe(false)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.factsOf('handler.gave-up')).toEqual([])
})

test('past its deadline a handler gets its signal, is reported, and gives its place to others', async () => {
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
  expect(stage.lane(0).progress.mark).toBe(1n)
})

test('a partition that was reported for its late handler is reported well again when a retry succeeds', async () => {
  const stage = await staged({ handlerTimeoutMs: 300, handlerRetries: 1 })
  await vi.advanceTimersByTimeAsync(300)
  await stage.handlers.at('0/0').throw('aborted')
  await vi.advanceTimersByTimeAsync(50)
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
  expect(stage.lane(0).progress.mark).toBe(1n)
  resume()
  await settled()
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
})

const batchIn = (stage: Stage, at: string): EachBatchPayload => stage.handlers.at(at).payload as EachBatchPayload
const offsetsIn = ({ batch }: EachBatchPayload): string[] => batch.messages.map(({ offset }) => offset)

test('a batch handler that returns has handled the batch, control records at its end included', async () => {
  const stage = new Stage({ batches: true })
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1], { last: 4 })
  await stage.handlers.end('0/0')
  expect(stage.lane(0).progress.mark).toBe(5n)
})

test('resolved offsets advance the mark before the batch is done', async () => {
  const stage = await staged({ batches: true })
  const { resolveOffset, uncommittedOffsets, commitOffsetsIfNecessary } = batchIn(stage, '0/0')
  resolveOffset('1')
  expect(stage.lane(0).progress.mark).toBe(2n)
  resolveOffset('0')
  expect(stage.lane(0).progress.mark).toBe(2n)
  expect(uncommittedOffsets()).toEqual({ topics: [{ topic, partitions: [{ partition: 0, offset: '2' }] }] })
  await commitOffsetsIfNecessary()
  expect(stage.commits).toBe(1)
})

test('resolving the last message of a batch resolves the control records behind it', async () => {
  const stage = new Stage({ batches: true })
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1], { last: 4 })
  batchIn(stage, '0/0').resolveOffset('1')
  expect(stage.lane(0).progress.mark).toBe(5n)
})

test('a batch that is broken off by a drain counts as far as it was resolved', async () => {
  const stage = await staged({ batches: true })
  const { resolveOffset, isRunning } = batchIn(stage, '0/0')
  resolveOffset('0')
  expect(isRunning()).toBe(true)
  const closed = stage.handOut.close(1000)
  expect(isRunning()).toBe(false)
  await stage.handlers.end('0/0')
  expect(await closed).toBe(false)
  expect(stage.lane(0).progress.mark).toBe(1n)
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1, 2])
  expect(offsetsIn(batchIn(stage, '0/1'))).toEqual(['1', '2'])
  expect(batchIn(stage, '0/1').batch.firstOffset()).toBe('1')
})

test('a batch during which there was a seek is stale and moves no mark', async () => {
  const stage = await staged({ batches: true })
  const { isStale, resolveOffset } = batchIn(stage, '0/0')
  expect(isStale()).toBe(false)
  stage.handOut.seek(partitionOf, 1n)
  expect(isStale()).toBe(true)
  resolveOffset('2')
  await stage.handlers.end('0/0')
  expect(stage.lane(0).progress.mark).toBe(1n)
})

test('a batch that throws after a part of it was resolved is tried again from there', async () => {
  const stage = await staged({ batches: true, handlerRetries: 1 })
  batchIn(stage, '0/0').resolveOffset('0')
  await stage.handlers.at('0/0').throw('no')
  await vi.advanceTimersByTimeAsync(50)
  expect(offsetsIn(batchIn(stage, '0/1'))).toEqual(['1', '2'])
  batchIn(stage, '0/1').resolveOffset('1')
  await stage.handlers.at('0/1').throw('no')
  expect(stage.factsOf('handler.failed').map(({ offset }) => offset)).toEqual(['1', '2'])
  expect(stage.factsOf('handler.gave-up')).toMatchObject([{ offset: '2', decision: 'pause' }])
  expect(stage.lane(0).progress.mark).toBe(2n)
})

test('a batch that throws after all of it was resolved is not tried again', async () => {
  const stage = await staged({ batches: true, handlerRetries: 1 })
  batchIn(stage, '0/0').resolveOffset('2')
  await stage.handlers.at('0/0').throw('too late')
  await vi.advanceTimersByTimeAsync(1000)
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.lane(0).progress.mark).toBe(3n)
  expect(stage.factsOf('handler.failed')).toHaveLength(1)
})

test('a batch that a policy skips counts as handled', async () => {
  const stage = await staged({ batches: true, onHandlerError: () => 'skip' })
  await stage.handlers.at('0/0').throw('no')
  expect(stage.lane(0).progress.mark).toBe(3n)
})

test('suppressed messages are counted once, however often the batch is looked at', async () => {
  const stage = await staged({ batches: true })
  const resume = batchIn(stage, '0/0').pause()
  await stage.handlers.end('0/0')
  resume()
  await settled()
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.handOut.handler.suppressed).toBe(0)
})

const throwing = new Proxy(new Error('x'), {
  get: () => {
    throw new Error('a getter')
  },
})
test.each([
  ['a value without a prototype', Object.create(null), /something of type object/],
  ['an error whose message is an object', Object.assign(new Error('x'), { message: { code: 1 } }), /object/],
  [
    'an error whose message can not be shown',
    Object.assign(new Error('x'), { message: Object.create(null) }),
    /object/,
  ],
  ['an error whose getters throw', throwing, /something of type object/],
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
