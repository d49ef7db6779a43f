import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { expect, test } from 'vitest'
import { type Consumer, createConsumer } from '../../../src/index.ts'
import { createInstruments } from '../../../src/opentelemetry/instruments.ts'
import { Observation } from '../../../src/opentelemetry/observation.ts'

test('a consumer that ends in a failure counts as failed, until another of its group is there', async () => {
  const { observation, counts } = observe()
  const one = unreachable()
  observation.follow(one)
  await expect(one.start()).rejects.toThrow()
  await expect(one.ended).rejects.toThrow()
  expect(await counts()).toEqual({ failed: 1, live: 0 })
  const other = unreachable()
  observation.follow(other)
  expect(await counts()).toEqual({ failed: 0, live: 1 })
  await other.stop()
  expect(await counts()).toEqual({ failed: 0, live: 0 })
  observation.close()
})

const unreachable = (): Consumer =>
  createConsumer({
    ...{ brokers: ['127.0.0.1:1'], groupId: 'orders', topics: ['orders'], logger: false },
    ...{ retryBudget: 0, rebuildTimeoutMs: 100, eachMessage: async () => {} },
  })

function observe() {
  class Reader extends MetricReader {
    protected override async onForceFlush() {}
    protected override async onShutdown() {}
  }
  const reader = new Reader()
  const meter = new MeterProvider({ readers: [reader] }).getMeter('relisten')
  const { observed } = createInstruments(meter)
  const observation = new Observation({ observed, partitions: undefined })
  meter.addBatchObservableCallback(observation.observe, [...observed.values()])
  return {
    observation,
    async counts() {
      const { resourceMetrics } = await reader.collect()
      const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
      const pointsOf = (name: string) => all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []
      const failed = pointsOf('relisten.consumers').find(({ attributes }) => attributes['relisten.state'] === 'failed')
      return { failed: failed?.value, live: pointsOf('relisten.consumers.live')[0]?.value }
    },
  }
}
