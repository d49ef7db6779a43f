// The offsets that a batch handler resolves, asks for and has committed.
import { expect, test, vi } from 'vitest'
import { Assignment } from '../../../actors/delivery/assignment.ts'
import { batchIn, Stage, staged, topic, withFakeTime } from '../stage.ts'

withFakeTime(0)

test('resolved offsets advance the mark before the batch is done', async () => {
  const stage = await staged({ batches: true })
  const { resolveOffset, uncommittedOffsets, commitOffsetsIfNecessary } = batchIn(stage, '0/0')
  resolveOffset('1')
  expect(stage.queue(0).progress.mark).toBe(2n)
  resolveOffset('0')
  expect(stage.queue(0).progress.mark).toBe(2n)
  expect(uncommittedOffsets()).toEqual({ topics: [{ topic, partitions: [{ partition: 0, offset: '2' }] }] })
  // Nothing is due yet: what was handled is committed by its interval.
  await commitOffsetsIfNecessary()
  expect(stage.commits).toBe(0)
  await vi.advanceTimersByTimeAsync(1000)
  await commitOffsetsIfNecessary()
  await commitOffsetsIfNecessary()
  expect(stage.commits).toBe(1)
})

test('with offsets a batch handler commits those at once, and moves no mark', async () => {
  const stage = await staged({ batches: true })
  const { resolveOffset, uncommittedOffsets, commitOffsetsIfNecessary } = batchIn(stage, '0/0')
  await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition: 0, offset: '1' }] }] })
  expect(stage.queue(0).progress.mark).toBe(0n)
  resolveOffset('1')
  await commitOffsetsIfNecessary(uncommittedOffsets())
  const partitions = [{ partition: 3, offset: '8' }]
  await commitOffsetsIfNecessary({ topics: [{ topic: 'bills', partitions }] })
  expect(stage.queue(0).progress.mark).toBe(2n)
  expect(stage.named).toEqual([[`${topic}/0@1`], [`${topic}/0@2`], ['bills/3@8']])
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
  expect(stage.queue(0).progress.mark).toBe(3n)
})

test('resolving the last message of a batch resolves the control records behind it', async () => {
  const stage = new Stage({ batches: true })
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1], { last: 4 })
  batchIn(stage, '0/0').resolveOffset('1')
  expect(stage.queue(0).progress.mark).toBe(5n)
})

test('uncommitted offsets are given topic by topic, and offsets without topics are those', async () => {
  const stage = new Stage({ batches: true })
  const partitions = [
    { topic: 'bills', partition: 3 },
    { topic, partition: 0 },
  ]
  stage.dispatcher.begin(new Assignment(1, 1, { bills: [3], [topic]: [0] }), stage.reader)
  for (const each of partitions) {
    const queue = stage.dispatcher.queueOf(each)
    queue.progress.resetTo(5n, -1)
    queue.open = true
  }
  await stage.offer(0, [5])
  const { uncommittedOffsets, commitOffsetsIfNecessary } = batchIn(stage, '0/5')
  expect(uncommittedOffsets().topics).toEqual(
    partitions.map((each) => ({ topic: each.topic, partitions: [{ partition: each.partition, offset: '5' }] })),
  )
  // KafkaJS takes this, although its types do not say so.
  await commitOffsetsIfNecessary({} as Parameters<typeof commitOffsetsIfNecessary>[0])
  expect(stage.commits).toBe(1)
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
