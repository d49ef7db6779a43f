// The samplers on real brokers, measured against what producers have counted themselves.
import { performance } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { metricsTopic } from '../../actors/balancer/auto-mq-record.ts'
import { AutoMqSampler } from '../../actors/balancer/auto-mq-sampler.ts'
import { KafkaSampler } from '../../actors/balancer/kafka-sampler.ts'
import { KafkaLogSource } from '../../actors/balancer/log-source.ts'
import type { Sampler, SamplerFact } from '../../actors/balancer/sampler.ts'
import { acquireCluster } from '../../actors/cluster/cluster.ts'
import { createSource } from '../../actors/cluster/source.ts'
import { createDial } from '../../actors/connection/dial.ts'
import { emptyWindows, loadOf, takeIn } from '../../machines/balancer/sample-windows.ts'
import { metricReader } from '../../src/balancer/metric-reader.ts'
import { type SteadyLoad, startLoad } from '../balancer/load-generator.ts'
import { loadMetrics, metricRecord } from '../balancer/metric-record.ts'
import { watched } from '../balancer/sampler-contract.ts'
import { startFront } from '../cluster/front.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })
/** Rounds of the sampler, and how many are looked at. */
const intervalMs = 15_000
const rounds = 3

const compacted = { 'cleanup.policy': 'compact', 'segment.bytes': '1048576', 'min.cleanable.dirty.ratio': '0.01' }

/** Loads of six partitions each, every one another. */
const loadsOf = (topic: string, valueBytes: number, others: Partial<SteadyLoad> = {}): SteadyLoad[] =>
  Array.from({ length: 6 }, (_, partition) => ({
    ...{ topic, partition, valueBytes, messagesPerSecond: 40 + 20 * partition },
    ...others,
  }))

function kafkaSampler(brokers: string[]) {
  const dial = createDial({ security: async () => ({}), dialTimeoutMs: undefined, clusterId: () => undefined })
  const held = acquireCluster({ brokers: createSource(brokers), dial, pollIntervalMs: 1000, key: {} })
  const source = new KafkaLogSource({ cluster: held, dial, clientId: 'balancer' })
  const sampler = new KafkaSampler({ source, intervalMs })
  return {
    sampler,
    async [Symbol.asyncDispose]() {
      await sampler.stop()
      held.release()
    },
  }
}

test('the Kafka sampler has the load that producers have counted: plain, compressed and compacted; and what a group reads', async () => {
  await using front = await startFront(cluster())
  const topics = ['load-plain', 'load-gzip', 'load-compacted'] as const
  await Promise.all(
    topics.map((topic) => cluster().createTopic(topic, topic === 'load-compacted' ? { configuration: compacted } : {})),
  )
  await using generator = await startLoad(cluster().kafka(), [
    ...loadsOf('load-plain', 1000),
    ...loadsOf('load-gzip', 1000, { isCompressed: true }),
    ...loadsOf('load-compacted', 2000, { keys: 5 }),
  ])
  const consumer = cluster().kafka().consumer({ groupId: 'load-readers' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'load-plain', fromBeginning: true })
  let batches = 0
  const eachBatch = async () => void batches++
  await consumer.run({ autoCommitInterval: 500, eachBatch })
  await until(() => (batches > 100 ? undefined : `${batches} of 100 batches of the group`), { deadlineMs: 60_000 })

  await using held = kafkaSampler([front.endpoint(1)])
  const { samples, facts } = watched(held.sampler)
  await held.sampler.start()
  const [begunAt, before] = [performance.now(), new Map(generator.sent)]
  const count = () => samples.filter(({ heardAt }) => heardAt !== null).length
  await until(() => (count() >= rounds * 18 ? undefined : `${count()} samples`), { deadlineMs: 90_000, everyMs: 5 })
  const seconds = (performance.now() - begunAt) / 1000
  await consumer.disconnect()

  const windows = takeIn(
    emptyWindows,
    samples.filter(({ heardAt }) => heardAt !== null),
    Date.now(),
  )
  const load = loadOf(windows, Date.now())
  const byBroker = new Map<number, { told: number; counted: number; out: number; read: number }>()
  const far: string[] = []
  for (const topic of topics) {
    for (let partition = 0; partition < 6; partition++) {
      const key = `${topic}/${partition}`
      const found = load.partitions.get(key)
      const counted = ((generator.sent.get(key) ?? 0) - (before.get(key) ?? 0)) / seconds
      if (!found) throw new Error(`there is no sample of ${key}`)
      const { value, trust } = found.bytesIn
      const broker = byBroker.get(found.brokerId) ?? { told: 0, counted: 0, out: 0, read: 0 }
      byBroker.set(found.brokerId, broker)
      broker.told += value
      broker.counted += counted
      const off = value / counted - 1
      if (topic === 'load-plain') broker.out += found.bytesOut.value
      if (topic === 'load-plain') broker.read += counted
      if (Math.abs(off) > 0.1 || trust < 0.5)
        far.push(`${key}: ${Math.round(value)} of ${Math.round(counted)} B/s, trust ${trust}`)
    }
  }
  const off = [...byBroker].map(
    ([id, { told, counted, out, read }]) => [id, told / counted - 1, out / read - 1] as const,
  )
  expect(far).toEqual([])
  for (const [, offIn, offOut] of off) {
    expect(Math.abs(offIn)).toBeLessThan(0.05)
    expect(Math.abs(offOut)).toBeLessThan(0.1)
  }
  expect(facts).toEqual([])
})

