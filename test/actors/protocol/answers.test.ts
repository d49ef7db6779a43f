// Answers on their way to KafkaJS: what is hidden, what is kept, and that KafkaJS's own decoders read the result.
import protocol from 'kafkajs/src/protocol/requests/index.js'
import { expect, test } from 'vitest'
import { emptyFetchAnswer, readFetch } from '../../../actors/protocol/fetch-answers.ts'
import { answerHeaderBytes, apiKeys } from '../../../actors/protocol/frames.ts'
import {
  findCoordinatorAnswer,
  groupErrorOf,
  leaveGroupAnswer,
  offsetFetchAnswer,
  offsetFetchErrorOf,
  readJoin,
  readOffsetCommit,
  readOffsetFetch,
  readSync,
} from '../../../actors/protocol/group-answers.ts'
import { coordinatorNodeId, nodeAddress, nodeOfName } from '../../../actors/protocol/node-names.ts'
import { readFetchRequest } from '../../../actors/protocol/requests.ts'
import { apiVersionsAnswer } from '../../../actors/protocol/versions.ts'
import { answerFrame, fetchBody, int16, int32, int64, list, offsetFetchBody, requestFrame, text } from '../bytes.ts'

/** What KafkaJS reads in an answer frame. */
const asKafkaJs = (name: string, version: number, frame: Buffer): Promise<unknown> => {
  const found = protocol.requests[name]
  if (!found) throw new Error(`KafkaJS has no request ${name}`)
  return found.protocol({ version })({ topics: [], maxWaitTime: 1 }).response.decode(frame.subarray(answerHeaderBytes))
}

/** Node 1 answers, and leads every partition. */
const leads = () => 1

test.each([3, 5, 6, 9, 13, 56, 74, 75, 78, 100])(
  'fetch error %i of a partition passes as nothing new',
  async (error) => {
    const frame = answerFrame(
      1,
      fetchBody(10, {
        orders: [
          { partition: 0, error },
          { partition: 1, highWatermark: 9n },
        ],
      }),
    )
    const { stale, partitions } = readFetch(frame, 10, 1, leads)
    expect(stale).toBe(true)
    expect(partitions.map(({ errorCode }) => errorCode)).toEqual([error, 0])
    expect(await asKafkaJs('Fetch', 10, frame)).toMatchObject({
      responses: [
        {
          topicName: 'orders',
          partitions: [
            { errorCode: 0, partition: 0 },
            { errorCode: 0, partition: 1 },
          ],
        },
      ],
    })
  },
)

test.each([
  [1, 'out of range'],
  [29, 'not authorized'],
])('fetch error %i of a leader, %s, stays', async (error) => {
  const frame = answerFrame(1, fetchBody(10, { orders: [{ partition: 0, error }] }))
  expect(readFetch(frame, 10, 1, leads).stale).toBe(false)
  expect(await asKafkaJs('Fetch', 10, frame)).toMatchObject({ responses: [{ partitions: [{ errorCode: error }] }] })
})

test('an offset that only a follower finds out of range passes: leaders are looked up instead', async () => {
  const frame = answerFrame(1, fetchBody(11, { orders: [0, 1].map((partition) => ({ partition, error: 1 })) }))
  expect(readFetch(frame, 11, 1, (_topic, partition) => (partition === 1 ? 1 : 2)).stale).toBe(true)
  expect(await asKafkaJs('Fetch', 11, frame)).toMatchObject({
    // KafkaJS would prefer the replica that answered for as long as that preference lasts: it is told the leader instead.
    responses: [{ partitions: [{ errorCode: 0, preferredReadReplica: 2 }, { errorCode: 1 }] }],
  })
})

test.each([10, 11] as const)(
  'fetch %i is summed up behind aborted transactions and records, which are left as they are',
  (version) => {
    const records = Buffer.from('not read here')
    const frame = answerFrame(
      1,
      fetchBody(version, {
        orders: [{ partition: 4, highWatermark: 12n, lastStableOffset: 10n, aborted: 2, records }],
        bills: [{ partition: 0, highWatermark: 3n, lastStableOffset: 3n }],
      }),
    )
    frame.writeInt32BE(700, answerHeaderBytes)
    const before = Buffer.from(frame)
    const bytes = records.length
    expect(readFetch(frame, version, 1, leads)).toMatchObject({
      throttleMs: 700,
      stale: false,
      recordBytes: bytes,
      partitions: [
        { topic: 'orders', partition: 4, errorCode: 0, highWatermark: 12n, lastStableOffset: 10n },
        { topic: 'bills', partition: 0, errorCode: 0, highWatermark: 3n, lastStableOffset: 3n },
      ],
    })
    expect(frame).toEqual(before)
  },
)

