// The requests by which load is measured, byte by byte, and the answers to them.
import { expect, test } from 'vitest'
import { encodeCall } from '../../../actors/kafkajs/calls.ts'
import { loadCalls } from '../../../actors/kafkajs/load-calls.ts'
import { int16, int32, int64, list, requestFrame, text } from '../bytes.ts'

test('the sizes of all replicas are asked for', async () => {
  expect(await encodeCall(loadCalls.replicaSizes(), 'orders-service')).toEqual(requestFrame(35, 1, 0, int32(-1)))
})

const replica = (partition: number, size: bigint, isFuture = 0) =>
  Buffer.concat([int32(partition), int64(size), int64(0n), Buffer.from([isFuture])])
const directory = (errorCode: number, ...topics: Buffer[]) =>
  Buffer.concat([int16(errorCode), text('/data'), list(topics)])

test('the sizes of replicas are read over all disks, without those that are on their way to another one', async () => {
  const orders = Buffer.concat([text('orders'), list([replica(0, 10n), replica(1, 5_000_000_000n)])])
  const moving = Buffer.concat([text('orders'), list([replica(0, 4n, 1)])])
  const body = Buffer.concat([int32(0), list([directory(0, orders), directory(0, moving), directory(56)])])
  expect(await loadCalls.replicaSizes().decode(body)).toEqual({
    errorCode: 56,
    replicas: [
      { topic: 'orders', partition: 0, size: 10 },
      { topic: 'orders', partition: 1, size: 5_000_000_000 },
    ],
  })
})

test('all that a group has committed is asked for', async () => {
  const expected = requestFrame(9, 4, 0, text('readers'), int32(-1))
  expect(await encodeCall(loadCalls.committed('readers'), 'orders-service')).toEqual(expected)
})

/** A batch of so many bytes and offsets, with so many records left. */
function batch(bytes: number, offsets: number, records = offsets, magic = 2): Buffer {
  const written = Buffer.alloc(bytes)
  written.writeInt32BE(bytes - 12, 8)
  written.writeInt8(magic, 16)
  written.writeInt32BE(offsets - 1, 23)
  written.writeInt32BE(records, 57)
  return written
}

const fetched = (errorCode: number, ...batches: Buffer[]): Buffer => {
  const records = Buffer.concat(batches)
  const head = [int32(3), int16(errorCode), int64(0n), int64(0n), int64(0n), int32(-1)]
  const partition = Buffer.concat([...head, int32(records.length), records])
  return Buffer.concat([int32(0), int16(0), int32(0), list([Buffer.concat([text('orders'), list([partition])])])])
}
const places = [{ topic: 'orders', partitions: [{ partition: 3, from: 7n }] }]

test.each([
  ['whole', [batch(100, 5), batch(300, 10)], { bytes: 400, offsets: 15 }],
  ['cut behind its header', [batch(100, 5), batch(300, 10).subarray(0, 61)], { bytes: 400, offsets: 15 }],
  ['cut in its header', [batch(100, 5), batch(300, 10).subarray(0, 60)], { bytes: 100, offsets: 5 }],
  ['compacted', [batch(100, 5), batch(80, 10, 1), batch(200, 5)], { bytes: 300, offsets: 10 }],
  ['of an older format', [batch(100, 5, 5, 1)], { bytes: 0, offsets: 0 }],
  ['shorter than its header', [batch(100, 5), Buffer.alloc(70)], { bytes: 100, offsets: 5 }],
])('of batches that are %s the headers are read', async (_, batches, found) => {
  const answer = await loadCalls.batches(places, 1000).decode(fetched(0, ...batches))
  expect(answer).toEqual([{ topic: 'orders', partition: 3, errorCode: 0, ...found }])
})

test('a fetch of batches waits for nothing and asks for so many bytes of each partition', async () => {
  const call = loadCalls.batches([...places, { topic: 'bills', partitions: [{ partition: 0, from: 1n }] }], 1000)
  const partition = (number: number, from: bigint) =>
    Buffer.concat([int32(number), int32(-1), int64(from), int64(-1n), int32(1000)])
  const topics = [['orders', partition(3, 7n)] as const, ['bills', partition(0, 1n)] as const]
  const asked = topics.map(([topic, one]) => Buffer.concat([text(topic), list([one])]))
  const head = [int32(-1), int32(0), int32(0), int32(2000), Buffer.from([0]), int32(0), int32(-1)]
  const expected = requestFrame(1, 10, 0, ...head, list(asked), list([]))
  expect(await encodeCall(call, 'orders-service')).toEqual(expected)
})
