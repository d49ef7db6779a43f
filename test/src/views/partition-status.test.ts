// How far partitions are read, as `consumer.partitions()` says it.
import { expect, test, vi } from 'vitest'
import { partitionStatuses } from '../../../src/views/partition-status.ts'
import { Stage, withFakeTime } from '../../actors/stage.ts'

withFakeTime()

const ends = (end: bigint | undefined) => ({ of: () => end, refresh: vi.fn() })

test('a partition says what is handled, committed and left, and since when its handler is at work', async () => {
  const stage = new Stage({ concurrency: 1 })
  await stage.assign({ 0: 5n, 1: 0n })
  await stage.offer(0, [5, 6])
  await stage.handlers.end('0/5')
  await vi.advanceTimersByTimeAsync(300)
  const logs = ends(20n)
  const bufferedBytes = 2 * (100 + 3)
  expect(partitionStatuses(stage.dispatcher.assigned(), logs)).toEqual([
    {
      ...{ topic: 'orders', partition: 0, position: '6', committed: '5', end: '20', lag: 14 },
      ...{ bufferedBytes, paused: false, handlingSince: Date.now() - 300 },
    },
    {
      ...{ topic: 'orders', partition: 1, position: '0', committed: '0', end: '20', lag: 20 },
      ...{ bufferedBytes: 0, paused: false, handlingSince: null },
    },
  ])
  expect(logs.refresh).toHaveBeenCalledOnce()
})

test('what is not known is null, and a lag is never below zero', async () => {
  const stage = new Stage({})
  stage.begin([0])
  const [unplaced] = partitionStatuses(stage.dispatcher.assigned(), ends(20n))
  expect(unplaced).toMatchObject({ position: null, committed: null, end: '20', lag: null })
  await stage.place({ 0: 30n })
  const [ahead] = partitionStatuses(stage.dispatcher.assigned(), ends(20n))
  expect(ahead).toMatchObject({ position: '30', lag: 0 })
  const [endless] = partitionStatuses(stage.dispatcher.assigned(), undefined)
  expect(endless).toMatchObject({ end: null, lag: null })
})

test('a paused partition says so', async () => {
  const stage = new Stage({})
  await stage.assign({ 0: 0n })
  stage.pause(0)
  expect(partitionStatuses(stage.dispatcher.assigned(), ends(7n))).toMatchObject([{ paused: true, lag: 7 }])
})
