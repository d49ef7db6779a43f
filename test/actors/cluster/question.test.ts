// A question that any broker can answer: when it goes to the next one, and how long its answer may take.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterEach, expect, test } from 'vitest'
import { acquireCluster, type Cluster } from '../../../actors/cluster/cluster.ts'
import { createSource } from '../../../actors/cluster/source.ts'
import { createDial } from '../../../actors/connection/dial.ts'
import { apiKeys, requestBodyOffset } from '../../../actors/protocol/frames.ts'
import { list, metadataBody, requestFrame, text } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'

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

/** Says, at its end, for how long the event loop stood still at most, in milliseconds. */
function watchLoop(): () => number {
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  return () => {
    delay.disable()
    return delay.max / 1e6
  }
}

test('an answer that takes more than two seconds comes while its bytes flow, and nobody else is asked for it', async () => {
  await open((broker) => {
    broker.trickle = { bytes: 4, everyMs: 30 }
    return metadataBody('ours', broker.view.brokers, topics)
  })
  // After 250 ms without a byte the other one is asked: a machine that stood still for long has to do it again.
  for (let round = 1; ; round += 1) {
    const before = brokers.map(heavyOf)
    const [startedAt, stoodFor] = [performance.now(), watchLoop()]
    const answer = await cluster.ask(question())
    const [tookMs, asked] = [performance.now() - startedAt, brokers.map(heavyOf)]
    expect(answer.includes('orders')).toBe(true)
    expect(tookMs).toBeGreaterThan(2000)
    const stoodStill = stoodFor() > 100
    if (stoodStill && round < 8) continue
    if (!stoodStill) expect(asked.map((count, index) => count - (before[index] ?? 0)).toSorted()).toEqual([0, 1])
    return
  }
}, 60_000)

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
