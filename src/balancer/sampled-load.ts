/** The load that a sampler's samples come to. */

import type { Sampler } from '../../actors/balancer/sampler.ts'
import type { Loads } from '../../machines/balancer/model.ts'
import type { Sample } from '../../machines/balancer/sample.ts'
import { emptyWindows, loadOf, type SampleWindows, takeIn } from '../../machines/balancer/sample-windows.ts'
import { slowBrokers } from '../../machines/balancer/slow-broker.ts'
import type { Fact } from '../../machines/fact.ts'
import type { LoadSource } from './balancer-options.ts'

/** So many samples are taken in at once, as that costs the size of what is known. */
const batchSize = 10_000

export interface SampledLoadOptions {
  /** Makes the sampler, once, when it is started. */
  readonly open: () => Promise<Sampler>
  /** Lets go of what it stands on, when it is stopped. */
  readonly release: () => void
}

export class SampledLoad implements LoadSource {
  private readonly options: SampledLoadOptions
  private sampler: Promise<Sampler> | undefined
  private windows: SampleWindows = emptyWindows
  private waiting: Sample[] = []
  private newest: number | null = null

  constructor(options: SampledLoadOptions) {
    this.options = options
  }

  async start(emit: (fact: Fact) => void): Promise<void> {
    this.sampler = this.options.open()
    const sampler = await this.sampler
    sampler.facts$.subscribe(emit)
    sampler.samples$.subscribe((sample) => {
      this.newest = Date.now()
      if (this.waiting.push(sample) >= batchSize) this.takeIn(this.newest)
    })
    await sampler.start()
  }

  async stop(): Promise<void> {
    try {
      await (await this.sampler)?.stop()
    } finally {
      this.options.release()
    }
  }

  loads(now: number): Loads {
    this.takeIn(now)
    const { partitions, brokers } = loadOf(this.windows, now)
    const pending = new Map([...brokers].map(([id, broker]) => [id, broker.pending]))
    return { partitions, slow: new Set(slowBrokers(pending).keys()) }
  }

  newestAt(): number | null {
    return this.newest
  }

  private takeIn(now: number): void {
    this.windows = takeIn(this.windows, this.waiting, now)
    this.waiting = []
  }
}
