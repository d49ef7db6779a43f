// The batch handler: which messages of a batch count as handled, in every style KafkaJS documents.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { EachBatchPayload } from '../../actors/kafka.ts'
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
  // Nothing is due yet: what was handled is committed by its interval.
  await commitOffsetsIfNecessary()
  expect(stage.commits).toBe(0)
  await vi.advanceTimersByTimeAsync(1000)
  await commitOffsetsIfNecessary()
  await commitOffsetsIfNecessary()
  expect(stage.commits).toBe(1)
})

test('with offsets a batch handler resolves what lies before them, within the batch, and commits at once', async () => {
  const stage = await staged({ batches: true })
  const { resolveOffset, uncommittedOffsets, commitOffsetsIfNecessary } = batchIn(stage, '0/0')
  const upTo = (offset: string) => ({ topics: [{ topic, partitions: [{ partition: 0, offset }] }] })
  expect(uncommittedOffsets()).toEqual({ topics: [] })
  await commitOffsetsIfNecessary(upTo('1'))
  expect(stage.lane(0).progress.mark).toBe(1n)
  resolveOffset('1')
  await commitOffsetsIfNecessary(uncommittedOffsets())
  expect([stage.lane(0).progress.mark, stage.commits]).toEqual([2n, 2])
  await commitOffsetsIfNecessary(upTo('90'))
  expect(stage.lane(0).progress.mark).toBe(3n)
})

test('what other partitions have handled is in the uncommitted offsets as well', async () => {
  const stage = await staged({ batches: true })
  await stage.offer(1, [0, 1])
  batchIn(stage, '1/0').resolveOffset('1')
  batchIn(stage, '0/0').resolveOffset('0')
  expect(batchIn(stage, '0/0').uncommittedOffsets().topics).toEqual([
    {
      topic,
      partitions: [
        { partition: 0, offset: '1' },
        { partition: 1, offset: '2' },
      ],
    },
  ])
})

test('an offset behind the batch resolves the batch and nothing more', async () => {
  const stage = await staged({ batches: true })
  batchIn(stage, '0/0').resolveOffset('1000')
  expect(stage.lane(0).progress.mark).toBe(3n)
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

test('a batch handler that returns during a drain, and was not told of it, has handled the batch', async () => {
  const stage = await staged({ batches: true })
  expect(batchIn(stage, '0/0').isRunning()).toBe(true)
  const closed = stage.handOut.close(1000)
  await stage.handlers.end('0/0')
  expect(await closed).toBe(false)
  expect(stage.lane(0).progress.mark).toBe(3n)
})

test.each([['reads'], ['leaves alone']])(
  'a batch handler that returns after its signal, which it %s, counts accordingly',
  async (what) => {
    let end = () => {}
    const stage = await staged({
      eachBatch: (payload) => {
        payload.resolveOffset('0')
        if (what === 'reads') expect(payload.signal.aborted).toBe(false)
        return new Promise((resolve) => {
          end = resolve
        })
      },
    })
    const closed = stage.handOut.close(0)
    await vi.advanceTimersByTimeAsync(0)
    end()
    expect(await closed).toBe(false)
    expect(stage.lane(0).progress.mark).toBe(what === 'reads' ? 1n : 3n)
  },
)

test('a batch handler that heeds the signal of its deadline is given the rest, as after an error', async () => {
  const stage = await staged({
    handlerTimeoutMs: 300,
    handlerRetries: 1,
    eachBatch: async ({ batch, resolveOffset, signal }) => {
      for (const { offset } of batch.messages) {
        if (signal.aborted) return
        await new Promise((resolve) => setTimeout(resolve, 200))
        resolveOffset(offset)
      }
    },
  })
  await vi.advanceTimersByTimeAsync(400)
  expect(stage.lane(0).progress.mark).toBe(2n)
  expect(stage.factsOf('handler.failed')).toMatchObject([{ offset: '2', attempt: 1 }])
  await vi.advanceTimersByTimeAsync(50 + 200)
  expect(stage.lane(0).progress.mark).toBe(3n)
  expect(stage.factsOf('handler.gave-up')).toEqual([])
})

test("KafkaJS's loops with isRunning, isStale, resolveOffset and heartbeat count message by message", async () => {
  let gate = Promise.resolve()
  let open = () => {}
  const seen: string[] = []
  const stage = new Stage({
    eachBatch: async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, isRunning, isStale }) => {
      for (const { offset } of batch.messages) {
        if (!isRunning() || isStale()) break
        seen.push(offset)
        await gate
        resolveOffset(offset)
        await heartbeat()
        await commitOffsetsIfNecessary()
      }
    },
  })
  const close = () => {
    gate = new Promise((resolve) => {
      open = resolve
    })
  }
  close()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1, 2, 3])
  const closed = stage.handOut.close(1000)
  open()
  await closed
  expect([seen, stage.lane(0).progress.mark]).toEqual([['0'], 1n])
  close()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [1, 2, 3])
  stage.handOut.seek(partitionOf, 3n)
  open()
  await settled()
  expect([seen, stage.lane(0).progress.mark]).toEqual([['0', '1'], 3n])
  await stage.offer(0, [3])
  expect([seen, stage.lane(0).progress.mark]).toEqual([['0', '1', '3'], 4n])
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

