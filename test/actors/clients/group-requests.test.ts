// Requests about groups: each at the coordinator of its group, wherever that is.
import { beforeEach, expect, test } from 'vitest'
import { apiKeyOf, apiKeys, apiVersionOf, FrameReader, requestBodyOffset } from '../../../actors/protocol/frames.ts'
import { answerFrame, int16, int32, int64, list, metadataBody, text } from '../bytes.ts'
import { announced, brokers, cluster, read, request, routesWith } from './clients-stage.ts'

/** Where each group has its coordinator. */
let coordinators: Record<string, number>
let lookUps: string[]

beforeEach(() => {
  coordinators = { one: 1, two: 2 }
  lookUps = []
  cluster.answering = async (frame) => {
    if (apiKeyOf(frame) !== apiKeys.findCoordinator)
      return answerFrame(0, metadataBody('ours', [announced(1), announced(2)]))
    const group = new FrameReader(frame, requestBodyOffset(frame)).string() ?? ''
    lookUps.push(group)
    const { host, port, nodeId } = announced(coordinators[group] ?? 1)
    return answerFrame(0, int32(0), int16(0), text(null), int32(nodeId), text(host), int32(port))
  }
})

const heartbeat = (group: string) =>
  request('Heartbeat', 3, { groupId: group, groupGenerationId: 1, memberId: 'me', groupInstanceId: null })
const codeBody = (code: number) => Buffer.concat([int32(0), int16(code)])
const askedAt = (index: 0 | 1, apiKey: number) => brokers[index].requests.filter((one) => one.apiKey === apiKey).length

test('a request goes to the coordinator of its group, whichever node the client writes it to', async () => {
  for (const broker of brokers) broker.answering.set(apiKeys.heartbeat, () => codeBody(0))
  const routes = routesWith()
  await routes.answer(1, await heartbeat('two'))
  await routes.answer(2, await heartbeat('one'))
  await routes.answer(1, await heartbeat('two'))
  expect([askedAt(0, apiKeys.heartbeat), askedAt(1, apiKeys.heartbeat)]).toEqual([1, 2])
  expect(lookUps).toEqual(['two', 'one'])
})

test.each([14, 15, 16])('error %i about a coordinator is waited out', async (code) => {
  const codes = [code, code, 27]
  brokers[0].answering.set(apiKeys.heartbeat, () => codeBody(codes.shift() ?? 0))
  const answer = await routesWith().answer(1, await heartbeat('one'))
  expect(answer?.readInt16BE(12)).toBe(27)
})

test('a coordinator that has moved to another node is followed', async () => {
  brokers[0].answering.set(apiKeys.heartbeat, () => {
    coordinators = { one: 2 }
    return codeBody(16)
  })
  brokers[1].answering.set(apiKeys.heartbeat, () => codeBody(0))
  const answer = await routesWith().answer(1, await heartbeat('one'))
  expect(answer?.readInt16BE(12)).toBe(0)
  expect(askedAt(1, apiKeys.heartbeat)).toBe(1)
})

test('a commit is sent again where one of its partitions has an error about the coordinator', async () => {
  const codes = [14, 0]
  brokers[0].answering.set(apiKeys.offsetCommit, () => {
    const partitions = [0, codes.shift() ?? 0].map((code, partition) => Buffer.concat([int32(partition), int16(code)]))
    return Buffer.concat([int32(0), list([Buffer.concat([text('orders'), list(partitions)])])])
  })
  const partitions = [{ partition: 0, offset: '1' }]
  const commit = { groupId: 'one', groupGenerationId: 1, memberId: 'me', topics: [{ topic: 'orders', partitions }] }
  await routesWith().answer(1, await request('OffsetCommit', 5, commit))
  expect(askedAt(0, apiKeys.offsetCommit)).toBe(2)
})

test('groups of several coordinators are described together', async () => {
  const described = (frame: Buffer) => {
    const reader = new FrameReader(frame, requestBodyOffset(frame))
    expect(reader.int32()).toBe(1)
    const group = reader.string()
    return Buffer.concat([
      int32(0),
      list([Buffer.concat([int16(0), text(group), text('Empty'), text('consumer'), text(''), list([])])]),
    ])
  }
  for (const broker of brokers) broker.answering.set(apiKeys.describeGroups, described)
  const answer = await routesWith().answer(1, await request('DescribeGroups', 2, { groupIds: ['one', 'two'] }))
  const { groups } = (await read('DescribeGroups', 2, answer)) as { groups: { groupId: string; state: string }[] }
  expect(groups.map(({ groupId, state }) => `${groupId} ${state}`)).toEqual(['one Empty', 'two Empty'])
  expect([askedAt(0, apiKeys.describeGroups), askedAt(1, apiKeys.describeGroups)]).toEqual([1, 1])
})

