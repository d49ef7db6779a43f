/** An event queue: facts as an async iterable, from the moment it was asked for. */

import type { FactRecord } from '../journal/journal.ts'

const capacity = 10_000

export class EventQueue implements AsyncIterableIterator<FactRecord> {
  private readonly held: FactRecord[] = []
  private readonly readers: ((result: IteratorResult<FactRecord>) => void)[] = []
  private readonly onEnd: (queue: EventQueue) => void
  private ended = false

  constructor(onEnd: (queue: EventQueue) => void) {
    this.onEnd = onEnd
  }

  push(value: FactRecord): void {
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

  next(): Promise<IteratorResult<FactRecord>> {
    const value = this.held.shift()
    if (value) return Promise.resolve({ value, done: false })
    if (this.ended) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve) => this.readers.push(resolve))
  }

  return(): Promise<IteratorResult<FactRecord>> {
    this.held.length = 0
    this.end()
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
