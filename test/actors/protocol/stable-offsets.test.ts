// Offset fetches of KafkaJS as version 7, byte by byte, and the answers to them as KafkaJS reads them.
import { expect, test } from 'vitest'
import { callOf, encodeCall } from '../../../actors/kafkajs/calls.ts'
import { answerHeaderBytes, apiKeys } from '../../../actors/protocol/frames.ts'
import {
  committedOffsetsAnswer,
  isUnstable,
  readStableOffsets,
  stableOffsetFetch,
} from '../../../actors/protocol/stable-offsets.ts'
import { answerFrame, int16, int32, int64, list, requestFrame, text } from '../bytes.ts'

const bytes = (...values: number[]): Buffer => Buffer.from(values)
const compact = (value: string): Buffer => Buffer.concat([bytes(value.length + 1), Buffer.from(value)])
const noTags = bytes(0)

/** Version 7 with its flexible header. */
const asked = (...topics: Buffer[]) => {
  const header = [int16(apiKeys.offsetFetch), int16(7), int32(0), text('orders-service'), noTags]
  const frame = Buffer.concat([...header, compact('group'), ...topics, bytes(1), noTags])
  return Buffer.concat([int32(frame.length), frame])
}

test('an offset fetch of KafkaJS asks for the same partitions, and for stable offsets', async () => {
  const topics = [
    { topic: 'orders', partitions: [{ partition: 0 }, { partition: 300 }] },
    { topic: 'bills', partitions: [{ partition: 2 }] },
  ]
  const request = await encodeCall(callOf('OffsetFetch', 4, { groupId: 'group', topics }), 'orders-service')
  const orders = [compact('orders'), bytes(3), int32(0), int32(300), noTags]
  const bills = [compact('bills'), bytes(2), int32(2), noTags]
  expect(stableOffsetFetch(request, 'orders-service')).toEqual(asked(bytes(3), ...orders, ...bills))
})

test('null, which asks for all partitions of a group, stays null, and an empty list stays empty', () => {
  const request = (topics: Buffer) => requestFrame(apiKeys.offsetFetch, 4, 0, text('group'), topics)
  expect(stableOffsetFetch(request(int32(-1)), 'orders-service')).toEqual(asked(bytes(0)))
  expect(stableOffsetFetch(request(list([])), 'orders-service')).toEqual(asked(bytes(1)))
})

const answered = (errorCode: number, ...partitions: Buffer[]) =>
  answerFrame(
    0,
    ...[noTags, int32(250), bytes(2), compact('orders'), bytes(partitions.length + 1), ...partitions],
    ...[noTags, int16(errorCode), noTags],
  )
const partition = (id: number, offset: bigint, metadata: Buffer, errorCode = 0, tags = noTags) =>
  Buffer.concat([int32(id), int64(offset), int32(9), metadata, int16(errorCode), tags])

test('KafkaJS reads what was answered, with fields stepped over that a later broker may add', async () => {
  const tagged = bytes(1, 0, 2, 7, 7)
  const frame = answered(0, partition(0, 7n, compact('by us'), 0, tagged), partition(300, -1n, bytes(0)))
  const { throttleTime, ...read } = (await callOf('OffsetFetch', 4, {}).decode(
    committedOffsetsAnswer(readStableOffsets(frame)).subarray(answerHeaderBytes),
  )) as { throttleTime: number }
  expect(throttleTime).toBe(0)
  expect(read).toEqual({
    clientSideThrottleTime: 250,
    responses: [
      {
        topic: 'orders',
        partitions: [
          { partition: 0, offset: '7', metadata: 'by us', errorCode: 0 },
          { partition: 300, offset: '-1', metadata: null, errorCode: 0 },
        ],
      },
    ],
    errorCode: 0,
  })
})

test('an error of the group is read, and one of a partition that is unstable', () => {
  expect(readStableOffsets(answered(16)).errorCode).toBe(16)
  const of = (errorCode: number) => readStableOffsets(answered(0, partition(0, -1n, bytes(0), errorCode)))
  expect([0, 3, 88].map((code) => isUnstable(of(code)))).toEqual([false, false, true])
  expect(of(88).errorCode).toBe(0)
})
