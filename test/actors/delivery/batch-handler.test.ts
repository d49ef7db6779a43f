// The batch handler: which messages of a batch count as handled, in every style KafkaJS documents.
import { expect, test, vi } from 'vitest'
import type { EachBatchPayload } from '../../../actors/kafkajs/consumer.ts'
import { batchIn, Stage, settled, staged, topic, withFakeTime } from '../stage.ts'

withFakeTime()

const partitionOf = { topic, partition: 0 }

const offsetsIn = ({ batch }: EachBatchPayload): string[] => batch.messages.map(({ offset }) => offset)

test('a batch handler that returns has handled the batch, control records at its end included', async () => {
  const stage = new Stage({ batches: true })
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1], { last: 4 })
  await stage.handlers.end('0/0')
  expect(stage.queue(0).progress.mark).toBe(5n)
})

test('a batch that is broken off by a drain counts as far as it was resolved', async () => {
  const stage = await staged({ batches: true })
  const { resolveOffset, isRunning } = batchIn(stage, '0/0')
  resolveOffset('0')
  expect(isRunning()).toBe(true)
  const closed = stage.dispatcher.close(1000)
  expect(isRunning()).toBe(false)
  await stage.handlers.end('0/0')
  expect(await closed).toBe(false)
  expect([stage.queue(0).progress.mark, stage.factsOf('handler.failed')]).toEqual([1n, []])
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1, 2])
  expect(offsetsIn(batchIn(stage, '0/1'))).toEqual(['1', '2'])
  expect(batchIn(stage, '0/1').batch.firstOffset()).toBe('1')
})

test('a batch handler that returns during a drain, and was not told of it, has handled the batch', async () => {
  const stage = await staged({ batches: true })
  expect(batchIn(stage, '0/0').isRunning()).toBe(true)
  const closed = stage.dispatcher.close(1000)
  await stage.handlers.end('0/0')
  expect(await closed).toBe(false)
  expect(stage.queue(0).progress.mark).toBe(3n)
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
    const closed = stage.dispatcher.close(0)
    await vi.advanceTimersByTimeAsync(0)
    end()
    expect(await closed).toBe(false)
    expect(stage.queue(0).progress.mark).toBe(what === 'reads' ? 1n : 3n)
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
  expect(stage.queue(0).progress.mark).toBe(2n)
  expect(stage.factsOf('handler.failed')).toMatchObject([{ offset: '2', attempt: 1 }])
  await vi.advanceTimersByTimeAsync(125 + 200)
  expect(stage.queue(0).progress.mark).toBe(3n)
  expect(stage.factsOf('handler.gave-up')).toEqual([])
})

test('a batch handler that has resolved all of it when it returns at its signal has not failed', async () => {
  const stage = await staged({
    handlerTimeoutMs: 300,
    eachBatch: ({ resolveOffset, signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolveOffset('2')
          resolve()
        })
      }),
  })
  await vi.advanceTimersByTimeAsync(300)
  await settled()
  expect([stage.queue(0).progress.mark, stage.factsOf('handler.failed')]).toEqual([3n, []])
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
  const closed = stage.dispatcher.close(1000)
  open()
  await closed
  expect([seen, stage.queue(0).progress.mark]).toEqual([['0'], 1n])
  close()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [1, 2, 3])
  stage.dispatcher.seek(partitionOf, 3n)
  open()
  await settled()
  expect([seen, stage.queue(0).progress.mark]).toEqual([['0', '1'], 3n])
  await stage.offer(0, [3])
  expect([seen, stage.queue(0).progress.mark]).toEqual([['0', '1', '3'], 4n])
})

test('a batch during which there was a seek is stale and moves no mark', async () => {
  const stage = await staged({ batches: true })
  const { isStale, resolveOffset } = batchIn(stage, '0/0')
  expect(isStale()).toBe(false)
  stage.dispatcher.seek(partitionOf, 1n)
  expect(isStale()).toBe(true)
  resolveOffset('2')
  await stage.handlers.end('0/0')
  expect([stage.queue(0).progress.mark, stage.factsOf('handler.failed')]).toEqual([1n, []])
})