/** Writes what brokers would: of three partitions in each report, with poison in between. */
async function startReporter() {
  const producer = cluster().kafka().producer()
  await producer.connect()
  const poison = [
    Buffer.alloc(40, 9),
    Buffer.from([0]),
    null,
    metricRecord({ version: 7, at: 1, brokerId: 1, metrics: [] }),
  ]
  const report = async (partition: number) => {
    const values = [0, 1, 2].flatMap((led) => {
      const metrics = loadMetrics(1000 * (led + 1), 2000, 1e6)
      const record = { at: Date.now(), brokerId: led + 1, topic: 'orders', partition: led, metrics }
      return [metricRecord(record), poison[led] ?? null, metricRecord({ ...record, metrics: metrics.slice(1) })]
    })
    await producer.send({
      topic: metricsTopic,
      messages: [...values, poison[3] ?? null].map((value) => ({ partition, value })),
    })
  }
  return { report, [Symbol.asyncDispose]: () => producer.disconnect() }
}

test('of two AutoMQ samplers one reads, past all poison; the other takes its place, and reads back', async () => {
  await using front = await startFront(cluster())
  const consumer = { brokers: [front.endpoint(1)], groupId: 'balancers', metadataMaxAge: 1000, logger: false } as const
  const makeSampler = (): Sampler => new AutoMqSampler(metricReader({ consumer }))
  const [first, second] = [makeSampler(), makeSampler()]
  const [seen, others] = [watched(first), watched(second)]
  const fact = (of: typeof seen, type: SamplerFact['type']) =>
    until(() => (of.facts.some((each) => each.type === type) ? undefined : `the fact ${type}`))
  await first.start()
  await fact(seen, 'metrics-topic.missing')
  await cluster().createTopic(metricsTopic, { partitions: 2 })
  await fact(seen, 'sampler.activated')
  await fact(seen, 'metrics-topic.found')

  await using reporter = await startReporter()
  for (const partition of [0, 1, 0]) await reporter.report(partition)
  await until(() => (seen.samples.length >= 9 ? undefined : `${seen.samples.length} of 9 samples`))
  expect(first.status()).toMatchObject({
    ...{ state: 'active', samples: 9, unknownMetrics: 0 },
    skipped: { 'unknown-type': 3, truncated: 6, incomplete: 9, 'unknown-version': 3 },
  })

  await second.start()
  const states = () => [first.status().state, second.status().state].join()
  await until(() => (states() === 'active,standby' ? undefined : `the first reads and the second waits: ${states()}`))
  await first.stop()
  await fact(others, 'sampler.activated')
  await until(() => (others.samples.length >= 9 ? undefined : `${others.samples.length} of 9 samples`))
  await reporter.report(1)
  await until(() => (others.samples.length >= 12 ? undefined : `${others.samples.length} of 12 samples`))
  const heard = others.samples.map(({ heardAt }) => heardAt !== null)
  expect([heard.filter(Boolean).length, heard.slice(9)]).toEqual([3, [true, true, true]])
  const load = loadOf(takeIn(emptyWindows, others.samples, Date.now()), Date.now())
  const loads = [...load.partitions.values()].map(({ brokerId, bytesIn }) => [brokerId, bytesIn.value, bytesIn.trust])
  expect(loads.sort()).toEqual([
    [1, 1000, 1],
    [2, 2000, 1],
    [3, 3000, 1],
  ])

  await cluster().addPartitions(metricsTopic, 3)
  await fact(others, 'metrics-topic.grown')
  // KafkaJS's producers drop what goes to a partition that they have not heard of.
  await using grown = await startReporter()
  await grown.report(2)
  await until(() => (others.samples.length >= 15 ? undefined : `${others.samples.length} of 15 samples`))
  await cluster().deleteTopic(metricsTopic)
  await fact(others, 'metrics-topic.missing')
  await cluster().createTopic(metricsTopic, { partitions: 1 })
  await fact(others, 'metrics-topic.found')
  await using again = await startReporter()
  await again.report(0)
  await until(() => (others.samples.length >= 18 ? undefined : `${others.samples.length} of 18 samples`))
  await second.stop()
  expect(second.status().state).toBe('stopped')
  await cluster().deleteTopic(metricsTopic)
})
