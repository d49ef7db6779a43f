// The frames of a static member.
import { expect, test } from 'vitest'
import { calls, encodeCall } from '../../../actors/kafkajs/calls.ts'
import { apiKeys, FrameReader, requestBodyOffset } from '../../../actors/protocol/frames.ts'
import { withGroupInstanceId } from '../../../actors/protocol/requests.ts'
import { int32, list, requestFrame, text } from '../bytes.ts'

const group = { groupId: 'orders', memberId: 'pod-0-1' }

test.each(['', 'pod-0-1'])('a join of member %o is given its id, and stays what it was', (memberId) => {
  const joinOf = (groupInstanceId: string | null) =>
    requestFrame(
      ...([apiKeys.joinGroup, 5, 7, text('orders'), int32(30_000), int32(60_000), text(memberId)] as const),
      ...[text(groupInstanceId), text('consumer'), list([text('plan'), text('topics')])],
    )
  expect(withGroupInstanceId(joinOf(null), 'pod-0')).toEqual(joinOf('pod-0'))
})

test('so is a sync', () => {
  const syncOf = (groupInstanceId: string | null) =>
    requestFrame(
      ...([apiKeys.syncGroup, 3, 7, text('orders'), int32(4), text('pod-0-1'), text(groupInstanceId)] as const),
      list([text('pod-0-1'), text('all')]),
    )
  expect(withGroupInstanceId(syncOf(null), 'pod-0')).toEqual(syncOf('pod-0'))
})

test('its id stands in every request of the group', async () => {
  const member = { ...group, generation: 7, groupInstanceId: 'pod-0' }
  const heartbeat = await encodeCall(calls.heartbeat(member), 'orders-service')
  const head = (frame: Buffer) => {
    const reader = new FrameReader(frame, requestBodyOffset(frame))
    return { reader, fields: [reader.string(), reader.int32(), reader.string(), reader.string()] }
  }
  expect(head(heartbeat).fields).toEqual(['orders', 7, 'pod-0-1', 'pod-0'])
  const partitions = [
    { partition: 3, offset: '9', metadata: 'text' },
    { partition: 4, offset: '1' },
  ]
  const commit = await encodeCall(calls.offsetCommit(member, [{ topic: 'orders', partitions }]), 'orders-service')
  expect([commit.readInt16BE(4), commit.readInt16BE(6)]).toEqual([apiKeys.offsetCommit, 7])
  const { reader, fields } = head(commit)
  expect(fields).toEqual(['orders', 7, 'pod-0-1', 'pod-0'])
  const read: unknown[] = []
  reader.array(() => {
    read.push(reader.string())
    reader.array(() => read.push([reader.int32(), reader.int64(), reader.int32(), reader.string()]))
  })
  expect(read).toEqual(['orders', [3, 9n, -1, 'text'], [4, 1n, -1, null]])
  expect(reader.at).toBe(commit.length)
})

test('who is no static member commits in version 5', async () => {
  const commit = await encodeCall(
    calls.offsetCommit({ ...group, generation: 7 }, [{ topic: 'orders', partitions: [] }]),
    'orders-service',
  )
  expect(commit.readInt16BE(6)).toBe(5)
})
