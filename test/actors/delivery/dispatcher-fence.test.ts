// The fence of the dispatcher: which batches count, whatever KafkaJS brings and when.
import { expect, test, vi } from 'vitest'
import { Stage, settled, topic, withFakeTime } from '../stage.ts'

withFakeTime()

test.each([
  ['ahead of the position', 0, [7], 7],
  ['of a partition that is not assigned', 5, [0], 0],
] as const)(
  'a batch %s is turned down, and its messages are not stepped over',
  async (_what, partition, offsets, fetchedAt) => {
    const stage = new Stage()
    await stage.assign({ 0: 5n })
    expect(stage.take(partition, offsets, { fetchedAt })).toBeUndefined()
    expect(stage.factsOf('batch.fenced')).toMatchObject([{ partition, offset: String(fetchedAt) }])
    expect(stage.queue(0).progress.mark).toBe(5n)
    expect(stage.reader.log.filter((line) => line.startsWith('seek'))).toEqual(partition === 0 ? ['seek 0 5'] : [])
  },
)

test('a batch that comes before the start position of its partition is known is turned down', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  await stage.offer(0, [5, 6, 7])
  await stage.handlers.end('0/5')
  const assignment = stage.begin([0])
  // Fetched behind what waited in the queue, answered late: the queue is empty now.
  expect(stage.takeUnder(assignment, 0, [8])).toBeUndefined()
  await stage.place({ 0: 6n })
  expect(stage.takeUnder(assignment, 0, [8])).toBeUndefined()
  await stage.handlers.end('0/6')
  expect(stage.queue(0).progress.mark).toBe(7n)
})

test('a stretch without messages that was fetched ahead of the position moves no mark', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 5n })
  stage.dispatcher.pass({ topic, partition: 0 }, 8n, '9', assignment)
  await settled()
  expect(stage.queue(0).progress.mark).toBe(5n)
  expect(stage.reader.log).toContain('seek 0 5')
})

test('a batch all of which is here already is not taken in again, and reading goes on behind it', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  await stage.offer(0, [5, 6, 7])
  expect(stage.take(0, [5, 6])).toBeUndefined()
  expect(stage.reader.log).toContain('seek 0 8')
  expect(stage.factsOf('batch.fenced')).toEqual([])
})

test('an assignment that follows without a drain ends the one before', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 0n })
  await stage.assign({ 0: 0n })
  expect(assignment.open).toBe(false)
})

test('a drain waits for a handler whose partition was being worked since an earlier assignment', async () => {
  const stage = new Stage({ concurrency: 1 })
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  const closed = stage.dispatcher.close(0)
  await vi.advanceTimersByTimeAsync(500)
  expect(await closed).toBe(true)
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, [0, 1])
  await stage.handlers.end('0/0')
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
  await stage.offer(1, [0])
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
  let isDrained = false
  const drained = stage.dispatcher.close(10_000).then((forced) => {
    isDrained = true
    return forced
  })
  await settled()
  expect(isDrained).toBe(false)
  await stage.handlers.end('0/1')
  expect(await drained).toBe(false)
})

test('a seek that was not committed ends with the assignment: by the next one others have moved on', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  stage.dispatcher.seek({ topic, partition: 0 }, 3n)
  await stage.assign({ 1: 0n })
  expect((await stage.assign({ 0: 10n })).starts).toEqual([10n])
  expect(stage.queue(0).progress.uncommitted).toBeUndefined()
})

test('what was handled here before a seek that nobody has committed is not handed out again', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1, 2])
  for (const offset of [0, 1, 2]) await stage.handlers.end(`0/${offset}`)
  stage.dispatcher.seek({ topic, partition: 0 }, 2n)
  await stage.assign({ 1: 0n })
  expect((await stage.assign({ 0: 0n })).starts).toEqual([2n])
})

test('a seek before the start position of a partition is known is where reading begins', async () => {
  const stage = new Stage()
  stage.begin([0])
  stage.dispatcher.seek({ topic, partition: 0 }, 3n)
  expect(await stage.place({ 0: 10n })).toEqual([3n])
  expect(stage.queue(0).progress.uncommitted).toBe(3n)
})
