/**
 * A lane: one partition's way from the fetch to the handler. It keeps the order, the mark (end of the contiguous handled
 * prefix, plus one) and what was committed, and outlives sessions and generations.
 */

import type { Batch } from './kafka.ts'
import type { Tenure } from './tenure.ts'

/** A batch that waits to be handed out, and how far it has been. */
export interface Load {
  readonly batch: Batch
  readonly tenure: Tenure
  /** Index of the next message. */
  next: number
}

export class Lane {
  readonly topic: string
  readonly partition: number
  readonly queue: Load[] = []
  /** Who wants it paused: the user, a handler that was given up, or the backlog. */
  readonly pausedBy = new Set<'user' | 'handler' | 'backlog'>()
  /** First offset that is not handled; undefined before the first position. */
  mark: bigint | undefined
  /** The last commit of ours the coordinator acknowledged. */
  acknowledged: bigint | undefined
  /** The highest commit of ours whose outcome is unknown. */
  unknown: bigint | undefined
  /** An explicit seek: the next commit may go down. */
  sought = false
  /** KafkaJS gave up its position: the next one is looked up anew. */
  outOfRange = false
  /** A handler is at work; also one of an earlier tenure that has not settled. */
  busy = false
  /** When a message was last handed out or handled, in milliseconds since the epoch. */
  movedAt = 0
  /** Changes with each seek: what was under way before it does not move the mark. */
  seeks = 0

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get held(): boolean {
    return this.pausedBy.has('user') || this.pausedBy.has('handler')
  }

  /** What has to be committed; undefined when the group already knows. */
  get uncommitted(): bigint | undefined {
    const { mark, acknowledged } = this
    if (mark === undefined || mark === acknowledged) return undefined
    return acknowledged === undefined || mark > acknowledged || this.sought ? mark : undefined
  }

  /** The outcome of a commit: acknowledged, or unknown. */
  committed(offset: bigint, acknowledged: boolean): void {
    if (!acknowledged) {
      if (this.unknown === undefined || offset > this.unknown) this.unknown = offset
      return
    }
    this.acknowledged = offset
    this.sought = false
    if (this.unknown !== undefined && this.unknown <= offset) this.unknown = undefined
  }

  /**
   * Where reading begins after an assignment, given what the group has committed. The mark counts only if the committed
   * offset is our own last commit, or a later one of ours with an unknown outcome; otherwise somebody else moved it.
   */
  startFrom(committed: bigint): { readonly offset: bigint; readonly dropped: bigint | undefined } {
    const { mark, acknowledged, unknown } = this
    const ours =
      this.sought ||
      committed === acknowledged ||
      (unknown !== undefined && committed <= unknown && committed >= (acknowledged ?? 0n))
    const offset = mark !== undefined && ours && (this.sought || mark > committed) ? mark : committed
    const dropped = mark !== undefined && offset < mark ? mark : undefined
    this.mark = offset
    this.acknowledged = committed
    this.unknown = undefined
    return { offset, dropped }
  }

  seek(offset: bigint): void {
    this.queue.length = 0
    this.seeks++
    this.mark = offset
    this.sought = true
  }
}
