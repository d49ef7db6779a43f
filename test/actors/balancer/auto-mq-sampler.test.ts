// The AutoMQ sampler on a reader that a test feeds.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AutoMqSampler, type MetricListener, type MetricReader } from '../../../actors/balancer/auto-mq-sampler.ts'
import { loadMetrics, metricRecord } from '../../balancer/metric-record.ts'
import { samplerContract, watched } from '../../balancer/sampler-contract.ts'

class FakeReader implements MetricReader {
  listener: MetricListener | undefined
  isStopped = false

  async start(listener: MetricListener): Promise<void> {
    this.listener = listener
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.listener = undefined
  }

  give(value: Buffer | null, isReadBack = false): void {
    this.listener?.read({ partition: 0, offset: '42', value, isReadBack })
  }
}

samplerContract('the AutoMQ sampler', () => {
  const reader = new FakeReader()
  let bytesPerSecond = 0
  let isBroken = false
  const reporting = setInterval(() => {
    const record = { at: Date.now(), brokerId: 1, topic: 'orders', metrics: loadMetrics(bytesPerSecond, 0, 1) }
    if (!isBroken) reader.give(metricRecord(record))
  }, 10_000)
  const sampler = new AutoMqSampler(reader)
  const { start, stop } = reader
  reader.start = async (listener) => {
    await start.call(reader, listener)
    listener.activated(180_000)
  }
  const end = sampler.stop.bind(sampler)
  sampler.stop = () => {
    clearInterval(reporting)
    return end()
  }
  reader.stop = stop
  return {
    sampler,
    load: (now) => {
      bytesPerSecond = now
    },
    break: () => {
      isBroken = true
    },
    mend: () => {
      isBroken = false
    },
    isReleased: () => reader.isStopped,
  }
})

let reader: FakeReader
let sampler: AutoMqSampler
const metrics = loadMetrics(10, 20, 30)
const record = (at: number) => metricRecord({ at, brokerId: 1, topic: 'orders', metrics })

beforeEach(() => {
  vi.useFakeTimers({ now: 1_780_000_000_000 })
  reader = new FakeReader()
  sampler = new AutoMqSampler(reader)
})
afterEach(async () => {
  await sampler.stop()
  vi.useRealTimers()
})

test('one that waits is silent for as long as it does', async () => {
  const { facts } = watched(sampler)
  await sampler.start()
  expect(sampler.status().state).toBe('standby')
  await vi.advanceTimersByTimeAsync(600_000)
  expect([facts, sampler.status().state]).toEqual([[], 'standby'])
})

test('it takes over, and is relieved', async () => {
  const { facts } = watched(sampler)
  await sampler.start()
  reader.listener?.activated(180_000)
  expect(sampler.status().state).toBe('active')
  reader.listener?.relieved()
  await vi.advanceTimersByTimeAsync(600_000)
  expect(sampler.status().state).toBe('standby')
  expect(facts).toEqual([{ type: 'sampler.activated', readBackMs: 180_000 }, { type: 'sampler.relieved' }])
})

test('what was read back says nothing of when it came', async () => {
  const { samples } = watched(sampler)
  await sampler.start()
  reader.listener?.activated(180_000)
  reader.give(record(5), true)
  reader.give(record(6))
  expect(samples).toMatchObject([
    { at: 5, heardAt: null },
    { at: 6, heardAt: Date.now() },
  ])
})

test('poison between records is counted, shown by its first bytes, and stops nothing', async () => {
  const { samples, facts } = watched(sampler)
  await sampler.start()
  reader.listener?.activated(180_000)
  reader.give(record(1))
  reader.give(Buffer.alloc(1000, 0xab))
  reader.give(null)
  reader.give(metricRecord({ at: 1, brokerId: 1, topic: 'orders', metrics: [...metrics, [99, 1]] }))
  expect(samples).toHaveLength(2)
  const where = { type: 'record.skipped', topic: '__auto_balancer_metrics', partition: 0, offset: '42', count: 1 }
  expect(facts.slice(1)).toEqual([
    { ...where, reason: 'unknown-type', head: 'ab'.repeat(16) },
    { ...where, reason: 'truncated', head: '' },
  ])
  expect(sampler.status()).toMatchObject({ skipped: { 'unknown-type': 1, truncated: 1 }, unknownMetrics: 1 })
})

test('of much poison only some is shown, and all is counted', async () => {
  const { facts } = watched(sampler)
  await sampler.start()
  for (let each = 0; each < 100; each++) reader.give(Buffer.alloc(3, 9))
  expect(facts).toHaveLength(5)
  await vi.advanceTimersByTimeAsync(60_000)
  reader.give(Buffer.alloc(3, 9))
  expect(facts.slice(5)).toMatchObject([{ type: 'record.skipped', count: 101 }])
  expect(sampler.status().skipped).toEqual({ 'unknown-type': 101 })
})

test('what becomes of the topic is told', async () => {
  const { facts } = watched(sampler)
  await sampler.start()
  reader.listener?.tell({ type: 'metrics-topic.missing' })
  reader.listener?.tell({ type: 'metrics-topic.found', recreated: true })
  expect(facts.map(({ type }) => type)).toEqual(['metrics-topic.missing', 'metrics-topic.found'])
})
