/**
 * The order of what producers write: requests to one partition, over whichever connection, one after the other; and what else they share, the bytes
 * that are under way and what has to be counted.
 */

import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'
import { deadline } from '../time/deadline.ts'

/** The turn of a request, or of several that go out together. */
export class Turn {
  /** Resolves when all those before it to any of its partitions are over and there is room for its bytes; undefined where that is so from the start. */
  come: Promise<unknown> | undefined
  bytes: number
  /** Resolves when it has ended. */
  readonly over: Promise<void>
  private readonly onEnd: () => void
  private end = () => {}

  constructor(bytes: number, onEnd: () => void) {
    this.bytes = bytes
    this.onEnd = onEnd
    this.over = new Promise((resolve) => {
      this.end = resolve
    })
  }

  /** Ends it, where it has come; otherwise as soon as it has, as those behind it wait for those before it all the same. */
  leave(): void {
    if (this.come) void this.come.then(() => this.close())
    else this.close()
  }

  private close(): void {
    this.onEnd()
    this.end()
  }
}

export class ProducedOrder {
  /** Batches that were sent again although they may have been written: of plain producers each of them may be there twice. */
  repeated = 0
  /** Batches that no answer was awaited for, and that were not sent: their leader was away, or too much was under way. */
  dropped = 0
  private readonly maxInFlightBytes: number
  private readonly last = new Map<string, Turn>()
  private inFlightBytes = 0
  /** Requests that wait for room, the oldest first. */
  private readonly waiting: { readonly bytes: number; readonly enter: () => void }[] = []

  /** `maxInFlightBytes`: requests with more bytes than this are not under way at once, but for a single one that is larger. */
  constructor(maxInFlightBytes: number) {
    this.maxInFlightBytes = maxInFlightBytes
  }

  /** Opens a turn behind all those there are to any of these partitions. */
  enter(partitions: readonly TopicPartition[], bytes: number): Turn {
    const keys = partitions.map(partitionKey)
    const before = keys.flatMap((key) => this.last.get(key)?.over ?? [])
    const turn = new Turn(bytes, () => {
      this.leave(turn.bytes)
      for (const key of keys) if (this.last.get(key) === turn) this.last.delete(key)
    })
    for (const key of keys) this.last.set(key, turn)
    if (before.length > 0 || !this.hasRoom(bytes)) turn.come = Promise.all([...before, this.room(bytes)])
    else this.inFlightBytes += bytes
    return turn
  }

  /** The turn that is last in line for all of these partitions; undefined where they do not have the same. */
  lastOf(partitions: readonly TopicPartition[]): Turn | undefined {
    const [turn, ...others] = partitions.map((each) => this.last.get(partitionKey(each)))
    return others.every((each) => each === turn) ? turn : undefined
  }

  /** Takes so many bytes into a turn that has not come yet, where there is room for them. */
  extend(turn: Turn, bytes: number): boolean {
    if (!this.hasRoom(bytes)) return false
    this.inFlightBytes += bytes
    turn.bytes += bytes
    return true
  }

  /** Resolves with whether the turn comes within `withinMs` milliseconds and before the signal aborts. */
  async comes(turn: Turn, withinMs: number, signal: AbortSignal): Promise<boolean> {
    if (!turn.come) return true
    const isThere = turn.come.then(() => true)
    return deadline(isThere, withinMs, () => false, signal)
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
