// Batches of records that are joined: what one producer would have written at once.
import { expect, test } from 'vitest'
import { callOf, checksum, encodeCall } from '../../../actors/kafkajs/calls.ts'
import { readProduce } from '../../../actors/protocol/produce.ts'
import { isJoinable, joined } from '../../../actors/protocol/record-batch.ts'

interface Message {
  readonly value: string
  readonly timestamp: number
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A batch as KafkaJS writes it. */
async function batchOf(
  messages: readonly Message[],
  { producerId = -1, compression = 0, isInTransaction = false } = {},
) {
  const frame = await encodeCall(
    callOf('Produce', 7, {
      ...{ acks: -1, timeout: 1000, compression, producerId, producerEpoch: 0 },
      transactionalId: isInTransaction ? 'payments' : null,
      topicData: [{ topic: 'orders', partitions: [{ partition: 0, firstSequence: 0, messages }] }],
    }),
    'orders-service',
  )
  const [batch] = readProduce(frame).partitions
  if (!batch) throw new Error('there is no batch')
  return batch.records
}

const at = (timestamp: number, count = 1): Message[] =>
  Array.from({ length: count }, (_, index) => ({
    ...{ timestamp: timestamp + index, value: 'x'.repeat((7 * index) % 300) },
    ...(index % 3 === 0 && { key: `key-${index}`, headers: { trace: `${index}` } }),
  }))

test.each<[string, Message[][]]>([
  ['two single messages', [at(1000), at(1001)]],
  ['many, of different lengths', [at(1000, 40), at(1100, 3), at(1200, 200)]],
  ['an earlier one behind a later one', [at(5000, 2), at(1000, 2)]],
  ['times that are far apart', [at(1_000_000_000_000), at(1_800_000_000_000), at(1_000_000_000_020)]],
  ['one alone', [at(1000, 2)]],
])('%s are joined to what is written at once', async (_, parts) => {
  const batches = await Promise.all(parts.map((part) => batchOf(part)))
  expect(batches.every(isJoinable)).toBe(true)
  expect(joined(batches, checksum)).toEqual(await batchOf(parts.flat()))
})

test.each<[string, Parameters<typeof batchOf>[1]]>([
  ['numbered', { producerId: 4 }],
  ['compressed', { compression: 1 }],
  ['in a transaction', { isInTransaction: true }],
])('a batch that is %s can not be joined', async (_, options) => {
  expect(isJoinable(await batchOf(at(1000), options))).toBe(false)
})

test('two batches behind each other can not be joined with others', async () => {
  const batch = await batchOf(at(1000))
  expect(isJoinable(Buffer.concat([batch, batch]))).toBe(false)
})
