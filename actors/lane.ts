/** A lane: one partition's way from the fetch to the handler, in order. It belongs to one consumer and outlives its sessions. */

import type { TopicPartition } from '../machines/fact.ts'
import type { Batch } from './kafka.ts'
import type { Progress } from './progress.ts'
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
  readonly progress: Progress
  readonly queue: Load[] = []
  /** Who wants it paused: the user, a handler that was given up, or the backlog. */
  readonly pausedBy = new Set<'user' | 'handler' | 'backlog'>()
  /** KafkaJS gave up its position: the next one is looked up anew. */
  outOfRange = false
  /** A handler of this lane is at work; also one of an earlier tenure that has not settled. */
  busy = false
  /** When a message was last handed out or handled, on the clock of `performance.now()`. */
  movedAt = 0

  constructor({ topic, partition }: TopicPartition, progress: Progress) {
    this.topic = topic
    this.partition = partition
    this.progress = progress
  }

  get held(): boolean {
    return this.pausedBy.has('user') || this.pausedBy.has('handler')
  }

  /** The next offset to fetch: behind what waits here, or the mark; undefined before the first position. */
  get position(): bigint | undefined {
    const last = this.queue.at(-1)
    return last ? BigInt(last.batch.lastOffset()) + 1n : this.progress.mark
  }

  /** Reading goes on at this offset; what was fetched before is forgotten. */
  seek(offset: bigint): void {
    this.queue.length = 0
    this.progress.seek(offset)
  }
}
