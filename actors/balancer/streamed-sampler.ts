/** What both samplers are: one stream, one start and one end. */

import { SampleStream } from './sample-stream.ts'
import type { Sampler, SamplerStatus } from './sampler.ts'

export abstract class StreamedSampler implements Sampler {
  protected readonly stream = new SampleStream()
  protected started: Promise<void> | undefined
  protected ended: Promise<void> | undefined

  get samples$() {
    return this.stream.samples$.asObservable()
  }

  get facts$() {
    return this.stream.facts$.asObservable()
  }

  start(): Promise<void> {
    this.started ??= this.begin()
    return this.started
  }

  stop(): Promise<void> {
    this.ended ??= this.end()
    return this.ended
  }

  status(): SamplerStatus {
    return this.stream.status()
  }

  /** Resolves as `start` has to; called once. */
  protected abstract begin(): Promise<void>
  /** Ends the stream as well; called once, also before the begin. */
  protected abstract end(): Promise<void>
}
