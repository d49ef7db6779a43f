// Answers on their way to KafkaJS: what is hidden, what is kept, and that KafkaJS's own decoders read the result.
import protocol from 'kafkajs/src/protocol/requests/index.js'
import { expect, test } from 'vitest'
import {
  apiVersionsAnswer,
  emptyFetchAnswer,
  findCoordinatorAnswer,
  groupErrorOf,
  heartbeatAnswer,
  hideMetadata,
  leaveGroupAnswer,
  nodeAddress,
  nodeOfName,
  offsetFetchErrorOf,
  readFetch,
  readJoin,
  readOffsetCommit,
  readOffsetFetch,
} from '../../actors/answers.ts'
import { answerHeaderBytes, apiKeys } from '../../actors/frames.ts'
import { coordinatorNodeId } from '../../actors/kafka.ts'
import {
  answerFrame,
  fetchBody,
  int16,
  int32,
  int64,
  list,
  metadataBody,
  offsetFetchBody,
  requestFrame,
  text,
} from './bytes.ts'

/** What KafkaJS reads in an answer frame. */
const asKafkaJs = (name: string, version: number, frame: Buffer): Promise<unknown> => {
  const found = protocol.requests[name]
  if (!found) throw new Error(`KafkaJS has no request ${name}`)
  return found.protocol({ version })({ topics: [], maxWaitTime: 1 }).response.decode(frame.subarray(answerHeaderBytes))
}

const places = [
  { nodeId: 1, host: '10.0.0.1', port: 9092, rack: 'eu-1' },
  { nodeId: 2, host: 'b2.example', port: 9093 },
]

test('KafkaJS sees constant names, the nodes it knew, and the coordinator as a node of its own', async () => {
  const frame = answerFrame(
    9,
    metadataBody('ours', places, [{ topic: 'orders', partitions: [{ partition: 0, leader: 2 }] }]),
  )
  const { answer, leaderless } = hideMetadata(frame, [1, 3])
  expect(leaderless).toBe(false)
  const read = (await asKafkaJs('Metadata', 6, answer.answer())) as { brokers: { nodeId: number; host: string }[] }
  expect(new Map(read.brokers.map(({ nodeId, host }) => [nodeId, host]))).toEqual(
    new Map([
      [1, 'node-1'],
      [3, 'node-3'],
      [coordinatorNodeId, `node-${coordinatorNodeId}`],
      [2, 'node-2'],
    ]),
  )
  expect(read).toMatchObject({
    clusterId: 'ours',
    controllerId: 1,
    topicMetadata: [
      {
        topicErrorCode: 0,
        topic: 'orders',
        partitionMetadata: [{ partitionErrorCode: 0, partitionId: 0, leader: 2, replicas: [1, 2], isr: [1] }],
      },
    ],
  })
})

test('errors of single partitions are hidden and a missing leader is told, errors of topics stay', async () => {
  const topics = [
    {
      topic: 'orders',
      partitions: [
        { partition: 0, leader: -1, error: 5 },
        { partition: 1, leader: 1, error: 9 },
      ],
    },
    { topic: 'gone', error: 3, partitions: [] },
  ]
  const { answer, leaderless } = hideMetadata(answerFrame(9, metadataBody('ours', places, topics)), [])
  expect(leaderless).toBe(true)
  expect(await asKafkaJs('Metadata', 6, answer.answer())).toMatchObject({
    topicMetadata: [
      { topicErrorCode: 0, partitionMetadata: [{ partitionErrorCode: 0, leader: -1 }, { partitionErrorCode: 0 }] },
      { topicErrorCode: 3, topic: 'gone' },
    ],
  })
})

test('a metadata answer that ends too early throws and is never taken for a short one', () => {
  const frame = answerFrame(
    9,
    metadataBody('ours', places, [{ topic: 'orders', partitions: [{ partition: 0, leader: 1 }] }]),
  )
  for (let bytes = answerHeaderBytes; bytes < frame.length; bytes++)
    expect(() => hideMetadata(frame.subarray(0, bytes), []), `${bytes} bytes`).toThrow(RangeError)
})

