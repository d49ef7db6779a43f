/** The fetch record of a session: when each partition's fetches were last answered, and the longest time one was not. */

import type { TopicPartition } from '../machines/fact.ts'
import type { FetchSummary } from './answers.ts'

/** The newest answer to a fetch of one partition. */
export interface Fetched {
  /** On the clock of `performance.now()`. */
  readonly at: number
  /** The end of the log as this consumer may read it. */
  readonly end: bigint
  readonly nodeId: number
}

/** A gap belongs to a hand-over that follows it so closely, in milliseconds. */
const gapCountsForMs = 30_000

export class FetchRecord {
  private readonly newest = new Map<string, Fetched>()
  private readonly readUncommitted: boolean
  private readonly isHeld: (partition: TopicPartition) => boolean
  private longestGap = { ms: 0, endedAt: 0 }

  /** `isHeld` says whether a partition is paused, so that its fetches ended on purpose. */
  constructor(readUncommitted: boolean, isHeld: (partition: TopicPartition) => boolean) {
    this.readUncommitted = readUncommitted
    this.isHeld = isHeld
  }

  of({ topic, partition }: TopicPartition): Fetched | undefined {
    return this.newest.get(`${topic}/${partition}`)
  }

  note(nodeId: number, { partitions }: FetchSummary): void {
    const at = performance.now()
    for (const { topic, partition, highWatermark, lastStableOffset } of partitions) {
      const end = this.readUncommitted ? highWatermark : lastStableOffset
      const key = `${topic}/${partition}`
      const ms = at - (this.newest.get(key)?.at ?? at)
      if (ms > this.longestGap.ms && !this.isHeld({ topic, partition })) this.longestGap = { ms, endedAt: at }
      this.newest.set(key, { at, end, nodeId })
    }
  }

  /** The longest time any partition went without an answer, in milliseconds, since this was last asked. */
  takeLongestGap(): number {
    const { ms, endedAt } = this.longestGap
    this.longestGap = { ms: 0, endedAt: 0 }
    return performance.now() - endedAt < gapCountsForMs ? ms : 0
  }

  /** Another assignment: what was fetched before says nothing about it. */
  clear(): void {
    this.newest.clear()
  }
}
