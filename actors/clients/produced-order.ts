/**
 * The order of what producers write: requests to one partition, over whichever connection, one after the other; and what else they share, the bytes
 * that are under way and what has to be counted.
 */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import { deadline } from '../time/deadline.ts'

/** Ends the turn of a request. */
type End = () => void

export class ProducedOrder {
  /** Batches that were sent again although they may have been written: of plain producers each of them may be there twice. */
  repeated = 0
  /** Batches that no answer was awaited for, and that were not sent: their leader was away, or too much was under way. */
  dropped = 0
  private readonly maxInFlightBytes: number
  private readonly last = new Map<string, Promise<void>>()
  private inFlightBytes = 0
  /** Requests that wait for room, the oldest first. */
  private readonly waiting: { readonly bytes: number; readonly enter: () => void }[] = []

  /** `maxInFlightBytes`: requests with more bytes than this are not under way at once, but for a single one that is larger. */
  constructor(maxInFlightBytes: number) {
    this.maxInFlightBytes = maxInFlightBytes
  }

  /**
   * Resolves with the function that ends this request when all those before it to any of these partitions are over and there is room for its bytes;
   * with undefined where that takes longer than `withinMs` milliseconds, or when the signal aborts.
   */
  async enter(
    partitions: readonly TopicPartition[],
    bytes: number,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<End | undefined> {
    const keys = partitions.map(({ topic, partition }) => `${topic}/${partition}`)
    const before = keys.map((key) => this.last.get(key))
    let end = () => {}
    const mine = new Promise<void>((resolve) => {
      end = resolve
    })
    for (const key of keys) this.last.set(key, mine)
    const leave = () => {
      this.leave(bytes)
      end()
      for (const key of keys) if (this.last.get(key) === mine) this.last.delete(key)
    }
    if (before.every((each) => each === undefined) && this.hasRoom(bytes)) {
      this.inFlightBytes += bytes
      return leave
    }
    const turn = Promise.all([...before, this.room(bytes)]).then(() => leave)
    const entered = await deadline<End | undefined>(turn, withinMs, () => undefined, signal)
    // Those behind it wait for those before it all the same.
    if (!entered) void turn.then(leave)
    return entered
  }

  /** Whether a request with so many bytes could be under way now, behind those that wait already. */
  hasRoom(bytes: number): boolean {
    return this.waiting.length === 0 && this.fits(bytes)
  }

  private fits(bytes: number): boolean {
    return this.inFlightBytes === 0 || this.inFlightBytes + bytes <= this.maxInFlightBytes
  }

  private async room(bytes: number): Promise<void> {
    if (!this.hasRoom(bytes)) await new Promise<void>((enter) => this.waiting.push({ bytes, enter }))
    else this.inFlightBytes += bytes
  }

  private leave(bytes: number): void {
    this.inFlightBytes -= bytes
    for (let next = this.waiting[0]; next && this.fits(next.bytes); next = this.waiting[0]) {
      this.waiting.shift()
      this.inFlightBytes += next.bytes
      next.enter()
    }
  }
}
