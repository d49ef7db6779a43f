/** What samplers have in common: samples and facts on their way out, counted, and the silence between samples. */

import { Subject } from 'rxjs'
import type { Sample } from '../../machines/balancer/sample.ts'
import type { SamplerFact, SamplerStatus } from './sampler.ts'

/** Without a sample for so long it is blind, in milliseconds. */
const silentAfterMs = 60_000

export class SampleStream {
  readonly samples$ = new Subject<Sample>()
  readonly facts$ = new Subject<SamplerFact>()
  private state: SamplerStatus['state'] = 'idle'
  private samples = 0
  private newestAt: number | null = null
  private readonly skipped = new Map<string, number>()
  private unknownMetrics = 0
  private failures = 0
  private silence: NodeJS.Timeout | undefined
  private heardAt = 0

  /** From now on it is in this state. While it is active, a silence is a fact. */
  enter(state: 'starting' | 'active' | 'standby'): void {
    if (this.state === 'stopped') return
    this.state = state
    clearTimeout(this.silence)
    if (state !== 'active') return
    this.heardAt = performance.now()
    this.silence = setTimeout(() => {
      this.state = 'blind'
      this.tell({ type: 'samples.silenced', forMs: silentAfterMs })
    }, silentAfterMs)
  }

  next(sample: Sample): void {
    if (this.state === 'stopped') return
    if (this.state === 'blind') {
      this.tell({ type: 'samples.resumed', afterMs: Math.round(performance.now() - this.heardAt) })
      this.enter('active')
    }
    this.samples++
    this.newestAt = sample.heardAt ?? this.newestAt
    this.heardAt = performance.now()
    this.silence?.refresh()
    this.samples$.next(sample)
  }

  tell(fact: SamplerFact): void {
    if (fact.type === 'question.failed') this.failures++
    this.facts$.next(fact)
  }

  /** Counts a record that was skipped; says how many there were for this reason. */
  skip(reason: string): number {
    const count = (this.skipped.get(reason) ?? 0) + 1
    this.skipped.set(reason, count)
    return count
  }

  noteUnknownMetrics(count: number): void {
    this.unknownMetrics += count
  }

  end(): void {
    this.state = 'stopped'
    clearTimeout(this.silence)
    this.samples$.complete()
    this.facts$.complete()
  }

  status(): SamplerStatus {
    const { state, samples, newestAt, unknownMetrics, failures } = this
    return { state, samples, newestAt, skipped: Object.fromEntries(this.skipped), unknownMetrics, failures }
  }
}