test('committed offsets are read with what was written beside them, and KafkaJS reads where reading begins', async () => {
  const frame = answerFrame(1, offsetFetchBody({ orders: { 0: -1n, 1: 40n }, bills: { 0: 7n } }))
  expect(readOffsetFetch(frame)).toEqual([
    { topic: 'orders', partition: 0, offset: -1n, metadata: 'by us', errorCode: 0 },
    { topic: 'orders', partition: 1, offset: 40n, metadata: 'by us', errorCode: 0 },
    { topic: 'bills', partition: 0, offset: 7n, metadata: 'by us', errorCode: 0 },
  ])
  const answer = offsetFetchAnswer([
    { topic: 'orders', partition: 0, offset: 12n },
    { topic: 'bills', partition: 0, offset: 7n },
    { topic: 'orders', partition: 1, offset: 45n },
  ])
  expect(await asKafkaJs('OffsetFetch', 4, answer.answer())).toMatchObject({
    errorCode: 0,
    responses: [
      {
        topic: 'orders',
        partitions: [
          { partition: 0, offset: '12' },
          { partition: 1, offset: '45' },
        ],
      },
      { topic: 'bills', partitions: [{ partition: 0, offset: '7' }] },
    ],
  })
  expect(offsetFetchErrorOf(answerFrame(1, offsetFetchBody({}, 16)))).toBe(16)
})

test('KafkaJS reads every answer that is made up for it', async () => {
  const versions = (await asKafkaJs('ApiVersions', 2, apiVersionsAnswer(10).answer())) as {
    apiVersions: { apiKey: number; minVersion: number; maxVersion: number }[]
  }
  const { fetch, listOffsets, metadata, findCoordinator, joinGroup, syncGroup, heartbeat, leaveGroup } = apiKeys
  const ofGroups = [joinGroup, syncGroup, heartbeat, leaveGroup, apiKeys.offsetFetch, apiKeys.offsetCommit]
  const spoken = [fetch, listOffsets, metadata, findCoordinator, ...ofGroups, apiKeys.apiVersions]
  expect(versions.apiVersions.map(({ apiKey }) => apiKey).sort()).toEqual(spoken.sort())
  for (const { minVersion, maxVersion } of versions.apiVersions) expect(minVersion).toBe(maxVersion)
  expect(versions.apiVersions.find(({ apiKey }) => apiKey === apiKeys.fetch)?.maxVersion).toBe(10)
  expect(await asKafkaJs('GroupCoordinator', 2, findCoordinatorAnswer().answer())).toMatchObject({
    errorCode: 0,
    coordinator: { nodeId: coordinatorNodeId, host: `node-${coordinatorNodeId}`, port: 9092 },
  })
  expect(await asKafkaJs('LeaveGroup', 3, leaveGroupAnswer().answer())).toMatchObject({ errorCode: 0, members: [] })
  for (const version of [10, 11])
    expect(await asKafkaJs('Fetch', version, emptyFetchAnswer().answer())).toMatchObject({
      errorCode: 0,
      responses: [],
    })
})

test('a commit of KafkaJS is read and answered without any broker', async () => {
  const partition = (id: number) => Buffer.concat([int32(id), int64(5n), text(null)])
  const request = requestFrame(
    apiKeys.offsetCommit,
    5,
    3,
    ...[
      text('group'),
      int32(2),
      text('member'),
      list([Buffer.concat([text('orders'), list([partition(0), partition(4)])])]),
    ],
  )
  const { partitions, answer } = readOffsetCommit(request)
  expect(partitions).toEqual([
    { topic: 'orders', partition: 0 },
    { topic: 'orders', partition: 4 },
  ])
  expect(await asKafkaJs('OffsetCommit', 5, answer.answer())).toMatchObject({
    responses: [
      {
        topic: 'orders',
        partitions: [
          { partition: 0, errorCode: 0 },
          { partition: 4, errorCode: 0 },
        ],
      },
    ],
  })
})

