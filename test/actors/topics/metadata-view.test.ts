// What KafkaJS sees of the cluster: names, nodes, topics that went and came, and partitions that came later.
import protocol from 'kafkajs/src/protocol/requests/index.js'
import { expect, test } from 'vitest'
import { acquireProgress } from '../../../actors/delivery/progress.ts'
import { readMetadata, readTopicIds } from '../../../actors/protocol/cluster-description.ts'
import { answerHeaderBytes, apiKeys } from '../../../actors/protocol/frames.ts'
import { coordinatorNodeId } from '../../../actors/protocol/node-names.ts'
import { topicIdsRequest, topicsAsked } from '../../../actors/protocol/requests.ts'
import { MetadataView, type MetadataViewOptions } from '../../../actors/topics/metadata-view.ts'
import { Subscription } from '../../../actors/topics/subscription.ts'
import { Topics } from '../../../actors/topics/topics.ts'
import type { Fact } from '../../../machines/fact.ts'
import { answerFrame, int16, int32, list, metadataBody, requestFrame, text, topicIdsBody } from '../bytes.ts'
import { FakeCluster } from '../fake-cluster.ts'

const UNKNOWN_TOPIC = 3
const LEADER_NOT_AVAILABLE = 5

interface ReadTopic {
  readonly topic: string
  readonly topicErrorCode: number
  readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[]
}

/** What KafkaJS reads in a metadata answer. */
const asKafkaJs = (
  version: number,
  frame: Buffer,
): Promise<{ brokers: { nodeId: number; host: string }[]; topicMetadata: readonly ReadTopic[] }> => {
  const found = protocol.requests.Metadata
  if (!found) throw new Error('KafkaJS has no request Metadata')
  return found.protocol({ version })({ topics: [] }).response.decode(frame.subarray(answerHeaderBytes))
}

const places = [
  { nodeId: 1, host: '10.0.0.1', port: 9092, rack: 'eu-1' },
  { nodeId: 2, host: 'b2.example', port: 9093 },
]

function viewWith(options: Partial<MetadataViewOptions> = {}): MetadataView {
  const topics = options.topics ?? new Topics()
  const cluster = new FakeCluster()
  const { signal } = new AbortController()
  return new MetadataView({
    epoch: 1,
    topics,
    subscription: new Subscription({ subscribed: ['orders'], cluster, clientId: 'orders-service', topics, signal }),
    emit: () => {},
    isJoining: () => false,
    onGrown: () => {},
    onMissing: () => {},
    onRecreated: () => {},
    ...options,
  })
}

const described = (partitions: number, error = 0) =>
  readMetadata(
    answerFrame(
      1,
      metadataBody('ours', places, [
        {
          topic: 'orders',
          error,
          partitions: Array.from({ length: partitions }, (_, id) => ({ partition: id, leader: 1 })),
        },
      ]),
    ),
  )

const shownBy = async (view: MetadataView, description: ReturnType<typeof described>): Promise<ReadTopic | undefined> =>
  (await asKafkaJs(6, view.view(description, []).answer.answer())).topicMetadata[0]