const results = (group: string, code: number) =>
  Buffer.concat([int32(0), list([Buffer.concat([text(group), int16(code)])])])
const describedAs = (state: string) =>
  Buffer.concat([list([Buffer.concat([int16(0), text('one'), text(state), text('consumer'), text(''), list([])])])])

test.each([
  ['was there', 'Empty', 0],
  ['was never there', 'Dead', 69],
])('a group that %s, and is not when it is to be deleted a second time', async (_, state, code) => {
  brokers[0].answering.set(apiKeys.describeGroups, () => describedAs(state))
  let times = 0
  brokers[0].answering.set(apiKeys.deleteGroups, () => {
    if (++times > 1) return results('one', 69)
    setImmediate(() => brokers[0].reset())
    return undefined
  })
  const answer = await routesWith().answer(1, await request('DeleteGroups', 1, ['one']))
  const { results: read1 } = (await read('DeleteGroups', 1, answer)) as { results: { errorCode: number }[] }
  expect(read1.map(({ errorCode }) => errorCode)).toEqual([code])
  expect(times).toBe(2)
})

test('a join that the coordinator holds does not hold up a heartbeat of the same connection', async () => {
  brokers[0].answering.set(apiKeys.joinGroup, () => undefined)
  brokers[0].answering.set(apiKeys.heartbeat, () => codeBody(0))
  const routes = routesWith()
  const join = {
    ...{ groupId: 'one', sessionTimeout: 10_000, rebalanceTimeout: 60_000, memberId: 'me', protocolType: 'consumer' },
    groupProtocols: [{ name: 'roundrobin', metadata: Buffer.alloc(0) }],
  }
  routes.answer(1, await request('JoinGroup', 5, join)).catch(() => {})
  await brokers[0].asked(apiKeys.joinGroup)
  await routes.answer(1, await heartbeat('one'))
  const over = (apiKey: number) => brokers[0].requests.find((one) => one.apiKey === apiKey)?.connection
  expect(over(apiKeys.heartbeat)).not.toBe(over(apiKeys.joinGroup))
})

const transaction = { transactionalId: 'two', producerId: 4, producerEpoch: 0 }
const topics = [{ topic: 'orders', partitions: [0] }]
const partitionErrors = (code: number) =>
  Buffer.concat([int32(0), list([Buffer.concat([text('orders'), list([Buffer.concat([int32(0), int16(code)])])])])])

test.each([
  ['InitProducerId', { transactionalId: 'two', transactionTimeout: 1000 }, apiKeys.initProducerId, codeBody],
  ['AddPartitionsToTxn', { ...transaction, topics }, apiKeys.addPartitionsToTxn, partitionErrors],
  ['AddOffsetsToTxn', { ...transaction, groupId: 'one' }, apiKeys.addOffsetsToTxn, codeBody],
  ['EndTxn', { ...transaction, transactionResult: true }, apiKeys.endTxn, codeBody],
])(
  '%s goes to the coordinator of its transactional id, and waits while that is busy',
  async (name, payload, key, body) => {
    const codes = [51, 14, 51, 0]
    brokers[1].answering.set(key, () => body(codes.shift() ?? 0))
    const answer = await routesWith().answer(1, await request(name, 1, payload))
    expect(answer?.subarray(8)).toEqual(body(0))
    expect([askedAt(0, key), askedAt(1, key)]).toEqual([0, 4])
  },
)

test('the id of an idempotent producer is asked of the node, as any broker gives one', async () => {
  brokers[0].answering.set(apiKeys.initProducerId, () => codeBody(0))
  const payload = { transactionalId: null, transactionTimeout: 1000 }
  await routesWith().answer(1, await request('InitProducerId', 1, payload))
  expect([askedAt(0, apiKeys.initProducerId), lookUps]).toEqual([1, []])
})

test('offsets of a transaction go to the coordinator of the group', async () => {
  brokers[0].answering.set(apiKeys.txnOffsetCommit, () => partitionErrors(0))
  const partitions = [{ partition: 0, offset: '5' }]
  const commit = { ...transaction, groupId: 'one', topics: [{ topic: 'orders', partitions }] }
  await routesWith().answer(2, await request('TxnOffsetCommit', 1, commit))
  expect(askedAt(0, apiKeys.txnOffsetCommit)).toBe(1)
})

