// The handler slots: how many queues are worked at a time, whose turn it is, and when a slot is given back.
import { expect, test, vi } from 'vitest'
import { Stage, staged, withFakeTime } from '../stage.ts'

withFakeTime()

test('at most `concurrency` partitions are worked at a time, and a free slot goes to the one that waits', async () => {
  const stage = new Stage({ concurrency: 2 })
  await stage.assign({ 0: 0n, 1: 0n, 2: 0n })
  for (const partition of [0, 1, 2]) await stage.offer(partition, [0, 1])
  expect(stage.handlers.log).toEqual(['0/0', '1/0'])
  await stage.handlers.end('1/0', '1/1')
  expect(stage.handlers.log).toEqual(['0/0', '1/0', '1/1', '2/0'])
})

test('a partition that has had its slice of time gives its slot to one that waits, and comes back', async () => {
  const stage = new Stage({ concurrency: 1 })
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, [0, 1, 2])
  await stage.offer(1, [0])
  await vi.advanceTimersByTimeAsync(150)
  await stage.handlers.end('0/0')
  expect(stage.handlers.log).toEqual(['0/0', '1/0'])
  await stage.handlers.end('1/0')
  await stage.handlers.end('0/1', '0/2')
  expect(stage.handlers.log).toEqual(['0/0', '1/0', '0/1', '0/2'])
  expect(stage.queue(0).progress.mark).toBe(3n)
})

test('a partition with more batches gives its slot to one that waits, between two of them', async () => {
  const stage = new Stage({ concurrency: 1 })
  await stage.assign({ 0: 0n, 1: 0n })
  for (const offset of [0, 1]) await stage.offer(0, [offset])
  await stage.offer(1, [0])
  await stage.handlers.end('0/0', '1/0', '0/1')
  expect(stage.handlers.log).toEqual(['0/0', '1/0', '0/1'])
})

test('a handler that was given up frees its slot for other partitions', async () => {
  const stage = new Stage({ concurrency: 1 })
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, [0])
  const closed = stage.dispatcher.close(0)
  await vi.advanceTimersByTimeAsync(500)
  await closed
  await stage.assign({ 0: 0n, 1: 0n }, 2)
  await stage.offer(1, [0])
  expect(stage.handlers.log).toEqual(['0/0', '1/0'])
  await stage.handlers.end('1/0', '0/0')
  await stage.offer(0, [0, 1])
  await stage.offer(1, [1])
  expect(stage.handlers.log).toEqual(['0/0', '1/0', '0/1'])
})

test('a partition keeps its slot for its slice of time, and beyond it while nobody waits', async () => {
  const stage = await staged({ concurrency: 1 })
  await vi.advanceTimersByTimeAsync(150)
  await stage.handlers.end('0/0')
  await stage.offer(1, [0])
  // Its slice was over before anybody waited, and counts for the whole batch.
  await stage.handlers.end('0/1')
  expect(stage.handlers.log).toEqual(['0/0', '0/1', '1/0'])
  const other = await staged({ concurrency: 1 })
  await other.offer(1, [0])
  await vi.advanceTimersByTimeAsync(100)
  await other.handlers.end('0/0')
  expect(other.handlers.log).toEqual(['0/0', '0/1'])
})

test('a handler that is given up frees one slot, once, whenever it ends', async () => {
  const stage = new Stage({ concurrency: 1 })
  await stage.assign({ 0: 0n, 1: 0n, 2: 0n })
  await stage.offer(0, [0])
  const closed = stage.dispatcher.close(0)
  await vi.advanceTimersByTimeAsync(500)
  expect(await closed).toBe(true)
  await stage.assign({ 0: 0n, 1: 0n, 2: 0n })
  await stage.handlers.end('0/0')
  for (const partition of [1, 2]) await stage.offer(partition, [0])
  expect(stage.handlers.atWork.map(({ at }) => at)).toEqual(['1/0'])
})

test('of several that wait each gets the slot that becomes free, in turn', async () => {
  const stage = new Stage({ concurrency: 1 })
  await stage.assign({ 0: 0n, 1: 0n, 2: 0n, 3: 0n })
  for (const partition of [0, 1, 2, 3]) await stage.offer(partition, [0])
  stage.pause(1)
  await stage.handlers.end('0/0')
  // The paused one lets its turn go by.
  expect(stage.handlers.log).toEqual(['0/0', '2/0'])
  await stage.handlers.end('2/0', '3/0')
  expect(stage.handlers.log).toEqual(['0/0', '2/0', '3/0'])
})

test('a drain that had to give a handler up leaves other partitions their slots', async () => {
  const stage = new Stage({ concurrency: 2 })
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, [0])
  const closed = stage.dispatcher.close(0)
  await vi.advanceTimersByTimeAsync(500)
  await closed
  await stage.assign({ 1: 0n, 2: 0n, 3: 0n })
  for (const partition of [1, 2, 3]) await stage.offer(partition, [0])
  expect(stage.handlers.atWork.map(({ at }) => at)).toEqual(['0/0', '1/0', '2/0'])
})

test('a handler that resumes its partition as it begins is at work once', async () => {
  const log: string[] = []
  const stage: Stage = new Stage({
    eachMessage: ({ message }) => {
      log.push(message.offset)
      stage.resume(0)
      return new Promise(() => {})
    },
  })
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1])
  expect(log).toEqual(['0'])
})
