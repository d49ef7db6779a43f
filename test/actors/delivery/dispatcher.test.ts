// The dispatcher: order, marks, fences and positions, with handlers that end when the test says so.
import { expect, test, vi } from 'vitest'
import { Stage, settled, topic, withFakeTime } from '../stage.ts'

withFakeTime()

test('messages of a partition are handled one after the other, and the mark follows', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  await stage.offer(0, [5, 6])
  await stage.offer(0, [7])
  expect(stage.handlers.log).toEqual(['0/5'])
  await stage.handlers.end('0/5')
  expect(stage.handlers.log).toEqual(['0/5', '0/6'])
  expect(stage.queue(0).progress.mark).toBe(6n)
  await stage.handlers.end('0/6', '0/7')
  expect(stage.handlers.log).toEqual(['0/5', '0/6', '0/7'])
  expect(stage.queue(0).progress.mark).toBe(8n)
})

test('a mark steps over offsets that compaction removed and over control records at the end', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  await stage.offer(0, [8, 12], { last: 15, fetchedAt: 5 })
  expect(stage.queue(0).progress.mark).toBe(5n)
  await stage.handlers.end('0/8')
  expect(stage.queue(0).progress.mark).toBe(9n)
  await stage.handlers.end('0/12')
  expect(stage.queue(0).progress.mark).toBe(16n)
})

test('what was handled here already is not handed out again', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  await stage.offer(0, [5, 6])
  await stage.handlers.end('0/5', '0/6')
  expect((await stage.assign({ 0: 5n })).starts).toEqual([7n])
  await stage.offer(0, [5, 6, 7])
  expect(stage.handlers.log).toEqual(['0/5', '0/6', '0/7'])
  expect(stage.dispatcher.handler.suppressed).toBe(2)
})

test('what was fetched of a paused partition is forgotten, and fetched again from the mark when it goes on', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, [0, 1])
  for (const offset of [2, 3]) await stage.offer(0, [offset])
  await vi.advanceTimersByTimeAsync(200)
  stage.pause(0)
  expect(stage.dispatcher.prefetchBudget.held).toBe(0)
  stage.reader.log.length = 0
  await stage.handlers.end('0/0')
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.reader.log).toEqual([])
  expect(stage.dispatcher.paused()).toEqual([{ topic, partition: 0 }])
  stage.resume(0)
  expect(stage.reader.log).toEqual(['seek 0 1', 'resume 0'])
  await stage.offer(0, [1, 2])
  await stage.handlers.end('0/1', '0/2')
  expect(stage.queue(0).progress.mark).toBe(3n)
})

test('a pause that is taken back while the handler is at work hands out nothing twice', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1])
  stage.pause(0)
  stage.resume(0)
  await stage.offer(0, [0, 1, 2])
  await stage.handlers.end('0/0', '0/1', '0/2')
  expect(stage.handlers.log).toEqual(['0/0', '0/1', '0/2'])
  expect(stage.queue(0).progress.mark).toBe(3n)
})

test('a paused topic keeps partitions paused that are assigned later, until the topic is resumed', async () => {
  const stage = new Stage()
  stage.dispatcher.pause({ topic })
  await stage.assign({ 0: 0n })
  expect(stage.reader.log).toContain('pause 0')
  stage.begin([0, 1])
  expect(stage.reader.log.slice(-2)).toEqual(['pause 0', 'pause 1'])
  stage.dispatcher.resume({ topic })
  expect(stage.reader.log.slice(-2)).toEqual(['resume 0', 'resume 1'])
  expect(stage.dispatcher.paused()).toEqual([])
})

test('a topic that is resumed between two assignments is read after the second', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  stage.dispatcher.pause({ topic })
  await stage.assign({ 1: 0n })
  stage.dispatcher.resume({ topic })
  stage.reader.log.length = 0
  await stage.assign({ 0: 0n, 1: 0n })
  expect(stage.reader.log.filter((line) => /pause|resume/.test(line))).toEqual(['resume 0', 'resume 1'])
})

test('a pause survives a new assignment', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  stage.pause(0)
  stage.reader.log.length = 0
  await stage.assign({ 0: 0n, 1: 0n }, 2)
  expect(stage.reader.log).toEqual(['pause 0', 'resume 1'])
  await stage.offer(0, [0])
  expect(stage.handlers.log).toEqual([])
})

test('a batch of another assignment is fenced, with its fact', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 0n })
  await stage.assign({ 0: 0n }, 2)
  expect(stage.takeUnder(assignment, 0, [0])).toBeUndefined()
  expect(stage.takeUnder(undefined, 0, [0])).toBeUndefined()
  expect(stage.factsOf('batch.fenced')).toEqual([
    { type: 'batch.fenced', topic, partition: 0, generation: 1, offset: '0' },
    { type: 'batch.fenced', topic, partition: 0, generation: -1, offset: '0' },
  ])
  expect(stage.handlers.log).toEqual([])
})

