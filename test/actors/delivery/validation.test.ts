// Validation: records of a leader before and of a later one, in whatever order they come.
import { expect, test } from 'vitest'
import { Stage, settled, topic } from '../stage.ts'

const fetched = {
  ...{ topic, partition: 0, errorCode: 0, errorAt: 0 },
  ...{ highWatermark: 30n, lastStableOffset: 30n, recordBytes: 10 },
}
const fetchedWith = (firstEpoch: number, lastEpoch = firstEpoch, lastOffset = 29n) => [
  { ...fetched, firstEpoch, lastEpoch, lastOffset },
]

test('an answer of the old leader that comes after the validation hides no cut: the position keeps the epoch it was read in', async () => {
  const stage = new Stage()
  stage.ledIn = 7
  stage.reader.epochs.set(5, 20n)
  await stage.assign({ 0: { offset: 20n, metadata: 'relisten/1 - 1 5' } })
  await settled()
  const late = { ...fetched, firstEpoch: 5, lastEpoch: 5, lastOffset: 20n }
  expect(await stage.positions.validation.diverged([late])).toEqual([])
  await stage.offer(0, [20])
  await stage.handlers.end('0/20')
  const another = { ...fetched, firstEpoch: 7, lastEpoch: 7, lastOffset: 21n }
  expect(await stage.positions.validation.diverged([another])).toEqual([another])
})

test('a position that has moved since its validation is validated again at the end of the log, once', async () => {
  const stage = new Stage()
  stage.ledIn = 7
  stage.reader.epochs.set(5, 20n)
  await stage.assign({ 0: { offset: 20n, metadata: 'relisten/1 - 1 5' } })
  await settled()
  const nothing = { ...fetched, firstEpoch: -1, lastEpoch: -1, lastOffset: -1n, highWatermark: 21n }
  const looks = () => stage.reader.log.filter((line) => line.startsWith('look at epochs')).length
  await stage.positions.validation.diverged([{ ...nothing, highWatermark: 20n }])
  await settled()
  expect(looks()).toBe(1)
  await stage.offer(0, [20])
  await stage.handlers.end('0/20')
  // There is more to read, which will tell.
  await stage.positions.validation.diverged([{ ...nothing, highWatermark: 30n }])
  await settled()
  expect(looks()).toBe(1)
  stage.reader.end = 21n
  await stage.positions.validation.diverged([nothing])
  await settled()
  expect(looks()).toBe(2)
  expect(stage.factsOf('offsets.lost')).toMatchObject([{ from: '21', to: '21', next: '20', reason: 'truncated' }])
})

test('what KafkaJS holds of an old leader counts before a later one is judged, and is waited for but once', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 20n })
  expect(await stage.positions.validation.diverged(fetchedWith(5, 5, 20n))).toEqual([])
  stage.reader.epochs.set(5, 20n)
  expect(await stage.positions.validation.diverged(fetchedWith(7, 7, 21n))).toHaveLength(1)
  // Nothing has come of it.
  expect(await stage.positions.validation.diverged(fetchedWith(7, 7, 21n))).toEqual([])
})

test('an answer that begins in the epoch read before shows a cut as well, where an earlier leader has brought more of that epoch', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 20n })
  const { validation } = stage.positions
  // Two leaders were asked from 20 on. The first has 20 to 23, the log of the second was cut at 21 and goes on in epoch 6.
  expect(await validation.diverged(fetchedWith(5, 5, 23n))).toEqual([])
  await stage.offer(0, [20, 21, 22, 23])
  stage.reader.epochs.set(5, 21n)
  expect(await validation.diverged(fetchedWith(5, 6, 29n))).toHaveLength(1)
})

test('an answer that goes on from the epoch read before into the next one is whole where the position is in it', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 20n })
  const { validation } = stage.positions
  await validation.diverged(fetchedWith(5, 5, 19n))
  stage.queue(0).progress.leaderEpoch = 5
  stage.reader.epochs.set(5, 21n)
  expect(await validation.diverged(fetchedWith(5, 6, 29n))).toEqual([])
  expect(stage.queue(0).progress.leaderEpoch).toBe(6)
})

test('a log that was cut at the message a handler is at work on, while its partition is paused, is read again from there', async () => {
  const stage = new Stage()
  const orders = { topic, partition: 0 }
  await stage.assign({ 0: 20n })
  const { validation } = stage.positions
  await validation.diverged(fetchedWith(5, 5, 22n))
  await stage.offer(0, [20, 21, 22])
  // What waits is forgotten, and the position is that of the message at work again.
  stage.dispatcher.pause({ topic, partitions: [0] })
  stage.dispatcher.resume({ topic, partitions: [0] })
  stage.reader.epochs.set(5, 20n)
  stage.reader.end = 30n
  // KafkaJS holds what it was brought before; once that is gone, the message at work is still there.
  await validation.diverged(fetchedWith(6, 6, 29n))
  expect(await validation.diverged(fetchedWith(6, 6, 29n))).toHaveLength(1)
  stage.positions.reset(orders)
  await settled()
  await stage.handlers.end('0/20')
  expect(stage.queue(0).progress.mark).toBe(20n)
  expect(await validation.diverged(fetchedWith(6, 6, 29n))).toEqual([])
})

test('records of an earlier leader epoch than was read count only as far as its leader has that epoch', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 20n })
  await stage.positions.validation.diverged(fetchedWith(5, 7, 24n))
  stage.reader.epochs.set(5, 22n)
  // The answer of a leader whose log was cut at 22, and of one that was asked for the same again.
  expect(await stage.positions.validation.diverged(fetchedWith(5, 5, 22n))).toHaveLength(1)
  expect(await stage.positions.validation.diverged(fetchedWith(5, 5, 21n))).toEqual([])
  expect(stage.queue(0).progress.leaderEpoch).toBe(7)
})