const leads = () => true

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
    const { stale, partitions } = readFetch(frame, 10, leads)
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
  expect(readFetch(frame, 10, leads).stale).toBe(false)
  expect(await asKafkaJs('Fetch', 10, frame)).toMatchObject({ responses: [{ partitions: [{ errorCode: error }] }] })
})

test('an offset that only a follower finds out of range passes: leaders are looked up instead', async () => {
  const frame = answerFrame(1, fetchBody(11, { orders: [0, 1].map((partition) => ({ partition, error: 1 })) }))
  expect(readFetch(frame, 11, (topic, partition) => topic === 'orders' && partition === 1).stale).toBe(true)
  expect(await asKafkaJs('Fetch', 11, frame)).toMatchObject({
    responses: [{ partitions: [{ errorCode: 0 }, { errorCode: 1 }] }],
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
    const before = Buffer.from(frame)
    const bytes = records.length
    expect(readFetch(frame, version, leads)).toEqual({
      stale: false,
      recordBytes: bytes,
      partitions: [
        { topic: 'orders', partition: 4, errorCode: 0, highWatermark: 12n, lastStableOffset: 10n, recordBytes: bytes },
        { topic: 'bills', partition: 0, errorCode: 0, highWatermark: 3n, lastStableOffset: 3n, recordBytes: 0 },
      ],
    })
    expect(frame).toEqual(before)
  },
)

test('where reading begins is written into the committed offsets that KafkaJS reads', async () => {
  const frame = answerFrame(1, offsetFetchBody({ orders: { 0: -1n, 1: 40n }, bills: { 0: 7n } }))
  const found = readOffsetFetch(frame)
  expect(found.map(({ topic, partition, offset }) => [topic, partition, offset])).toEqual([
    ['orders', 0, -1n],
    ['orders', 1, 40n],
    ['bills', 0, 7n],
  ])
  found[0]?.start(12n)
  found[1]?.start(45n)
  expect(await asKafkaJs('OffsetFetch', 4, frame)).toMatchObject({
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
  const { saslHandshake, saslAuthenticate, offsetForLeaderEpoch, ...spoken } = apiKeys
  expect(versions.apiVersions.map(({ apiKey }) => apiKey).sort()).toEqual(Object.values(spoken).sort())
  for (const { minVersion, maxVersion } of versions.apiVersions) expect(minVersion).toBe(maxVersion)
  expect(versions.apiVersions.find(({ apiKey }) => apiKey === apiKeys.fetch)?.maxVersion).toBe(10)
  expect(await asKafkaJs('GroupCoordinator', 2, findCoordinatorAnswer().answer())).toMatchObject({
    errorCode: 0,
    coordinator: { nodeId: coordinatorNodeId, host: `node-${coordinatorNodeId}`, port: 9092 },
  })
  expect(await asKafkaJs('Heartbeat', 3, heartbeatAnswer(27).answer())).toMatchObject({ errorCode: 27 })
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

test('member id and generation are read from a join, the id of MEMBER_ID_REQUIRED included', () => {
  const join = (error: number, generation: number, member: string) =>
    answerFrame(1, int32(0), int16(error), int32(generation), text('range'), text('leader'), text(member), list([]))
  expect(readJoin(join(0, 4, 'm-1'))).toEqual({ errorCode: 0, generation: 4, memberId: 'm-1' })
  expect(readJoin(join(79, -1, 'm-2'))).toEqual({ errorCode: 79, generation: -1, memberId: 'm-2' })
  expect(groupErrorOf(join(79, -1, 'm-2'))).toBe(79)
})

test('constant names lead back to their node, and no other host does', () => {
  expect(nodeAddress(7)).toBe('node-7:9092')
  expect(['node-7', 'node-', 'node-x', 'xnode-7', '10.0.0.1'].map(nodeOfName)).toEqual([7, ...Array(4).fill(undefined)])
})
