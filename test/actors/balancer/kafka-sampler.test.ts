// The Kafka sampler on logs that grow by the test's clock.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { KafkaSampler } from '../../../actors/balancer/kafka-sampler.ts'
import type { PartitionSample } from '../../../machines/balancer/sample.ts'
import { type FakeLog, FakeLogSource } from '../../balancer/fake-log-source.ts'
import { samplerContract, watched } from '../../balancer/sampler-contract.ts'

samplerContract('the Kafka sampler', () => {
  const source = new FakeLogSource()
  const log = source.log('orders')
  return {
    sampler: new KafkaSampler({ source }),
    load: (bytesPerSecond) => log.grow(bytesPerSecond / log.bytesPerOffset),
    break: () => source.failing.add('*'),
    mend: () => source.failing.clear(),
    isReleased: () => source.isClosed,
  }
})

let source: FakeLogSource
let log: FakeLog
let sampler: KafkaSampler

beforeEach(() => {
  vi.useFakeTimers({ now: 1_780_000_000_000 })
  source = new FakeLogSource()
  log = source.log('orders')
  sampler = new KafkaSampler({ source })
})
afterEach(async () => {
  await sampler.stop()
  vi.useRealTimers()
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const shown = ({ bytesIn, bytesOut, size }: PartitionSample) => ({ bytesIn, bytesOut, size })

test('the first round has the load of the last one and a half minutes', async () => {
  log.grow(50)
  await pass(600_000)
  const { samples } = watched(sampler)
  await sampler.start()
  expect(samples).toHaveLength(3)
  for (const sample of samples as PartitionSample[]) {
    expect(sample).toMatchObject({ heardAt: null, spanMs: 30_000, bytesOut: { trust: 0 } })
    expect(sample.bytesIn).toEqual({ value: 5000, trust: 0.7 * 0.7, origin: 'size-per-offset' })
  }
  expect(samples.map(({ at }) => at - Date.now())).toEqual([-60_000, -30_000, 0])
})

test('a log that was written long ago has carried nothing since', async () => {
  log.grow(50)
  await pass(60_000)
  log.grow(0)
  await pass(600_000)
  const { samples } = watched(sampler)
  await sampler.start()
  expect((samples as PartitionSample[]).map(({ bytesIn }) => bytesIn.value)).toEqual([0, 0, 0])
})

test('each round asks once for what has changed, and fetches nothing where the logs say enough', async () => {
  log.grow(50)
  await sampler.start()
  source.asked.length = 0
  await pass(30_000)
  const nodes = [1, 2].flatMap((node) => [`groups of ${node}`, `sizes of ${node}`])
  expect(source.asked.sort()).toEqual([...nodes, 'offsets of 1', 'offsets of 1', 'topics'].sort())
})

test.each([
  ['is compacted', () => Object.assign(log, { isCompacted: true })],
  ['loses its beginning', () => Object.assign(log, { start: 10n })],
  ['has shrunk on the disk', () => Object.assign(log, { cleaned: 1_000_000 })],
  ['has no size', () => source.failing.add('sizes of 1')],
])('where a log %s, batches are fetched for the bytes per offset', async (_, happen) => {
  log.grow(50)
  await pass(60_000)
  const { samples } = watched(sampler)
  await sampler.start()
  happen()
  source.failing.add('sizes of 2')
  await pass(30_000)
  if (log.isCompacted) await pass(600_000)
  const last = samples.at(-1) as PartitionSample
  expect(last.bytesIn).toEqual({ value: 5000, trust: 0.9, origin: 'batch-headers' })
})

test('what groups commit is the load to consumers', async () => {
  log.grow(50)
  const commits = () => new Map([['orders/0', BigInt(log.end)]])
  source.commits.set('one', commits).set('other', commits)
  const { samples } = watched(sampler)
  await sampler.start()
  await pass(30_000)
  const expected = { value: 10_000, trust: 0.8, origin: 'commits' }
  expect(shown(samples.at(-1) as PartitionSample).bytesOut).toEqual(expected)
})

test('where a group could not be asked, less is believed of the load to consumers, and a fact says so', async () => {
  log.grow(50)
  source.commits.set('one', () => new Map([['orders/0', BigInt(log.end)]])).set('other', () => new Map())
  const { samples, facts } = watched(sampler)
  await sampler.start()
  source.failing.add('commits of other')
  await pass(30_000)
  expect(shown(samples.at(-1) as PartitionSample).bytesOut).toEqual({ value: 5000, trust: 0.4, origin: 'commits' })
  expect(facts).toEqual([{ type: 'question.failed', question: 'commits', nodeId: 1, why: 'the test lets it fail' }])
  expect(sampler.status().failures).toBe(1)
})

test('a topic that was made again says nothing of the one before', async () => {
  log.grow(50)
  const { samples, facts } = watched(sampler)
  await sampler.start()
  await pass(15_000)
  const before = samples.length
  log.recreate()
  await pass(15_000)
  expect(samples).toHaveLength(before)
  expect(facts).toEqual([{ type: 'delta.voided', topic: 'orders', partition: 0, why: 'recreated' }])
  await pass(30_000)
  expect((samples.at(-1) as PartitionSample).bytesIn).toMatchObject({ value: 5000, trust: 1 })
})

test('a round in which a leader is silent is bridged by the next one', async () => {
  log.grow(50)
  const { samples } = watched(sampler)
  await sampler.start()
  source.failing.add('offsets of 1')
  await pass(30_000)
  source.failing.clear()
  await pass(30_000)
  expect(samples.at(-1)).toMatchObject({ spanMs: 60_000, bytesIn: { value: 5000, trust: 1 } })
})

test('a coordinator that answers nothing about its groups is asked about three of them and no more', async () => {
  for (let group = 0; group < 100; group++) {
    source.commits.set(`group ${group}`, () => new Map())
    source.failing.add(`commits of group ${group}`)
  }
  await sampler.start()
  expect(source.asked.filter((question) => question.startsWith('commits'))).toHaveLength(3)
})