const offsets = { groupId: 'two', topics: [{ topic: 'orders', partitions: [{ partition: 0 }] }] }
/** Version 4, as brokers answer it. */
const committed = Buffer.concat([
  int32(0),
  list([Buffer.concat([text('orders'), list([Buffer.concat([int32(0), int64(7n), text(''), int16(0)])])])]),
  int16(0),
])
/** Version 7 for one partition. */
const stable = (offset: bigint, code: number) =>
  Buffer.concat([
    ...[Buffer.from([0]), int32(0), Buffer.from([2, 7]), Buffer.from('orders'), Buffer.from([2])],
    ...[int32(0), int64(offset), int32(-1), Buffer.from([1]), int16(code), Buffer.from([0, 0]), int16(0)],
    Buffer.from([0]),
  ])
const versionsAsked = () =>
  brokers[1].requests.filter(({ apiKey }) => apiKey === apiKeys.offsetFetch).map(({ frame }) => apiVersionOf(frame))

test.each([
  ['of an admin, which has not joined', [], ['9/7']],
  ['of a member where brokers do not speak version 7', ['two'], []],
])('an offset fetch %s goes to the coordinator as it is', async (_, joined, spoken) => {
  for (const each of spoken) cluster.spoken.add(each)
  brokers[1].answering.set(apiKeys.offsetFetch, () => committed)
  const routes = routesWith({ joined: new Set(joined) })
  const answer = await routes.answer(1, await request('OffsetFetch', 4, offsets))
  expect(await read('OffsetFetch', 4, answer)).toMatchObject({ responses: [{ partitions: [{ offset: '7' }] }] })
  expect(versionsAsked()).toEqual([4])
})

test('a member is told its offsets when no transaction is about to commit any, over whichever connection it has joined', async () => {
  cluster.spoken.add('9/7')
  const answers = [stable(-1n, 88), stable(-1n, 88), stable(7n, 0)]
  brokers[1].answering.set(apiKeys.offsetFetch, () => answers.shift())
  brokers[1].answering.set(apiKeys.joinGroup, () => undefined)
  const joined = new Set<string>()
  const join = {
    ...{ groupId: 'two', sessionTimeout: 10_000, rebalanceTimeout: 60_000, memberId: '', protocolType: 'consumer' },
    groupProtocols: [{ name: 'roundrobin', metadata: Buffer.alloc(0) }],
  }
  routesWith({ joined })
    .answer(2, await request('JoinGroup', 5, join))
    .catch(() => {})
  const answer = await routesWith({ joined }).answer(1, await request('OffsetFetch', 4, offsets))
  expect(await read('OffsetFetch', 4, answer)).toMatchObject({ responses: [{ partitions: [{ offset: '7' }] }] })
  expect(versionsAsked()).toEqual([7, 7, 7])
})

test('where a transaction stays open the error is left to KafkaJS, which repeats it, when the time is up', async () => {
  cluster.spoken.add('9/7')
  brokers[1].answering.set(apiKeys.offsetFetch, () => stable(-1n, 88))
  const routes = routesWith({ joined: new Set(['two']), requestTimeoutMs: 300 })
  const answer = await routes.answer(1, await request('OffsetFetch', 4, offsets))
  expect(await read('OffsetFetch', 4, answer)).toMatchObject({ responses: [{ partitions: [{ errorCode: 88 }] }] })
  expect(versionsAsked().length).toBeGreaterThan(2)
})

test('offsets are asked for again at another coordinator', async () => {
  cluster.spoken.add('9/7')
  const moved = Buffer.concat([Buffer.from([0]), int32(0), Buffer.from([1]), int16(16), Buffer.from([0])])
  brokers[0].answering.set(apiKeys.offsetFetch, () => {
    coordinators = { one: 2 }
    return moved
  })
  brokers[1].answering.set(apiKeys.offsetFetch, () => stable(7n, 0))
  const asked = await request('OffsetFetch', 4, { ...offsets, groupId: 'one' })
  const answer = await routesWith({ joined: new Set(['one']) }).answer(1, asked)
  expect(await read('OffsetFetch', 4, answer)).toMatchObject({ responses: [{ partitions: [{ offset: '7' }] }] })
})
