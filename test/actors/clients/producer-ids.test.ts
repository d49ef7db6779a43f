// The sequences of idempotent producers, and the ids under which they go on.
import { beforeEach, expect, test } from 'vitest'
import { type ProducerId, ProducerIds } from '../../../actors/clients/producer-ids.ts'
import { checksum } from '../../../actors/kafkajs/calls.ts'
import { type ProducedPartition, readProduce } from '../../../actors/protocol/produce.ts'
import { request } from './clients-stage.ts'

let created: number
let ids: ProducerIds
let create: () => Promise<ProducerId>

beforeEach(() => {
  created = 0
  create = async () => ({ id: BigInt(100 + created++), epoch: 0 })
  ids = new ProducerIds(() => create())
})

/** A batch as KafkaJS writes it. */
async function batchOf(firstSequence: number, { messages = 1, partition = 0, producerId = 4, producerEpoch = 0 } = {}) {
  const values = Array.from({ length: messages }, (_, index) => ({ value: `message ${index}` }))
  const frame = await request('Produce', 7, {
    ...{ transactionalId: null, acks: -1, timeout: 1000, compression: 0, producerId, producerEpoch },
    topicData: [{ topic: 'orders', partitions: [{ partition, firstSequence, messages: values }] }],
  })
  return readProduce(frame).partitions[0] as ProducedPartition
}
/** The writing that it goes out under. */
const writingOf = async (batch: ProducedPartition) => {
  const writing = ids.writingOf(batch)
  return writing.isOver ? ids.renewed(batch) : writing
}

test('a batch with the right sequence goes out as it is', async () => {
  const batch = await batchOf(0, { messages: 3 })
  const writing = await writingOf(batch)
  expect(writing.numbered(batch)).toBe(batch)
  writing.wrote(batch)
  const next = await batchOf(3)
  expect((await writingOf(next)).numbered(next)).toBe(next)
})

test('a sequence that the client has taken back, though it is written, is put right with the checksum', async () => {
  const batch = await batchOf(0, { messages: 3 })
  const writing = await writingOf(batch)
  writing.wrote(batch)
  const again = writing.numbered(await batchOf(0))
  expect(again).toMatchObject({ producerId: 4n, producerEpoch: 0, sequence: 3 })
  expect(again.records.readInt32BE(53)).toBe(3)
  expect(again.records.readUInt32BE(17)).toBe(checksum(again.records.subarray(21)))
  expect(again.records.subarray(57)).toEqual((await batchOf(0)).records.subarray(57))
})

test('a sequence that the client has gone on from, though it was refused, is put right', async () => {
  const batch = await batchOf(0, { messages: 3 })
  const writing = await writingOf(batch)
  writing.refused(batch)
  expect(writing.numbered(await batchOf(3))).toMatchObject({ sequence: 0 })
})

test('behind the last sequence comes 0', async () => {
  const batch = await batchOf(2 ** 31 - 2, { messages: 3 })
  const writing = await writingOf(batch)
  writing.wrote(writing.numbered(batch))
  expect(writing.numbered(await batchOf(0))).toMatchObject({ sequence: 1 })
})

test('a producer that can not know what it has written goes on under one new id, from the beginning', async () => {
  const batch = await batchOf(7)
  const old = await writingOf(batch)
  old.isOver = true
  const [one, other] = await Promise.all([writingOf(batch), writingOf(await batchOf(9, { partition: 1 }))])
  expect(one).toBe(other)
  expect(one.numbered(batch)).toMatchObject({ producerId: 100n, producerEpoch: 0, sequence: 0 })
  expect(created).toBe(1)
  expect(await writingOf(batch)).toBe(one)
})

test('where no broker gives an id it is asked for again with the next batch', async () => {
  const batch = await batchOf(7)
  ;(await writingOf(batch)).isOver = true
  const good = create
  create = () => Promise.reject(new Error('nobody is there'))
  await expect(writingOf(batch)).rejects.toThrow('nobody is there')
  create = good
  expect((await writingOf(batch)).numbered(batch)).toMatchObject({ producerId: 100n })
})

test('with a new epoch a producer is another one', async () => {
  const batch = await batchOf(7)
  ;(await writingOf(batch)).isOver = true
  const next = await batchOf(0, { producerEpoch: 1 })
  expect((await writingOf(next)).numbered(next)).toBe(next)
})

test('of many producers those that have written nothing for longest are forgotten', async () => {
  const [first, second] = [await batchOf(0), await batchOf(0, { producerId: 5 })]
  const [one, two] = [await writingOf(first), await writingOf(second)]
  for (let producerId = 6; producerId < 1004; producerId++)
    await writingOf({ ...first, producerId: BigInt(producerId) })
  expect(await writingOf(first)).toBe(one)
  for (let producerId = 1004; producerId < 1006; producerId++)
    await writingOf({ ...first, producerId: BigInt(producerId) })
  expect(await writingOf(first)).toBe(one)
  expect(await writingOf(second)).not.toBe(two)
})