test('a batch of which a part was handled before is given without it, and what is left out is counted', async () => {
  const stage = await staged({ batches: true })
  batchIn(stage, '0/0').resolveOffset('1')
  await stage.handlers.end('0/0')
  await stage.assign({ 0: 0n })
  await stage.offer(0, [1, 2, 3], { fetchedAt: 1 })
  expect(stage.handlers.log).toEqual(['0/0', '0/3'])
  expect(stage.handOut.handler.suppressed).toBe(2)
  await stage.handlers.end('0/3')
  await stage.offer(0, [4, 5])
  // A whole batch is given as it came.
  expect(batchIn(stage, '0/4').batch.lastOffset()).toBe('5')
  expect(Object.getPrototypeOf(batchIn(stage, '0/4').batch)).toBe(Object.prototype)
  expect(stage.handOut.handler.suppressed).toBe(2)
})

test('offsets of other partitions and topics resolve nothing here', async () => {
  const stage = await staged({ batches: true })
  const { commitOffsetsIfNecessary } = batchIn(stage, '0/0')
  const partitions = [{ partition: 0, offset: '2' }]
  await commitOffsetsIfNecessary({ topics: [{ topic: 'bills', partitions }] })
  await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition: 1, offset: '2' }] }] })
  expect(stage.lane(0).progress.mark).toBe(0n)
  await commitOffsetsIfNecessary({
    topics: [
      { topic: 'bills', partitions },
      { topic, partitions },
    ],
  })
  expect([stage.lane(0).progress.mark, stage.commits]).toEqual([2n, 3])
})

test('a commit that a batch handler asks for begins the interval anew', async () => {
  const stage = await staged({ batches: true })
  const { commitOffsetsIfNecessary } = batchIn(stage, '0/0')
  await vi.advanceTimersByTimeAsync(900)
  await commitOffsetsIfNecessary({ topics: [] })
  await vi.advanceTimersByTimeAsync(999)
  await commitOffsetsIfNecessary()
  expect(stage.commits).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  await commitOffsetsIfNecessary()
  expect(stage.commits).toBe(2)
})

test('a paused batch handler that throws gets the rest when it is resumed', async () => {
  const stage = await staged({ batches: true })
  const { pause, resolveOffset } = batchIn(stage, '0/0')
  resolveOffset('0')
  const resume = pause()
  await stage.handlers.at('0/0').throw('busy')
  await vi.advanceTimersByTimeAsync(60_000)
  expect([stage.handlers.log, stage.factsOf('handler.gave-up')]).toEqual([['0/0'], []])
  resume()
  await stage.offer(0, [1, 2])
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
})

test('a batch handler that fails for good stops at what it resolved', async () => {
  const stage = await staged({ batches: true, onHandlerError: 'stop' })
  batchIn(stage, '0/0').resolveOffset('0')
  await stage.handlers.at('0/0').throw('no')
  expect(stage.factsOf('handler.gave-up')).toMatchObject([{ offset: '1', decision: 'stop' }])
  expect([stage.lane(0).progress.mark, stage.handOut.paused()]).toEqual([1n, [partitionOf]])
})

test('a batch of which nothing is left is not handed out, and its control records are stepped over', async () => {
  const stage = await staged({ batches: true })
  await stage.handlers.end('0/0')
  await stage.offer(0, [1, 2], { fetchedAt: 1, last: 4 })
  expect(stage.handlers.log).toEqual(['0/0'])
  expect([stage.lane(0).progress.mark, stage.handOut.handler.suppressed]).toEqual([5n, 2])
})

test('a batch handler that stops at its signal is told so, and keeps its message', async () => {
  const stage = await staged({
    handlerTimeoutMs: 300,
    eachBatch: ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve())
      }),
  })
  await vi.advanceTimersByTimeAsync(300)
  await settled()
  const message = 'the batch handler returned at its signal, before the end'
  expect(stage.factsOf('handler.failed')).toMatchObject([{ failure: { message } }])
  expect(stage.lane(0).progress.mark).toBe(0n)
})

test('the payload of a batch shows its signal, as KafkaJS shows its own parts', async () => {
  const stage = await staged({ batches: true })
  expect(Object.keys(batchIn(stage, '0/0')).toSorted()).toEqual([
    ...['batch', 'commitOffsetsIfNecessary', 'heartbeat', 'isRunning', 'isStale', 'pause', 'resolveOffset'],
    ...['signal', 'uncommittedOffsets'],
  ])
})
