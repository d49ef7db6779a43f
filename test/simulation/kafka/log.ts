// A partition's log, in batches as they were written.

import { recordBatch } from './bytes.ts'

export interface Message {
  readonly key: string
  readonly value: string
}

interface Stretch {
  readonly first: number
  readonly end: number
  readonly bytes: Buffer
}

/** One partition's log. */
export class Log {
  readonly messages: Message[] = []
  private readonly stretches: Stretch[] = []

  get end(): number {
    return this.messages.length
  }

  append(messages: readonly Message[]): void {
    const first = this.end
    this.messages.push(...messages)
    this.stretches.push({ first, end: this.end, bytes: recordBatch(first, messages) })
  }

  /** Whole batches from the one that holds `offset`, up to `most` bytes but at least one. */
  read(offset: number, most: number): Buffer {
    let low = 0
    let high = this.stretches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.stretches[middle]?.end ?? 0) <= offset) low = middle + 1
      else high = middle
    }
    const found: Buffer[] = []
    let bytes = 0
    for (const stretch of this.stretches.slice(low)) {
      if (found.length > 0 && bytes + stretch.bytes.length > most) break
      found.push(stretch.bytes)
      bytes += stretch.bytes.length
    }
    return Buffer.concat(found)
  }
}
