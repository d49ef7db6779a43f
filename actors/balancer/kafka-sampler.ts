/**
 * The Kafka sampler: load by Kafka's own protocol, with nothing to install on brokers. It looks at all logs and commits once a round, and what a
 * partition carried is what has changed between two looks. The first look goes back in time by asking for the offsets of past times.
 */

import {
  type Look,
  placesToFetch,
  samplesBefore,
  samplesBetween,
  withMissing,
} from '../../machines/balancer/log-rates.ts'
import { sleep } from '../time/sleep.ts'
import { LogLooks } from './log-looks.ts'
import type { LogSource } from './log-source.ts'
import { StreamedSampler } from './streamed-sampler.ts'

export interface KafkaSamplerOptions {
  /** Closed at the end. */
  readonly source: LogSource
  /** From the begin of one round to the next, in milliseconds. Default 30,000; under 15,000 figures have less trust. */
  readonly intervalMs?: number
  /** Past spans that the first round goes back by, and how long each is, in milliseconds. Default three of 30,000. */
  readonly backfill?: { readonly spans: number; readonly spanMs: number }
}

const usualMs = 30_000
const usualBackfill = { spans: 3, spanMs: 30_000 } as const

export class KafkaSampler extends StreamedSampler {
  private readonly options: KafkaSamplerOptions
  private readonly looks: LogLooks
  private readonly stopping = new AbortController()
  private before: Look | undefined
  private running: Promise<void> = Promise.resolve()

  constructor(options: KafkaSamplerOptions) {
    super()
    this.options = options
    this.looks = new LogLooks(options.source, (failed) => {
      if (!this.stopping.signal.aborted) this.stream.tell({ type: 'question.failed', ...failed })
    })
  }

  protected async begin(): Promise<void> {
    if (this.stopping.signal.aborted) return
    this.stream.enter('active')
    const first = this.round()
    this.running = first.then((begunAt) => this.goOn(begunAt))
    await first
  }

  protected async end(): Promise<void> {
    this.stopping.abort()
    this.options.source.close()
    await this.running
    this.stream.end()
  }

  private async goOn(firstAt: number): Promise<void> {
    const { intervalMs = usualMs } = this.options
    for (let begunAt = firstAt; await sleep(begunAt + intervalMs - performance.now(), this.stopping.signal); )
      begunAt = await this.round()
  }

  /** Resolves with when it began. Never rejects. */
  private async round(): Promise<number> {
    const begunAt = performance.now()
    const look = await this.looks.look()
    if (!look) return begunAt
    const { before } = this
    this.before = withMissing(before, look, begunAt)
    const batches = await this.looks.batches(placesToFetch(before, look))
    if (before) {
      const { samples, voided } = samplesBetween(before, look, batches)
      for (const each of voided) this.stream.tell({ type: 'delta.voided', ...each })
      for (const sample of samples) this.stream.next(sample)
    } else {
      const past = await this.looks.past(look, this.pastTimes())
      for (const sample of samplesBefore(look, past, batches)) this.stream.next(sample)
    }
    return begunAt
  }

  private pastTimes(): readonly number[] {
    const { spans, spanMs } = this.options.backfill ?? usualBackfill
    const now = Date.now()
    return Array.from({ length: spans }, (_, index) => now - (spans - index) * spanMs)
  }
}
