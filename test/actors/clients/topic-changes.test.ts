// Changes of topics whose answers are lost, refused or late.
import { expect, test } from 'vitest'
import { apiKeys, apiVersionOf } from '../../../actors/protocol/frames.ts'
import { answerFrame, int16, int32, list, metadataBody, text, topicIdsBody } from '../bytes.ts'
import { brokers, cluster, read, request, routesWith, setController, setTopics, topics } from './clients-stage.ts'

const orders = { topic: 'orders', partitions: [{ partition: 0, leader: 1 }] }
const results = (code: number, message: string | null | undefined = null) =>
  Buffer.concat([
    ...[
      int32(0),
      list([Buffer.concat([text('orders'), int16(code), ...(message === undefined ? [] : [text(message)])])]),
    ],
  ])
/** What a broker answers; `lost` closes the connection after it did its work. */
type Step = { readonly code: number } | 'lost'

function answering(index: 0 | 1, apiKey: number, steps: Step[], work: () => void = () => {}): void {
  brokers[index].answering.set(apiKey, () => {
    const step = steps.shift()
    if (step === undefined) throw new Error('it was asked too often')
    work()
    if (step !== 'lost') return results(step.code, apiKey === apiKeys.deleteTopics ? undefined : null)
    setImmediate(() => brokers[index].reset())
    return undefined
  })
}
const asked = (index: 0 | 1, apiKey: number) => brokers[index].requests.filter((one) => one.apiKey === apiKey).length
/** What this broker says of topics to whoever looks. */
function showing(index: 0 | 1): void {
  const { view } = brokers[index]
  brokers[index].answering.set(apiKeys.metadata, () => metadataBody(view.clusterId, view.brokers, topics))
}

const createRequest = (validateOnly = false) =>
  request('CreateTopics', 3, { topics: [{ topic: 'orders', numPartitions: 1 }], validateOnly, timeout: 500 })

test('a topic that was created before its answer was lost counts as created', async () => {
  showing(0)
  answering(0, apiKeys.createTopics, ['lost', { code: 36 }], () => setTopics([orders]))
  const answer = await routesWith().answer(1, await createRequest())
  expect(await read('CreateTopics', 3, answer)).toMatchObject({ topicErrors: [{ topic: 'orders', errorCode: 0 }] })
  expect(asked(0, apiKeys.createTopics)).toBe(2)
})

test('a topic that was there before is not taken for one that was created', async () => {
  setTopics([orders])
  showing(0)
  answering(0, apiKeys.createTopics, ['lost', { code: 36 }])
  const answer = await routesWith().answer(1, await createRequest())
  expect(await read('CreateTopics', 3, answer)).toMatchObject({ topicErrors: [{ errorCode: 36 }] })
})

test('a request that did not arrive goes out again, and its answer is the answer', async () => {
  showing(0)
  answering(0, apiKeys.createTopics, ['lost', { code: 0 }])
  setTopics([])
  const answered = routesWith().answer(1, await createRequest())
  await brokers[0].asked(apiKeys.createTopics, 1)
  setTopics([orders])
  expect(await read('CreateTopics', 3, await answered)).toMatchObject({ topicErrors: [{ errorCode: 0 }] })
})

test('a topic that is gone after the answer was lost counts as deleted, and is not deleted a second time', async () => {
  setTopics([orders])
  answering(0, apiKeys.deleteTopics, ['lost'], () => setTopics([{ ...orders, error: 3, partitions: [] }]))
  const answer = await routesWith().answer(1, await request('DeleteTopics', 1, { topics: ['orders'], timeout: 500 }))
  expect(await read('DeleteTopics', 1, answer)).toMatchObject({ topicErrors: [{ topic: 'orders', errorCode: 0 }] })
  expect(asked(0, apiKeys.deleteTopics)).toBe(1)
})

test('a topic that is still there after the answer was lost is deleted', async () => {
  setTopics([orders])
  answering(0, apiKeys.deleteTopics, ['lost', { code: 0 }])
  const answer = await routesWith().answer(1, await request('DeleteTopics', 1, { topics: ['orders'], timeout: 500 }))
  expect(await read('DeleteTopics', 1, answer)).toMatchObject({ topicErrors: [{ errorCode: 0 }] })
  expect(asked(0, apiKeys.deleteTopics)).toBe(2)
})

