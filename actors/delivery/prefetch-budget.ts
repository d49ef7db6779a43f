/**
 * The prefetch budget of one consumer: how many bytes of messages were fetched and are not handled yet, over all partitions, and what the fetches
 * under way may still bring. It keeps that within `maxBufferedBytes`: a fetch goes out when there is room for what it may bring.
 */

import { Condition } from '../time/condition.ts'

export class PrefetchBudget {
  /** Bytes that wait in queues. */
  held = 0
  private readonly limit: number
  private reserved = 0
  private readonly freed = new Condition()

  /** `limit` in bytes: of keys, values and headers as they are handed out, with what their objects take. */
  constructor(limit: number) {
    this.limit = limit
  }

  /** Messages came into a queue, or left one with a negative number. */
  add(bytes: number): void {
    this.held += bytes
    if (bytes < 0) this.freed.wakeup()
  }

  /**
   * Bytes of room for a fetch of one of so many nodes, at most `wanted`, until they are released. 0 when there was none within `withinMs`, or at the abort.
   * The share of each node is so large that all of them find room when nothing waits.
   */
  async reserve(wanted: number, nodes: number, withinMs: number, signal: AbortSignal): Promise<number> {
    const bytes = Math.max(1, Math.min(wanted, Math.floor(this.limit / Math.max(1, nodes))))
    const until = performance.now() + withinMs
    while (this.held + this.reserved + bytes > this.limit) {
      // A request that is larger than the limit goes out when nothing else waits.
      if (this.held + this.reserved === 0) break
      const leftMs = until - performance.now()
      if (leftMs <= 0 || signal.aborted) return 0
      await this.freed.wait(leftMs, signal)
    }
    this.reserved += bytes
    return bytes
  }

  /** Gives room back, when the answer of its fetch is there; what came is in the queues by then. */
  release(bytes: number): void {
    this.reserved -= bytes
    this.freed.wakeup()
  }
}
