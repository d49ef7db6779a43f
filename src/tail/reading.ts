/** How far a tail has read: which messages are shown, and when it is over. */

import type { EachMessagePayload } from '../options/payload.ts'

/** Gets each message. Reading waits for it. */
export type Show = (message: EachMessagePayload) => void | Promise<void>

/** Nothing comes for this long though the end is not reached: what is missing is not shown to consumers. In milliseconds. */
const quietMs = 3000

/** Where reading is in each partition, and where it ends. */
export class Reading {
  /** Where reading goes on. */
  readonly positions: Map<number, bigint>
  private readonly read = new Map<number, bigint>()
  private readonly show: Show
  private readonly ends: ReadonlyMap<number, bigint> | undefined
  onEnd = () => {}
  heardAt = Number.POSITIVE_INFINITY

  constructor(show: Show, starts: Map<number, bigint>, ends: Map<number, bigint> | undefined) {
    this.show = show
    this.positions = starts
    this.ends = ends
  }

  async take(message: EachMessagePayload): Promise<void> {
    const { partition } = message
    const offset = BigInt(message.message.offset)
    this.heardAt = performance.now()
    // Nothing comes twice within a process, unless somebody resets the offsets of a group that was named.
    if (offset < (this.read.get(partition) ?? 0n)) return
    if (offset < (this.ends?.get(partition) ?? offset + 1n)) await this.show(message)
    this.read.set(partition, offset + 1n)
    this.positions.set(partition, offset + 1n)
    if (this.isOver()) this.onEnd()
  }

  /** Whether all is read up to the end, or nothing comes any more: compacted messages and marks of transactions are not handed out. */
  isQuiet(): boolean {
    return this.ends !== undefined && (this.isOver() || performance.now() - this.heardAt > quietMs)
  }

  private isOver(): boolean {
    return (
      this.ends !== undefined &&
      [...this.ends].every(([partition, end]) => (this.positions.get(partition) ?? 0n) >= end)
    )
  }
}