test('a drain lets the handler at work end and hands out nothing more', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1])
  const closed = stage.dispatcher.close(1000)
  expect(stage.takeUnder(assignment, 0, [2])).toBeUndefined()
  expect(stage.handlers.at('0/0').signal.aborted).toBe(false)
  await stage.handlers.end('0/0')
  expect(await closed).toBe(false)
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.queue(0).progress.mark).toBe(1n)
  expect(stage.dispatcher.uncommitted().map(({ partition }) => partition)).toEqual([0])
})

test('a handler that does not end gets its signal at the deadline and is given up after its grace', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  const { signal } = stage.handlers.at('0/0')
  const closed = stage.dispatcher.close(1000)
  await vi.advanceTimersByTimeAsync(999)
  expect(signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(signal.aborted).toBe(true)
  await vi.advanceTimersByTimeAsync(500)
  expect(await closed).toBe(true)
})

test('a handler that ends on its signal is not given up', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  const call = stage.handlers.at('0/0')
  call.signal.addEventListener('abort', () => void call.end())
  const closed = stage.dispatcher.close(1000)
  await vi.advanceTimersByTimeAsync(1000)
  await settled()
  expect(await closed).toBe(false)
  expect(stage.queue(0).progress.mark).toBe(1n)
})

test('a stale result advances the mark with its fact, and the partition waits for that handler', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1])
  const closed = stage.dispatcher.close(0)
  await vi.advanceTimersByTimeAsync(500)
  expect(await closed).toBe(true)
  await stage.assign({ 0: 0n }, 2)
  await stage.offer(0, [0, 1])
  expect(stage.handlers.log).toEqual(['0/0'])
  await stage.handlers.end('0/0')
  expect(stage.factsOf('result.fenced')).toEqual([
    { type: 'result.fenced', topic, partition: 0, generation: 1, offset: '0' },
  ])
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
  expect(stage.dispatcher.handler.suppressed).toBe(1)
})

test('a partition that went elsewhere is no longer ours to commit', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, [0])
  await stage.offer(1, [0])
  await stage.handlers.end('0/0', '1/0')
  await stage.assign({ 1: 0n })
  expect(stage.dispatcher.uncommitted().map(({ partition }) => partition)).toEqual([1])
})

test('a seek drops what waits and reads from there; the handler at work before it moves no mark', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  await stage.offer(0, [10, 11, 12])
  stage.dispatcher.seek({ topic, partition: 0 }, 3n)
  expect(stage.reader.log).toContain('seek 0 3')
  await stage.handlers.end('0/10')
  expect(stage.queue(0).progress.mark).toBe(3n)
  await stage.offer(0, [3, 4])
  await stage.handlers.end('0/3', '0/4')
  expect(stage.handlers.log).toEqual(['0/10', '0/3', '0/4'])
  expect(stage.queue(0).progress.mark).toBe(5n)
})

test('a seek survives a new assignment, whatever the group has committed', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  stage.dispatcher.seek({ topic, partition: 0 }, 3n)
  expect((await stage.assign({ 0: 10n }, 2)).starts).toEqual([3n])
  expect(stage.queue(0).progress.uncommitted).toBe(3n)
})

test('a stretch of the log without messages is stepped over in its turn', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 5n, 1: 0n })
  await stage.offer(0, [5, 6])
  stage.dispatcher.pass({ topic, partition: 0 }, 7n, '9', assignment)
  stage.dispatcher.pass({ topic, partition: 1 }, 0n, '3', assignment)
  await settled()
  expect(stage.queue(1).progress.mark).toBe(4n)
  await stage.handlers.end('0/5')
  expect(stage.queue(0).progress.mark).toBe(6n)
  await stage.handlers.end('0/6')
  expect(stage.queue(0).progress.mark).toBe(10n)
})

test('a fetch that waits for room in a queue does not pause it once a seek has emptied it', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  for (const offset of [0, 1, 2, 3]) await stage.offer(0, [offset])
  stage.dispatcher.seek({ topic, partition: 0 }, 0n)
  await vi.advanceTimersByTimeAsync(200)
  expect(stage.reader.log).not.toContain('pause 0')
})

test('an assignment that comes after the stop has begun hands out nothing', async () => {
  const stage = new Stage()
  stage.dispatcher.finish()
  const { assignment } = await stage.assign({ 0: 0n })
  expect(stage.takeUnder(assignment, 0, [0])).toBeUndefined()
  expect(stage.handlers.log).toEqual([])
})
