/** An event queue: facts as an async iterable, from the moment it was asked for. */

import type { AnyRecord } from '../journal/journal.ts'

const capacity = 10_000

export class EventQueue implements AsyncIterableIterator<AnyRecord> {
  private readonly held: AnyRecord[] = []
  private readonly readers: ((result: IteratorResult<AnyRecord>) => void)[] = []
  private readonly onEnd: (queue: EventQueue) => void
  private ended = false

  constructor(onEnd: (queue: EventQueue) => void) {
    this.onEnd = onEnd
  }

  push(value: AnyRecord): void {
    const reader = this.readers.shift()
    if (reader) {
      reader({ value, done: false })
      return
    }
    this.held.push(value)
    if (this.held.length > capacity) this.held.shift()
  }

  /** Nothing comes any more; what is held can still be read. */
  end(): void {
    this.ended = true
    this.onEnd(this)
    for (const reader of this.readers.splice(0)) reader({ value: undefined, done: true })
  }

  next(): Promise<IteratorResult<AnyRecord>> {
    const value = this.held.shift()
    if (value) return Promise.resolve({ value, done: false })
    if (this.ended) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve) => this.readers.push(resolve))
  }

  return(): Promise<IteratorResult<AnyRecord>> {
    this.held.length = 0
    this.end()
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