test('member id, leader and generation are read from a join, the id of MEMBER_ID_REQUIRED included', () => {
  const join = (error: number, generation: number, member: string) =>
    answerFrame(1, int32(0), int16(error), int32(generation), text('range'), text('leader'), text(member), list([]))
  expect(readJoin(join(0, 4, 'm-1'))).toEqual({ errorCode: 0, generation: 4, leaderId: 'leader', memberId: 'm-1' })
  expect(readJoin(join(79, -1, 'm-2'))).toEqual({ errorCode: 79, generation: -1, leaderId: 'leader', memberId: 'm-2' })
  expect(groupErrorOf(join(79, -1, 'm-2'))).toBe(79)
})

test('constant names lead back to their node, and no other host does', () => {
  expect(nodeAddress(7)).toBe('node-7:9092')
  expect(['node-7', 'node-', 'node-x', 'xnode-7', '10.0.0.1'].map(nodeOfName)).toEqual([7, ...Array(4).fill(undefined)])
})

/** The header of a record batch in this format, of this leader epoch, with so many bytes behind it: offsets 40 to 42. */
function batchBytes(magic: number, epoch: number, bytes: number): Buffer {
  const header = Buffer.alloc(27)
  header.writeBigInt64BE(40n)
  header.writeInt32BE(2, 23)
  header.writeInt32BE(15 + bytes, 8)
  header.writeInt32BE(epoch, 12)
  header.writeInt8(magic, 16)
  return Buffer.concat([header, Buffer.alloc(bytes)])
}

test.each([
  ['several batches', [batchBytes(2, 3, 40), batchBytes(2, 3, 7), batchBytes(2, 5, 0)], 3, 5],
  ['a last batch that is cut off', [batchBytes(2, 3, 40), batchBytes(2, 4, 99).subarray(0, 30)], 3, 4],
  ['a last batch cut off in its header', [batchBytes(2, 3, 40), batchBytes(2, 4, 9).subarray(0, 26)], 3, 3],
  ['an old format, which has no epochs', [batchBytes(1, 77, 40)], -1, -1],
  ['no records', [], -1, -1],
] as const)('leader epochs of %s are read from the records', (_what, records, firstEpoch, lastEpoch) => {
  const frame = answerFrame(1, fetchBody(10, { orders: [{ partition: 0, records: Buffer.concat([...records]) }] }))
  const lastOffset = firstEpoch < 0 ? -1n : 42n
  expect(readFetch(frame, 10, 1, leads).partitions).toMatchObject([{ firstEpoch, lastEpoch, lastOffset }])
})

test('what a fetch asks for is read, and where', () => {
  const partition = (id: number, from: bigint) => [int32(id), int32(-1), int64(from), int64(-1n), int32(100)]
  const head = [int32(-1), int32(10), int32(1), int32(1000), Buffer.from([1]), int32(0), int32(-1)]
  const topic = Buffer.concat([
    text('orders'),
    list([Buffer.concat(partition(0, 5n)), Buffer.concat(partition(3, 77n))]),
  ])
  expect(readFetchRequest(requestFrame(apiKeys.fetch, 10, 1, ...head, list([topic]), list([])))).toEqual([
    { topic: 'orders', partition: 0, from: 5n },
    { topic: 'orders', partition: 3, from: 77n },
  ])
})

test('the assignment in a sync is read; none where the group gives nothing', () => {
  const assignment = Buffer.concat([
    int16(0),
    list([
      Buffer.concat([text('orders'), list([int32(2), int32(0)])]),
      Buffer.concat([text('bills'), list([int32(1)])]),
    ]),
    int32(0),
  ])
  const sync = (bytes: Buffer) => answerFrame(1, int32(0), int16(0), int32(bytes.length), bytes)
  expect(readSync(sync(assignment))).toEqual({ orders: [2, 0], bills: [1] })
  expect(readSync(sync(Buffer.alloc(0)))).toEqual({})
})
