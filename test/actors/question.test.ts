// A question that any broker can answer: when it goes to the next one, and how long its answer may take.
import { afterEach, expect, test } from 'vitest'
import { acquireCluster, type Cluster } from '../../actors/cluster.ts'
import { createDial } from '../../actors/dial.ts'
import { apiKeys, requestBodyOffset } from '../../actors/frames.ts'
import { createSource } from '../../actors/source.ts'
import { list, metadataBody, requestFrame, text } from './bytes.ts'
import { FakeBroker } from './fake-broker.ts'

const brokers: FakeBroker[] = []
let cluster: Cluster
afterEach(async () => {
  cluster.release()
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})

const topics = [{ topic: 'orders'.repeat(40), partitions: [{ partition: 0, leader: 1 }] }]
const question = (): Buffer => requestFrame(apiKeys.metadata, 6, 0, list([text('orders')]))
/** Whether a metadata request asks for topics, and not only where the brokers are. */
const isHeavy = (frame: Buffer): boolean => frame.readInt32BE(requestBodyOffset(frame)) > 0
const heavyOf = (broker: FakeBroker): number =>
  broker.requests.filter(({ apiKey, frame }) => apiKey === apiKeys.metadata && isHeavy(frame)).length

/** Two brokers of one cluster; each answers the heavy question in this way. */
async function open(answer: (broker: FakeBroker) => Promise<Buffer | undefined> | Buffer | undefined): Promise<void> {
  for (const nodeId of [1, 2]) brokers.push(await FakeBroker.listen({ nodeId }))
  const places = brokers.flatMap(({ view }) => view.brokers)
  for (const broker of brokers) {
    broker.view = { clusterId: 'ours', brokers: places }
    broker.answering.set(apiKeys.metadata, (frame) => (isHeavy(frame) ? answer(broker) : metadataBody('ours', places)))
  }
  cluster = acquireCluster({
    brokers: createSource(brokers.map(({ port }) => `127.0.0.1:${port}`)),
    dial: createDial({ security: () => ({}), dialTimeoutMs: 1000, clusterId: () => 'ours' }),
    pollIntervalMs: 60_000,
    key: {},
  })
  await cluster.ready()
}

test('an answer that takes more than two seconds comes while its bytes flow, and nobody else is asked for it', async () => {
  await open((broker) => {
    broker.trickle = { bytes: 14, everyMs: 120 }
    return metadataBody('ours', broker.view.brokers, topics)
  })
  const startedAt = performance.now()
  const answer = await cluster.ask(question())
  expect(answer.includes('orders')).toBe(true)
  expect(performance.now() - startedAt).toBeGreaterThan(2000)
  expect(brokers.map(heavyOf).toSorted()).toEqual([0, 1])
})

test('one that says nothing is followed by the next', async () => {
  let asked = 0
  await open((broker) => (++asked === 1 ? undefined : metadataBody('ours', broker.view.brokers, topics)))
  expect((await cluster.ask(question())).includes('orders')).toBe(true)
  expect(brokers.map(heavyOf)).toEqual([1, 1])
})

test('where all are silent it fails after two seconds without a byte', async () => {
  await open(() => undefined)
  const startedAt = performance.now()
  await expect(cluster.ask(question())).rejects.toMatchObject({ failure: { kind: 'unreachable' } })
  expect(performance.now() - startedAt).toBeGreaterThan(1990)
})