test('a topic that somebody has made again meanwhile is not deleted with the one that was', async () => {
  cluster.spoken.add('3/11')
  let id = 'a'.repeat(32)
  const { answering: others } = cluster
  cluster.answering = (frame) =>
    apiVersionOf(frame) === 11 ? Promise.resolve(answerFrame(0, topicIdsBody(id))) : others(frame)
  answering(0, apiKeys.deleteTopics, ['lost'], () => {
    id = 'b'.repeat(32)
  })
  const answer = await routesWith().answer(1, await request('DeleteTopics', 1, { topics: ['orders'], timeout: 500 }))
  expect(await read('DeleteTopics', 1, answer)).toMatchObject({ topicErrors: [{ topic: 'orders', errorCode: 0 }] })
  expect(asked(0, apiKeys.deleteTopics)).toBe(1)
})

test('a topic that there never was is not counted as deleted', async () => {
  setTopics([{ ...orders, error: 3, partitions: [] }])
  answering(0, apiKeys.deleteTopics, ['lost', { code: 3 }])
  const answer = await routesWith().answer(1, await request('DeleteTopics', 1, { topics: ['orders'], timeout: 500 }))
  expect(await read('DeleteTopics', 1, answer)).toMatchObject({ topicErrors: [{ errorCode: 3 }] })
})

const more = { topic: 'orders', partitions: [0, 1, 2].map((partition) => ({ partition, leader: 1 })) }
const partitionsRequest = () =>
  request('CreatePartitions', 1, { topicPartitions: [{ topic: 'orders', count: 3 }], timeout: 500 })

test('partitions that are there after the answer was lost count as created', async () => {
  setTopics([orders])
  answering(0, apiKeys.createPartitions, ['lost', { code: 37 }], () => setTopics([more]))
  const answer = await routesWith().answer(1, await partitionsRequest())
  expect(await read('CreatePartitions', 1, answer)).toMatchObject({ topicErrors: [{ errorCode: 0 }] })
})

test('partitions that were there before are refused as they are', async () => {
  setTopics([more])
  answering(0, apiKeys.createPartitions, ['lost', { code: 37 }])
  const answer = await routesWith().answer(1, await partitionsRequest())
  expect(await read('CreatePartitions', 1, answer)).toMatchObject({ topicErrors: [{ errorCode: 37 }] })
})

test('a node that is not the controller is not asked again: the controller is looked up', async () => {
  showing(1)
  answering(0, apiKeys.createTopics, [{ code: 41 }])
  answering(1, apiKeys.createTopics, [{ code: 0 }], () => setTopics([orders]))
  setController(2)
  const answer = await routesWith().answer(1, await createRequest())
  expect(await read('CreateTopics', 3, answer)).toMatchObject({ topicErrors: [{ errorCode: 0 }] })
  expect([asked(0, apiKeys.createTopics), asked(1, apiKeys.createTopics)]).toEqual([1, 1])
})

test('an answer comes once the broker that gave it knows the topic', async () => {
  showing(0)
  answering(0, apiKeys.createTopics, [{ code: 0 }])
  setTopics([{ ...orders, error: 3, partitions: [] }])
  let isOver = false
  const answer = routesWith()
    .answer(1, await createRequest())
    .finally(() => {
      isOver = true
    })
  await brokers[0].asked(apiKeys.metadata, 4)
  expect(isOver).toBe(false)
  setTopics([orders])
  expect(await read('CreateTopics', 3, await answer)).toMatchObject({ topicErrors: [{ errorCode: 0 }] })
})

test('a request that only validates is answered as it is', async () => {
  setTopics([{ ...orders, error: 3, partitions: [] }])
  answering(0, apiKeys.createTopics, [{ code: 0 }])
  const answer = await routesWith().answer(1, await createRequest(true))
  expect(await read('CreateTopics', 3, answer)).toMatchObject({ topicErrors: [{ errorCode: 0 }] })
})
