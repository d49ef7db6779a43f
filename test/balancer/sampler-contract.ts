// What every sampler does, whatever it reads: each calls this with a source of its own that a test can load and break.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Sampler, SamplerFact } from '../../actors/balancer/sampler.ts'
import type { PartitionSample, Sample } from '../../machines/balancer/sample.ts'

export interface Stage {
  readonly sampler: Sampler
  /** Producers write into `orders/0`, which broker 1 leads, by so many bytes per second from now on. */
  load(bytesPerSecond: number): void
  /** Nothing of the load can be known until it is mended. */
  break(): void
  mend(): void
  /** Nothing holds on to the source any more. */
  isReleased(): boolean
}

/** A sampler, and what came of it. */
export function watched(sampler: Sampler) {
  const samples: Sample[] = []
  const facts: SamplerFact[] = []
  const completed: string[] = []
  sampler.samples$.subscribe({ next: (sample) => samples.push(sample), complete: () => completed.push('samples') })
  sampler.facts$.subscribe({ next: (fact) => facts.push(fact), complete: () => completed.push('facts') })
  return { samples, facts, completed }
}

export function samplerContract(name: string, makeStage: () => Stage): void {
  describe(name, () => {
    let stage: Stage

    beforeEach(() => {
      vi.useFakeTimers({ now: 1_780_000_000_000 })
      stage = makeStage()
    })
    afterEach(async () => {
      await stage.sampler.stop()
      vi.useRealTimers()
    })

    const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
    const partitions = (samples: readonly Sample[]) =>
      samples.filter((sample): sample is PartitionSample => sample.kind === 'partition')
    const ofType = (facts: readonly SamplerFact[], type: SamplerFact['type']) =>
      facts.filter((fact) => fact.type === type)

    test('it reads nothing before it is started', async () => {
      const { samples, facts } = watched(stage.sampler)
      stage.load(1_000_000)
      await pass(120_000)
      expect([samples, facts, stage.sampler.status().state]).toEqual([[], [], 'idle'])
    })

    test('samples have the load of a partition, its broker, and how far each figure is to be trusted', async () => {
      const { samples } = watched(stage.sampler)
      await stage.sampler.start()
      stage.load(1_000_000)
      await pass(180_000)
      const last = partitions(samples).at(-1)
      expect(last).toMatchObject({ topic: 'orders', partition: 0, brokerId: 1 })
      expect(last?.bytesIn.value).toBeGreaterThan(950_000)
      expect(last?.bytesIn.value).toBeLessThan(1_050_000)
      expect(last?.bytesIn.trust).toBeGreaterThanOrEqual(0.5)
      for (const { bytesIn, bytesOut, size } of partitions(samples)) {
        for (const { value, trust } of [bytesIn, bytesOut, size]) {
          expect(value).toBeGreaterThanOrEqual(0)
          expect(trust).toBeGreaterThanOrEqual(0)
          expect(trust).toBeLessThanOrEqual(1)
        }
      }
    })

    test('samples keep coming, and the status says how many and since when', async () => {
      const { samples } = watched(stage.sampler)
      await stage.sampler.start()
      stage.load(1000)
      await pass(120_000)
      const before = samples.length
      await pass(60_000)
      expect(samples.length).toBeGreaterThan(before)
      const status = stage.sampler.status()
      expect(status).toMatchObject({ state: 'active', samples: samples.length })
      expect(Date.now() - (status.newestAt ?? 0)).toBeLessThanOrEqual(30_000)
      expect(JSON.parse(JSON.stringify(status))).toEqual(status)
    })

    test('a minute without a sample is a fact, and so is the first one after it', async () => {
      const { facts } = watched(stage.sampler)
      await stage.sampler.start()
      stage.load(1000)
      await pass(90_000)
      stage.break()
      await pass(240_000)
      expect(ofType(facts, 'samples.silenced')).toEqual([{ type: 'samples.silenced', forMs: 60_000 }])
      expect(stage.sampler.status().state).toBe('blind')
      stage.mend()
      await pass(90_000)
      expect(ofType(facts, 'samples.resumed')).toHaveLength(1)
      expect(stage.sampler.status().state).toBe('active')
    })

    test('it starts once', async () => {
      expect(stage.sampler.start()).toBe(stage.sampler.start())
      await stage.sampler.start()
    })

    test('its end completes both streams, lets the source go, and nothing comes after it', async () => {
      const { samples, completed } = watched(stage.sampler)
      await stage.sampler.start()
      stage.load(1000)
      await pass(60_000)
      expect(stage.isReleased()).toBe(false)
      expect(stage.sampler.stop()).toBe(stage.sampler.stop())
      await stage.sampler.stop()
      const before = samples.length
      await pass(120_000)
      expect([completed, samples.length, stage.isReleased()]).toEqual([['samples', 'facts'], before, true])
      expect(stage.sampler.status().state).toBe('stopped')
      expect(vi.getTimerCount()).toBe(0)
    })

    test('it may end before it has begun, and begins no more', async () => {
      const { samples, completed } = watched(stage.sampler)
      await stage.sampler.stop()
      await stage.sampler.start()
      stage.load(1000)
      await pass(120_000)
      expect([samples, completed]).toEqual([[], ['samples', 'facts']])
    })
  })
}