test('a batch that throws after a part of it was resolved is tried again from there', async () => {
  const stage = await staged({ batches: true, handlerRetries: 1 })
  batchIn(stage, '0/0').resolveOffset('0')
  await stage.handlers.at('0/0').throw('no')
  await vi.advanceTimersByTimeAsync(125)
  expect(offsetsIn(batchIn(stage, '0/1'))).toEqual(['1', '2'])
  batchIn(stage, '0/1').resolveOffset('1')
  await stage.handlers.at('0/1').throw('no')
  // It came further, so the message that it fails for now has tries of its own.
  expect(stage.factsOf('handler.failed').map(({ offset, attempt }) => [offset, attempt])).toEqual([
    ['1', 1],
    ['2', 1],
  ])
  await vi.advanceTimersByTimeAsync(125)
  await stage.handlers.at('0/2').throw('no')
  expect(stage.factsOf('handler.gave-up')).toMatchObject([{ offset: '2', decision: 'pause' }])
  expect(stage.queue(0).progress.mark).toBe(2n)
})

test.each([0, 1])(
  'a batch that throws after all of it was resolved is not tried again: %i retries',
  async (retries) => {
    const stage = await staged({ batches: true, handlerRetries: retries })
    batchIn(stage, '0/0').resolveOffset('2')
    await stage.handlers.at('0/0').throw('too late')
    await vi.advanceTimersByTimeAsync(1000)
    expect(stage.handlers.log).toEqual(['0/0'])
    expect(stage.queue(0).progress.mark).toBe(3n)
    expect([stage.factsOf('handler.failed').length, stage.factsOf('handler.gave-up')]).toEqual([1, []])
  },
)

test('a batch that a policy skips counts as handled', async () => {
  const stage = await staged({ batches: true, onHandlerError: () => 'skip' })
  await stage.handlers.at('0/0').throw('no')
  expect(stage.queue(0).progress.mark).toBe(3n)
})

test('suppressed messages are counted once, however often the batch is looked at', async () => {
  const stage = await staged({ batches: true })
  const resume = batchIn(stage, '0/0').pause()
  await stage.handlers.end('0/0')
  resume()
  await settled()
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.dispatcher.handler.suppressed).toBe(0)
})

test('a batch of which a part was handled before is given without it, and what is left out is counted', async () => {
  const stage = await staged({ batches: true })
  batchIn(stage, '0/0').resolveOffset('1')
  await stage.handlers.end('0/0')
  await stage.assign({ 0: 0n })
  await stage.offer(0, [1, 2, 3], { fetchedAt: 1 })
  expect(stage.handlers.log).toEqual(['0/0', '0/3'])
  expect(stage.dispatcher.handler.suppressed).toBe(2)
  await stage.handlers.end('0/3')
  await stage.offer(0, [4, 5])
  // A whole batch is given as it came.
  expect(batchIn(stage, '0/4').batch.lastOffset()).toBe('5')
  expect(Object.getPrototypeOf(batchIn(stage, '0/4').batch)).toBe(Object.prototype)
  expect(stage.dispatcher.handler.suppressed).toBe(2)
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
  expect([stage.queue(0).progress.mark, stage.dispatcher.paused()]).toEqual([1n, [partitionOf]])
})

test('a stretch of the log without messages is stepped over without a call', async () => {
  const stage = new Stage({ batches: true })
  const { assignment } = await stage.assign({ 0: 0n })
  stage.dispatcher.pass(partitionOf, 0n, '4', assignment)
  await settled()
  expect([stage.handlers.log, stage.queue(0).progress.mark]).toEqual([[], 5n])
})

test('a batch of which nothing is left is not handed out, and its control records are stepped over', async () => {
  const stage = await staged({ batches: true })
  await stage.handlers.end('0/0')
  await stage.offer(0, [1, 2], { fetchedAt: 1, last: 4 })
  expect(stage.handlers.log).toEqual(['0/0'])
  expect([stage.queue(0).progress.mark, stage.dispatcher.handler.suppressed]).toEqual([5n, 2])
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
  expect(stage.queue(0).progress.mark).toBe(0n)
})

test('the payload of a batch shows its signal, as KafkaJS shows its own parts', async () => {
  const stage = await staged({ batches: true })
  expect(Object.keys(batchIn(stage, '0/0')).toSorted()).toEqual([
    ...['batch', 'commitOffsetsIfNecessary', 'heartbeat', 'isRunning', 'isStale', 'pause', 'resolveOffset'],
    ...['signal', 'uncommittedOffsets'],
  ])
})
