// The retries of a handler: an outage of what it needs ends by itself, and what waits for it holds up nobody else.
import { expect, test, vi } from 'vitest'
import type { EachMessagePayload } from '../../../actors/kafkajs/consumer.ts'
import { Stage, settled, staged, topic, withFakeTime } from '../stage.ts'

withFakeTime()

const forEver = { handlerRetries: Number.POSITIVE_INFINITY, onHandlerError: 'retry' } as const
const partitionOf = { topic, partition: 0 }

/** A handler whose database is away; when each call was. */
function outage(options: { concurrency?: number; only?: number } = {}) {
  const calls: { readonly at: string; readonly ms: number }[] = []
  const state = { isOver: false }
  const stage = new Stage({
    ...forEver,
    ...options,
    eachMessage: async ({ partition, message }) => {
      calls.push({ at: `${partition}/${message.offset}`, ms: performance.now() })
      if (!state.isOver && partition === (options.only ?? partition)) throw new Error('the database is away')
    },
  })
  return { stage, calls, state }
}

test.each([
  ['four seconds', 4000],
  ['two hours', 2 * 3600 * 1000],
])('an outage of %s heals by itself, within the wait that was due', async (_how, lastsMs) => {
  const { stage, state } = outage()
  await stage.assign({ 0: 0n, 1: 0n })
  for (const partition of [0, 1]) await stage.offer(partition, [0, 1, 2])
  await vi.advanceTimersByTimeAsync(lastsMs)
  expect([0, 1].map((partition) => stage.queue(partition).progress.mark)).toEqual([0n, 0n])
  state.isOver = true
  await vi.advanceTimersByTimeAsync(Math.min(30_000, 2 * lastsMs))
  expect([0, 1].map((partition) => stage.queue(partition).progress.mark)).toEqual([3n, 3n])
  expect(stage.factsOf('handler.gave-up')).toEqual([])
})

test.each([
  [1 - Number.EPSILON, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]],
  [0.5, [125, 250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]],
])('the waits double from 250 ms to 30 s, evenly spread: at %d of them', async (random, waits) => {
  vi.mocked(Math.random).mockReturnValue(random)
  const { stage, calls } = outage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  await vi.advanceTimersByTimeAsync(120_000)
  expect(calls.slice(1, 10).map(({ ms }, index) => ms - (calls[index]?.ms ?? 0))).toEqual(waits)
})

test('while a partition waits for its next try others have its slot', async () => {
  const { stage, calls } = outage({ concurrency: 1, only: 0 })
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, [0])
  await stage.offer(1, [0, 1, 2])
  expect(calls.map(({ at }) => at)).toEqual(['0/0', '1/0', '1/1', '1/2'])
})

test('a rebalance ends the wait at once, and a new assignment begins its tries again', async () => {
  const { stage, calls } = outage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  await vi.advanceTimersByTimeAsync(10_000)
  const startedAt = performance.now()
  expect(await stage.dispatcher.close(10_000)).toBe(false)
  expect([performance.now() - startedAt, vi.getTimerCount()]).toEqual([0, 0])
  await vi.advanceTimersByTimeAsync(60_000)
  const before = calls.length
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  expect(calls).toHaveLength(before + 1)
  expect(stage.factsOf('handler.failed').at(-1)?.attempt).toBe(1)
})

test('a seek ends the wait at once', async () => {
  const { stage, calls } = outage({ only: 0 })
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1])
  await vi.advanceTimersByTimeAsync(60_000)
  const before = calls.length
  stage.dispatcher.seek(partitionOf, 1n)
  await stage.offer(0, [1])
  expect(calls.slice(before).map(({ at }) => at)).toEqual(['0/1'])
})

test('a pause and its resume end the wait at once, and the tries go on', async () => {
  const { stage, calls } = outage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  await vi.advanceTimersByTimeAsync(60_000)
  const tries = calls.length
  stage.pause(0)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toHaveLength(tries)
  stage.resume(0)
  await stage.offer(0, [0])
  expect(calls).toHaveLength(tries + 1)
  expect(stage.factsOf('handler.failed').at(-1)?.attempt).toBe(tries + 1)
})

test('a handler that pauses its partition and throws gets nothing of it before its resume, and has not failed', async () => {
  const calls: number[] = []
  const stage = new Stage({
    onHandlerError: 'stop',
    eachMessage: async ({ pause }: EachMessagePayload) => {
      calls.push(performance.now())
      const resume = pause()
      setTimeout(resume, 1500)
      throw new Error('too many requests')
    },
  })
  await stage.assign({ 0: 0n })
  const startedAt = performance.now()
  await stage.offer(0, [0, 1])
  for (let round = 1; round < 20; round++) {
    await vi.advanceTimersByTimeAsync(1500)
    await stage.offer(0, [0, 1])
  }
  expect(calls.map((ms) => ms - startedAt)).toEqual(Array.from({ length: 20 }, (_, round) => 1500 * round))
  expect(stage.factsOf('handler.failed').every(({ attempt }) => attempt === 1)).toBe(true)
  expect([stage.factsOf('handler.gave-up'), stage.factsOf('partition.degraded')]).toEqual([[], []])
})

test('while a policy takes its time others have the slot', async () => {
  let resolve = (_decision: 'skip') => {}
  const decision = new Promise<'skip'>((decide) => {
    resolve = decide
  })
  const stage = await staged({ concurrency: 1, onHandlerError: () => decision })
  await stage.offer(1, [0])
  await stage.handlers.at('0/0').throw('no')
  await stage.handlers.end('1/0')
  resolve('skip')
  await settled()
  expect(stage.handlers.log).toEqual(['0/0', '1/0', '0/1'])
})
