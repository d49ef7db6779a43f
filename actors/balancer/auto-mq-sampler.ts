/**
 * The AutoMQ sampler: load as AutoMQ's brokers report it into their topic of metrics. Of all instances one reads, and reads the whole topic; the
 * others wait for its place. A record that says nothing is counted and left behind.
 */

import { metricsTopic, readMetricRecord } from './auto-mq-record.ts'
import type { SamplerFact } from './sampler.ts'
import { StreamedSampler } from './streamed-sampler.ts'

/** A record of the topic of metrics. */
export interface MetricRecord {
  readonly partition: number
  readonly offset: string
  readonly value: Buffer | null
  /** It was there before this instance began to read. */
  readonly isReadBack: boolean
}

/** Reads the topic of metrics, wherever its brokers are. */
export interface MetricReader {
  /** Resolves when it has its place. `listener` hears of everything from then on, until `stop` has resolved. */
  start(listener: MetricListener): Promise<void>
  stop(): Promise<void>
}

export interface MetricListener {
  /** This instance reads from now on, and what came in the last so many milliseconds before. */
  activated(readBackMs: number): void
  /** It reads no more: another one does. */
  relieved(): void
  read(record: MetricRecord): void
  /** Something became of the topic, or where to begin could not be asked. */
  tell(fact: Extract<SamplerFact, { type: `metrics-topic.${string}` | 'question.failed' }>): void
}

/** Facts of skipped records, for each reason in so many milliseconds; the bytes of each that are shown. */
const shown = { facts: 5, inMs: 60_000, bytes: 16 } as const

export class AutoMqSampler extends StreamedSampler implements MetricListener {
  private readonly reader: MetricReader
  private shownAt = new Map<string, readonly number[]>()
  private isActive = false

  constructor(reader: MetricReader) {
    super()
    this.reader = reader
  }

  activated(readBackMs: number): void {
    this.isActive = true
    this.stream.enter('active')
    this.stream.tell({ type: 'sampler.activated', readBackMs })
  }

  relieved(): void {
    this.isActive = false
    this.stream.enter('standby')
    this.stream.tell({ type: 'sampler.relieved' })
  }

  read({ partition, offset, value, isReadBack }: MetricRecord): void {
    const read = readMetricRecord(value, isReadBack ? null : Date.now())
    if ('sample' in read) {
      this.stream.noteUnknownMetrics(read.unknownMetrics)
      this.stream.next(read.sample)
      return
    }
    const reason = read.skipped
    const count = this.stream.skip(reason)
    const now = performance.now()
    const times = (this.shownAt.get(reason) ?? []).filter((at) => now - at < shown.inMs)
    if (times.length >= shown.facts) return
    this.shownAt.set(reason, [...times, now])
    const head = value?.toString('hex', 0, shown.bytes) ?? ''
    this.stream.tell({ type: 'record.skipped', topic: metricsTopic, partition, offset, reason, head, count })
  }

  tell(fact: SamplerFact): void {
    this.stream.tell(fact)
  }

  protected async begin(): Promise<void> {
    if (this.ended) return
    this.stream.enter('starting')
    await this.reader.start(this)
    if (!this.isActive) this.stream.enter('standby')
  }

  protected async end(): Promise<void> {
    if (this.started) await this.reader.stop()
    this.stream.end()
  }
}