test('KafkaJS sees constant names, the nodes it knew, and the coordinator as a node of its own', async () => {
  const frame = answerFrame(
    9,
    metadataBody('ours', places, [{ topic: 'orders', partitions: [{ partition: 0, leader: 2 }] }]),
  )
  const { answer, leaderless } = viewWith().view(readMetadata(frame), [1, 3])
  expect(leaderless).toBe(false)
  const read = await asKafkaJs(6, answer.answer())
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

test('errors of single partitions are hidden and a missing leader is told, errors of topics that never were stay', async () => {
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
  const { answer, leaderless } = viewWith().view(readMetadata(answerFrame(9, metadataBody('ours', places, topics))), [])
  expect(leaderless).toBe(true)
  expect(await asKafkaJs(6, answer.answer())).toMatchObject({
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
    expect(() => readMetadata(frame.subarray(0, bytes)), `${bytes} bytes`).toThrow(RangeError)
})

test('partitions that came later are shown when the group joins, and the session is told before', async () => {
  let isJoining = false
  let grown = 0
  const facts: Fact[] = []
  const view = viewWith({ isJoining: () => isJoining, onGrown: () => grown++, emit: (fact) => facts.push(fact) })
  expect((await shownBy(view, described(2)))?.partitionMetadata).toHaveLength(2)
  expect((await shownBy(view, described(3)))?.partitionMetadata).toHaveLength(2)
  expect(grown).toBe(1)
  isJoining = true
  expect((await shownBy(view, described(3)))?.partitionMetadata).toHaveLength(3)
  isJoining = false
  expect((await shownBy(view, described(3)))?.partitionMetadata).toHaveLength(3)
  expect(grown).toBe(1)
  expect(facts).toEqual([
    { type: 'topic.observed', topic: 'orders', topicId: null, partitions: 2 },
    { type: 'topic.grown', topic: 'orders', partitions: 3 },
  ])
})

test('a partition that the group gives us is shown, whether or not it was seen before', async () => {
  const view = viewWith()
  await shownBy(view, described(2))
  view.reveal({ orders: [2] })
  expect((await shownBy(view, described(4)))?.partitionMetadata.map(({ partitionId }) => partitionId)).toEqual([
    0, 1, 2,
  ])
})

test('a topic that is gone keeps its partitions without leaders until it is back, and both are told', async () => {
  const facts: Fact[] = []
  let missing = 0
  const view = viewWith({ emit: (fact) => facts.push(fact), onMissing: () => missing++ })
  await shownBy(view, described(2))
  const gone = await shownBy(view, described(0, UNKNOWN_TOPIC))
  expect(gone).toMatchObject({ topicErrorCode: 0, partitionMetadata: [{ leader: -1 }, { leader: -1 }] })
  await shownBy(view, described(0, UNKNOWN_TOPIC))
  await shownBy(view, described(0, LEADER_NOT_AVAILABLE))
  expect(missing).toBe(1)
  expect(await shownBy(view, described(2))).toMatchObject({ partitionMetadata: [{ leader: 1 }, { leader: 1 }] })
  expect(facts.map(({ type }) => type)).toEqual(['topic.observed', 'topic.missing', 'topic.found'])
})

test.each([
  { seen: 'another session of this process', partitions: 2, shown: 2 },
  { seen: 'an earlier life, which does not know how many partitions it has,', partitions: 0, shown: 1 },
])('a topic that is away and that $seen has seen is shown without leaders, and asked for again soon', async (given) => {
  const topics = new Topics()
  topics.recall('orders', given.partitions)
  const view = viewWith({ topics })
  const { answer, leaderless } = view.view(described(0, UNKNOWN_TOPIC), [])
  expect(leaderless).toBe(true)
  const [gone] = (await asKafkaJs(6, answer.answer())).topicMetadata
  expect(gone).toMatchObject({ topicErrorCode: 0 })
  expect(gone?.partitionMetadata.map(({ leader }) => leader)).toEqual(Array.from({ length: given.shown }, () => -1))
})

test('a topic that was made again is known by its id, and told', async () => {
  const facts: Fact[] = []
  const restarted: string[] = []
  const view = viewWith({ emit: (fact) => facts.push(fact), onRecreated: (topic) => restarted.push(topic) })
  const ids = ['a', 'b'].map((letter) => letter.repeat(32))
  for (const id of ids) await shownBy(view, readTopicIds(answerFrame(1, topicIdsBody(id))))
  expect(facts).toEqual([
    { type: 'topic.observed', topic: 'orders', topicId: ids[0], partitions: 1 },
    { type: 'topic.found', topic: 'orders', recreated: true },
  ])
  expect(restarted).toEqual(['orders'])
})

test('each session of a process reads a topic that was made again from its start, whoever saw it first', async () => {
  const restarted: string[] = []
  const topics = new Topics()
  const views = ['first', 'second'].map((name) => viewWith({ topics, onRecreated: () => restarted.push(name) }))
  for (const letter of ['a', 'b', 'b']) {
    for (const view of views) await shownBy(view, readTopicIds(answerFrame(1, topicIdsBody(letter.repeat(32)))))
  }
  expect(restarted).toEqual(['first', 'second'])
})

test.each([
  { before: 'a'.repeat(32), restarted: ['orders'] },
  { before: 'b'.repeat(32), restarted: [] },
  { before: undefined, restarted: ['orders'] },
])(
  'a session that begins while the topic with id $before is away restarts $restarted when one with id b is there',
  async ({ before, restarted }) => {
    const topics = new Topics()
    topics.recall('orders', 1, before)
    const told: string[] = []
    const view = viewWith({ topics, onRecreated: (topic) => told.push(topic) })
    await shownBy(view, described(0, UNKNOWN_TOPIC))
    // Another session of this process sees it first.
    topics.see([{ topic: 'orders', id: 'b'.repeat(32), errorCode: 0, partitions: 1 }])
    await shownBy(view, readTopicIds(answerFrame(1, topicIdsBody('b'.repeat(32)))))
    expect(told).toEqual(restarted)
  },
)

test('each consumer of a group is told what becomes of its topics, whoever saw it first', async () => {
  const told: Record<string, string[]> = { first: [], second: [], late: [] }
  const consumer = (name: string): MetadataView => {
    const { topics } = acquireProgress('orders-service')
    const emit = (fact: Fact) => {
      const { type, recreated } = fact as { type: string; recreated?: boolean }
      told[name]?.push(recreated ? `${type} made again` : type)
    }
    return viewWith({ topics, emit })
  }
  const views = [consumer('first'), consumer('second')]
  const there = (letter: string) => readTopicIds(answerFrame(1, topicIdsBody(letter.repeat(32))))
  const see = async (description: ReturnType<typeof described>) => {
    for (const view of views) await shownBy(view, description)
  }
  await see(there('a'))
  await see(described(0, UNKNOWN_TOPIC))
  views.push(consumer('late'))
  await see(described(0, UNKNOWN_TOPIC))
  await see(there('b'))
  await see(there('b'))
  await see(described(2))
  const whole = ['topic.observed', 'topic.missing', 'topic.found made again', 'topic.grown']
  expect(told).toEqual({ first: whole, second: whole, late: whole.slice(1) })
})

test('a consumer whose journal has told of a topic is not told again that it is there', async () => {
  const facts: Fact[] = []
  const { topics } = acquireProgress('remembered')
  topics.recall('orders', 1, 'a'.repeat(32))
  const view = viewWith({ topics, emit: (fact) => facts.push(fact) })
  await shownBy(view, readTopicIds(answerFrame(1, topicIdsBody('a'.repeat(32)))))
  expect(facts).toEqual([])
})

test('an answer with topic ids says the same as one without', () => {
  const [topic] = readTopicIds(answerFrame(1, topicIdsBody('0'.repeat(32)))).topics
  expect(topic).toEqual({
    ...{ topic: 'orders', id: undefined, errorCode: 0, isInternal: false },
    partitions: [{ partition: 0, leader: 1, leaderEpoch: 7, replicas: [1, 2], isr: [1], offline: [] }],
  })
})

test('the question for topic ids names the topics that KafkaJS asked for', () => {
  const asked = topicsAsked(
    requestFrame(apiKeys.metadata, 6, 1, list([text('orders'), text('bills')]), Buffer.from([1])),
  )
  expect(asked).toEqual({ topics: ['orders', 'bills'], creates: true })
  const frame = topicIdsRequest(asked.topics, asked.creates, 'me')
  // Length, key, version, correlation, client id, no tags, two topics with an empty id each, may create, no rights, no tags.
  const topic = (name: string) =>
    Buffer.concat([Buffer.alloc(16), Buffer.from([name.length + 1]), Buffer.from(name), Buffer.alloc(1)])
  const body = Buffer.concat([Buffer.from([0, 3]), topic('orders'), topic('bills'), Buffer.from([1, 0, 0])])
  const header = Buffer.concat([int16(apiKeys.metadata), int16(11), int32(0), text('me')])
  expect(frame).toEqual(Buffer.concat([int32(header.length + body.length), header, body]))
})
