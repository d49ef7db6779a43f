/** The fetch record of a session: how each partition's fetches are answered, and the longest time one was not. */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { FetchSummary } from '../protocol/fetch-answers.ts'

/** The newest answer to a fetch of one partition. Times on the clock of `performance.now()`. */
export interface Fetched {
  /** When one came without an error; 0: never. */
  readonly at: number
  /** The end of the log as this consumer may read it; −1 before an answer without an error. */
  readonly end: bigint
  readonly nodeId: number
  /** Kafka's error in the newest one, also where KafkaJS sees none; 0: none. */
  readonly errorCode: number
}

/** A gap belongs to a hand-over that follows it so closely, in milliseconds. */
const gapCountsForMs = 30_000
/** A broker may throttle for so long without being reported, in milliseconds. Quotas are reckoned over some ten seconds. */
const longestThrottleMs = 60_000

export class FetchRecord {
  /** When this assignment began. */
  beganAt = performance.now()
  private readonly newest = new Map<string, Fetched>()
  private readonly asked = new Map<number, number>()
  private readonly took = new Map<number, number>()
  private readonly throttled = new Map<number, number>()
  private readonly readUncommitted: boolean
  private readonly isHeld: (partition: TopicPartition) => boolean
  private longestGap = { ms: 0, endedAt: 0 }
  /** When it was last taken: what lasts since before then has been told up to there. */
  private takenAt = 0

  /** `isHeld` says whether a partition is paused, so that its fetches ended on purpose. */
  constructor(readUncommitted: boolean, isHeld: (partition: TopicPartition) => boolean) {
    this.readUncommitted = readUncommitted
    this.isHeld = isHeld
  }

  of({ topic, partition }: TopicPartition): Fetched | undefined {
    return this.newest.get(`${topic}/${partition}`)
  }

  /** Since when a fetch of this node has waited for its answer; undefined: none does. */
  askedAt(nodeId: number): number | undefined {
    return this.asked.get(nodeId)
  }

  /** How long the last answer of this node took, in milliseconds; 0 before the first. */
  tookMs(nodeId: number): number {
    return this.took.get(nodeId) ?? 0
  }

  /** Until when this node wants no fetch; 0 where it never said so. */
  throttledUntil(nodeId: number): number {
    return this.throttled.get(nodeId) ?? 0
  }

  /** Notes that a fetch of this node is under way until `answer` settles, which is passed on. */
  async during<Answer>(nodeId: number, answer: Promise<Answer>): Promise<Answer> {
    const askedAt = performance.now()
    if (!this.asked.has(nodeId)) this.asked.set(nodeId, askedAt)
    try {
      return await answer
    } finally {
      this.took.set(nodeId, performance.now() - askedAt)
      this.asked.delete(nodeId)
    }
  }

  note(nodeId: number, { partitions, throttleMs }: Pick<FetchSummary, 'partitions' | 'throttleMs'>): void {
    const at = performance.now()
    if (throttleMs > 0) this.throttled.set(nodeId, at + Math.min(throttleMs, longestThrottleMs))
    for (const { topic, partition, errorCode, highWatermark, lastStableOffset } of partitions) {
      const key = `${topic}/${partition}`
      const before = this.newest.get(key)
      if (errorCode !== 0) {
        // What comes with an error says nothing of the log, and is no sign that the partition is well.
        this.newest.set(key, { at: before?.at ?? 0, end: before?.end ?? -1n, nodeId, errorCode })
        continue
      }
      const end = this.readUncommitted ? highWatermark : lastStableOffset
      const ms = before && before.at > 0 ? at - Math.max(before.at, this.takenAt) : 0
      // Stryker disable next-line EqualityOperator: two gaps that are equal to the fraction of a millisecond do not occur
      if (ms > this.longestGap.ms && !this.isHeld({ topic, partition })) this.longestGap = { ms, endedAt: at }
      this.newest.set(key, { at, end, nodeId, errorCode })
    }
  }

  /** The longest time any partition went without an answer, or is without one now, in milliseconds, since this was last asked. */
  takeLongestGap(): number {
    const now = performance.now()
    const { ms, endedAt } = this.longestGap
    // A heartbeat may prove a hand-over before the first fetch is answered, which a broker holds while it has nothing to send.
    const open = [...this.newest].map(([key, { at }]) => {
      const slash = key.lastIndexOf('/')
      const partition = { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) }
      return at > 0 && !this.isHeld(partition) ? now - Math.max(at, this.takenAt) : 0
    })
    this.longestGap = { ms: 0, endedAt: 0 }
    this.takenAt = now
    return Math.max(now - endedAt < gapCountsForMs ? ms : 0, ...open)
  }

  /** Another assignment: what was fetched before says nothing about it. */
  clear(): void {
    this.newest.clear()
    this.beganAt = performance.now()
  }
}
