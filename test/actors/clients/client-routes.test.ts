// The other requests of a client: which node gets them, and what becomes of those that can't be sent twice.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { answerFrame, int16, int32, list, metadataBody, text } from '../bytes.ts'
import { snapshotOf } from '../fake-cluster.ts'
import { announced, brokers, cluster, facts, leaders, read, request, routesWith, setTopics } from './clients-stage.ts'

const produce = (acks: number) =>
  request('Produce', 7, {
    ...{ transactionalId: null, acks, timeout: 1000, compression: 0 },
    topicData: [{ topic: 'orders', partitions: [{ partition: 0, firstSequence: 0, messages: [{ value: 'one' }] }] }],
  })
const describeConfigs = (type: number, name: string) =>
  request('DescribeConfigs', 2, { resources: [{ type, name, configNames: [] }], includeSynonyms: false })
const askedAt = (index: 0 | 1, apiKey: number) => brokers[index].requests.filter((one) => one.apiKey === apiKey).length
const leave = () => {
  cluster.book.put(1, { host: '127.0.0.1', port: 1 })
  cluster.book.drop(1)
  cluster.newestSnapshot = snapshotOf(Number.MAX_SAFE_INTEGER)
}

test('a Produce that asks for no acknowledgement is answered with nothing once it is written, and its silence is no suspicion', async () => {
  setTopics([{ topic: 'orders', partitions: [{ partition: 0, leader: 1 }] }])
  const routes = routesWith()
  expect(await routes.answer(1, await produce(0))).toBeUndefined()
  await brokers[0].asked(0)
  await pause(1300) // longer than a request may be silent
  expect(await routes.answer(1, await produce(0))).toBeUndefined()
  await brokers[0].asked(0, 1)
  expect(brokers[0].connections).toBe(1)
})

test('the configuration of a topic is asked of another node where this one is gone', async () => {
  leave()
  brokers[1].answering.set(apiKeys.describeConfigs, () => Buffer.concat([int32(0), list([])]))
  await routesWith().answer(1, await describeConfigs(2, 'orders'))
  expect(askedAt(1, apiKeys.describeConfigs)).toBe(1)
})

test('the configuration of a broker is asked of that broker and of no other', async () => {
  leave()
  const asked = routesWith().answer(1, await describeConfigs(4, '1'))
  await expect(asked).rejects.toThrow('the node left the cluster')
  expect(askedAt(1, apiKeys.describeConfigs)).toBe(0)
})

test('rights whose removal lost its answer are not removed a second time: the error says that nobody knows', async () => {
  brokers[0].answering.set(apiKeys.deleteAcls, () => {
    setImmediate(() => brokers[0].reset())
    return undefined
  })
  const filters = [
    {
      resourceType: 2,
      resourceName: 'orders',
      resourcePatternType: 3,
      principal: null,
      host: null,
      operation: 1,
      permissionType: 1,
    },
  ]
  const removed = routesWith().answer(1, await request('DeleteAcls', 1, { filters }))
  await expect(removed).rejects.toThrow(/Whether .* took effect can't be known/)
  expect(askedAt(0, apiKeys.deleteAcls)).toBe(1)
  expect(facts.filter(({ type }) => type === 'response.lost')).toHaveLength(1)
})

test('metadata is asked of the node itself first, which may know what others have not heard', async () => {
  brokers[0].answering.set(apiKeys.metadata, () =>
    metadataBody('ours', [announced(1), announced(2)], [{ topic: 'new', partitions: [{ partition: 0, leader: 2 }] }]),
  )
  const routes = routesWith()
  // its dial has to show who it is first
  brokers[0].answering.set(
    apiKeys.metadata,
    identityOr(0, [{ topic: 'new', partitions: [{ partition: 0, leader: 2 }] }]),
  )
  let others = 0
  cluster.answering = async () => {
    others++
    throw new Error('nobody else is asked')
  }
  const answer = await routes.answer(1, await request('Metadata', 6, { topics: ['new'] }))
  expect(await read('Metadata', 6, answer)).toMatchObject({ topicMetadata: [{ topic: 'new' }] })
  await pause(300) // then others would be asked
  expect(others).toBe(0)
  expect(leaders.of({ topic: 'new', partition: 0 })).toBe(2)
})

test('where the node itself is silent, any other answers for it', async () => {
  leave()
  setTopics([{ topic: 'orders', partitions: [{ partition: 0, leader: 2 }] }])
  const answer = await routesWith().answer(1, await request('Metadata', 6, { topics: ['orders'] }))
  expect(await read('Metadata', 6, answer)).toMatchObject({ topicMetadata: [{ topic: 'orders' }] })
})

test('a coordinator that is not available yet is waited for, and told under the name of its node', async () => {
  const codes = [15, 15, 0]
  cluster.answering = async () => {
    const code = codes.shift() ?? 0
    return answerFrame(
      0,
      int32(0),
      int16(code),
      text(null),
      int32(code ? -1 : 2),
      text(code ? '' : 'moved'),
      int32(9092),
    )
  }
  const answer = await routesWith().answer(
    1,
    await request('GroupCoordinator', 2, { groupId: 'one', coordinatorType: 0 }),
  )
  expect(await read('GroupCoordinator', 2, answer)).toMatchObject({ coordinator: announced(2) })
  expect(codes).toEqual([])
})

/** Says who it is to a dial, and these topics to whoever asks for some. */
const identityOr = (index: 0 | 1, topics: Parameters<typeof metadataBody>[2]) => (frame: Buffer) => {
  const { view } = brokers[index]
  const asksForTopics = frame.readInt32BE(frame.length - 5) !== 0
  return asksForTopics
    ? metadataBody('ours', [announced(1), announced(2)], topics)
    : metadataBody(view.clusterId, view.brokers)
}
