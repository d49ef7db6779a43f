// A reading of a cluster, from answers as brokers write them.
import { expect, test } from 'vitest'
import { readTopology } from '../../../actors/balancer/topology.ts'
import {
  apiKeyOf,
  apiKeys,
  apiVersionOf,
  errorCodes,
  FrameWriter,
  requestBodyOffset,
} from '../../../actors/protocol/frames.ts'

const numbers = (writer: FrameWriter, list: readonly number[]) => {
  writer.int32(list.length)
  for (const each of list) writer.int32(each)
}

function metadata(): Buffer {
  const writer = new FrameWriter().int32(0).int32(2)
  writer.int32(1).string('kafka-1').int32(9092).string('a')
  writer.int32(2).string('kafka-2').int32(9092).string(null)
  writer.string('ours').int32(1).int32(3)
  const topic = (error: number, name: string, isInternal: boolean, partitions: number) =>
    writer
      .int16(error)
      .string(name)
      .int8(isInternal ? 1 : 0)
      .int32(partitions)
  const partition = (error: number, id: number, leader: number, isr: readonly number[]) => {
    writer.int16(error).int32(id).int32(leader)
    for (const list of [[1, 2], isr, []]) numbers(writer, list)
  }
  topic(0, 'orders', false, 2)
  partition(0, 0, 2, [2, 1])
  partition(errorCodes.leaderNotAvailable, 1, -1, [])
  topic(0, '__consumer_offsets', true, 1)
  partition(0, 0, 1, [1])
  topic(errorCodes.topicAuthorizationFailed, 'secret', false, 0)
  return writer.answer()
}

function reassignments(errorCode: number): Buffer {
  const writer = new FrameWriter().varint(0).int32(0).int16(errorCode).varint(0)
  const list = (ids: readonly number[]) => {
    writer.varint(ids.length + 1)
    for (const id of ids) writer.int32(id)
  }
  writer.varint(2).compactString('orders').varint(2).int32(0)
  for (const ids of [[3, 1, 2], [3], [1]]) list(ids)
  return writer.varint(0).varint(0).varint(0).answer()
}

function asking(errorCode = 0) {
  const asked: Buffer[] = []
  const ask = async (frame: Buffer) => {
    asked.push(frame)
    return apiKeyOf(frame) === apiKeys.metadata ? metadata() : reassignments(errorCode)
  }
  return { asked, ask }
}

test('brokers, partitions and what is under way are read', async () => {
  const { ask } = asking()
  const orders = { topic: 'orders', replicas: [1, 2], isInternal: false }
  expect(await readTopology(ask, 'balancer')).toEqual({
    brokers: [
      { id: 1, rack: 'a' },
      { id: 2, rack: null },
    ],
    partitions: [
      { ...orders, partition: 0, leader: 2, isr: [2, 1] },
      { ...orders, partition: 1, leader: -1, isr: [] },
      { topic: '__consumer_offsets', partition: 0, leader: 1, replicas: [1, 2], isr: [1], isInternal: true },
    ],
    underWay: [{ topic: 'orders', partition: 0, adding: [3], removing: [1] }],
  })
})

test('all topics are asked for, and none is made by that', async () => {
  const { asked, ask } = asking()
  await readTopology(ask, 'balancer')
  const [first, second] = asked
  expect(asked.map((frame) => [apiKeyOf(frame), apiVersionOf(frame)])).toEqual([
    [apiKeys.metadata, 6],
    [apiKeys.listPartitionReassignments, 0],
  ])
  expect(first?.subarray(requestBodyOffset(first)).toString('hex')).toBe('ffffffff00')
  // Tags of the header, a timeout of 5 s, all topics, tags.
  expect(second?.subarray(requestBodyOffset(second)).toString('hex')).toBe('00000013880000')
})

test.each([
  [errorCodes.clusterAuthorizationFailed, 'not-authorized', 'CLUSTER_AUTHORIZATION_FAILED'],
  [errorCodes.notController, 'unreachable', '41'],
])(
  'where reassignments are not listed (error %i) it is not known what may be moved: %s',
  async (errorCode, kind, code) => {
    const { ask } = asking(errorCode)
    await expect(readTopology(ask, 'balancer')).rejects.toMatchObject({ failure: { kind, code } })
  },
)

test('the signal of the caller goes along', async () => {
  const signal = AbortSignal.abort(new Error('enough'))
  const ask = (_: Buffer, given?: AbortSignal) => Promise.reject(given?.reason)
  await expect(readTopology(ask, 'balancer', signal)).rejects.toThrow('enough')
})
