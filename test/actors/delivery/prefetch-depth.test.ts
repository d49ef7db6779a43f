// The prefetch depth: batches that wait beside the one at work, and the fetch that waits for room.
import { expect, test, vi } from 'vitest'
import { Stage, settled, topic, withFakeTime } from '../stage.ts'

withFakeTime()

/** Whether it has settled. */
function watched(promise: Promise<unknown> | undefined): () => boolean {
  let isSettled = false
  void promise?.then(() => {
    isSettled = true
  })
  return () => isSettled
}

test('a queue without room is paused after a moment, and resumed as soon as there is room again', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  stage.reader.log.length = 0
  for (const offset of [0, 1]) await stage.offer(0, [offset])
  const offered = stage.take(0, [2])
  await vi.advanceTimersByTimeAsync(199)
  expect(stage.reader.log).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  await offered
  expect(stage.reader.log).toEqual(['pause 0'])
  await stage.handlers.end('0/0')
  expect(stage.reader.log).toEqual(['pause 0'])
  await stage.handlers.end('0/1')
  expect(stage.reader.log).toEqual(['pause 0', 'resume 0'])
  await stage.handlers.end('0/2')
  expect(stage.queue(0).progress.mark).toBe(3n)
})

test('room that comes in time lets the fetch go on without a pause', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  stage.reader.log.length = 0
  for (const offset of [0, 1]) await stage.offer(0, [offset])
  const offered = stage.take(0, [2])
  await stage.handlers.end('0/0')
  await offered
  expect(stage.reader.log).toEqual([])
})

test('a seek frees a queue that its prefetch had paused', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  for (const offset of [0, 1, 2, 3]) await stage.offer(0, [offset])
  await vi.advanceTimersByTimeAsync(200)
  expect(stage.reader.log).toContain('pause 0')
  stage.reader.log.length = 0
  stage.dispatcher.seek({ topic, partition: 0 }, 0n)
  expect(stage.reader.log).toEqual(['seek 0 0', 'resume 0'])
})

test('a fetch that waits for room goes on when the assignment ends, and nothing is paused for it', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  for (const offset of [0, 1]) await stage.offer(0, [offset])
  const isThrough = watched(stage.take(0, [2]))
  await settled()
  expect(isThrough()).toBe(false)
  void stage.dispatcher.close(1000)
  await settled()
  expect(isThrough()).toBe(true)
  stage.reader.log.length = 0
  await vi.advanceTimersByTimeAsync(500)
  expect([stage.reader.log, [...stage.queue(0).pausedBy]]).toEqual([[], []])
})

test('two batches wait beside each other, and the fetch of the third one waits for room', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  const through = [0, 1, 2].map((offset) => watched(stage.take(0, [offset])))
  await settled()
  expect(through.map((is) => is())).toEqual([true, true, false])
  await stage.handlers.end('0/0')
  expect(through.map((is) => is())).toEqual([true, true, true])
  await vi.advanceTimersByTimeAsync(500)
  expect(stage.reader.log.filter((line) => line.startsWith('pause'))).toEqual([])
})

test('a partition that its prefetch paused is read again after the next assignment', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  for (const offset of [0, 1, 2]) await stage.offer(0, [offset])
  await vi.advanceTimersByTimeAsync(200)
  expect([...stage.queue(0).pausedBy]).toEqual(['prefetch'])
  stage.reader.log.length = 0
  stage.begin([0])
  expect([[...stage.queue(0).pausedBy], stage.reader.log]).toEqual([[], ['resume 0']])
})

test('a queue that is paused by its prefetch and by the user goes on when both are over', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  for (const offset of [0, 1, 2]) await stage.offer(0, [offset])
  await vi.advanceTimersByTimeAsync(200)
  stage.reader.log.length = 0
  stage.pause(0)
  // What was fetched is forgotten, so there is room; the user holds it still.
  expect([stage.reader.log, [...stage.queue(0).pausedBy]]).toEqual([['pause 0'], ['user']])
  stage.resume(0)
  expect(stage.reader.log).toEqual(['pause 0', 'seek 0 0', 'resume 0'])
})
