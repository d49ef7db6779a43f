/**
 * A wire: what KafkaJS takes for the socket to a broker. It is connected from the start and stays so; each request
 * written into it becomes a promise of an answer, and where that answer comes from is not KafkaJS's business.
 */

import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { correlationOf, FrameCutter, setCorrelation } from '../protocol/frames.ts'

export interface WireOptions {
  readonly onConnect: () => void
  /** Answers one request frame, with nothing where KafkaJS awaits no answer. A rejection ends the wire with an `error`, which KafkaJS retries. */
  readonly answer: (request: Buffer) => Promise<Buffer | undefined>
  readonly onEnd: () => void
}

/** The methods of a socket that KafkaJS calls, and no others: on, write, end, unref. */
export class Wire extends EventEmitter {
  private readonly options: WireOptions
  private readonly cutter = new FrameCutter()
  private ended = false

  constructor(options: WireOptions) {
    super()
    this.options = options
    this.on('error', () => {}) // an emitter without a listener would throw, KafkaJS's come later
    setImmediate(options.onConnect)
  }

  /** The wire in the type KafkaJS asks for. */
  get socket(): Socket {
    return this as unknown as Socket
  }

  write(data: Buffer): boolean {
    // KafkaJS reuses nothing of a request it has written, so the frame may carry other correlation ids on its way.
    for (const frame of this.cutter.push(data)) {
      const correlation = correlationOf('request', frame)
      this.options.answer(frame).then(
        (answer) => {
          if (this.ended || !answer) return
          setCorrelation('answer', answer, correlation)
          this.emit('data', answer)
        },
        (error: Error) => this.fail(error),
      )
    }
    return true
  }

  /** Ends the wire with one `error`, never with `end`: KafkaJS listens on the connection, so a late one would hit the wire's successor. */
  fail(error: Error): void {
    if (this.ended) return
    this.end()
    this.emit('error', error)
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    this.options.onEnd()
  }

  unref(): void {}
}
