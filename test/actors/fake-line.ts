// Lines that a test holds in its hand, and a dial that makes them when it says so.

import { ConnectionError, type HeldConnection } from '../../actors/connection/connection.ts'
import type { Dial } from '../../actors/connection/dial.ts'
import type { Endpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import { snapshotOf } from './fake-cluster.ts'
import { settled } from './stage.ts'

/** A line that sends what it is given to the test. */
export class FakeLine {
  readonly endpoint: Endpoint
  readonly address = '10.0.0.1'
  readonly loginValidMs: number
  readonly roundTrip = { lateMs: 0 }
  readonly snapshot = snapshotOf(0)
  lastDataAt = performance.now()
  open = true
  readonly sent: { readonly frame: Buffer; answer(text: string): Promise<void>; readonly lost: () => void }[] = []
  private readonly listeners: (() => void)[] = []

  constructor(endpoint: Endpoint, loginValidMs = 0) {
    this.endpoint = endpoint
    this.loginValidMs = loginValidMs
  }

  send(frame: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const answer = (text: string) => {
        this.lastDataAt = performance.now()
        resolve(Buffer.from(text))
        return settled()
      }
      this.sent.push({ frame, answer, lost: () => reject(new Error('the line has ended')) })
    })
  }

  /** What was sent that is not answered. */
  readonly posted: Buffer[] = []

  async post(frame: Buffer): Promise<void> {
    this.posted.push(frame)
  }

  onClose(listener: () => void): void {
    this.listeners.push(listener)
  }

  close(): void {
    if (!this.open) return
    this.open = false
    for (const { lost } of this.sent) lost()
    for (const listener of this.listeners) listener()
  }
}

interface Dialled {
  readonly endpoint: Endpoint
  readonly options: Parameters<Dial>[1]
  open(loginValidMs?: number): Promise<FakeLine>
  fail(failure: Partial<Failure>): Promise<void>
}

/** Dials that a test answers. */
export class FakeDials {
  readonly made: Dialled[] = []

  get newest(): Dialled {
    const last = this.made.at(-1)
    if (!last) throw new Error('nothing was dialled')
    return last
  }

  readonly dial = ((endpoint: Endpoint, options: Parameters<Dial>[1]) =>
    new Promise<HeldConnection>((resolve, reject) => {
      this.made.push({
        endpoint,
        options,
        open: async (loginValidMs) => {
          const line = new FakeLine(endpoint, loginValidMs)
          resolve(line as unknown as HeldConnection)
          await settled()
          return line
        },
        fail: (failure) => {
          reject(new ConnectionError({ kind: 'dial-failed', message: 'no', ...failure }, snapshotOf(0)))
          return settled()
        },
      })
    })) as Dial
}
