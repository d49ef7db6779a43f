/** A queue: one partition's way from the fetch to the handler, in order. It belongs to one consumer and outlives its sessions. */

import type { TopicPartition } from '../../machines/fact.ts'
import type { Batch, KafkaMessage } from '../kafkajs/consumer.ts'
import type { Assignment } from './assignment.ts'
import type { PrefetchBudget } from './prefetch-budget.ts'
import type { Progress } from './progress.ts'

/** A batch that waits to be handed out, and how far it has been. */
export interface QueuedBatch {
  readonly batch: Batch
  readonly assignment: Assignment
  /** The offset it was fetched from: it holds everything of the log from there to its last offset. */
  readonly from: bigint
  /** Index of the next message. */
  next: number
}

/** What an object of a message takes beside its bytes, about. */
const messageBytes = 100

export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly progress: Progress
  /** Who wants it paused: the user, a handler that was given up, or a full prefetch. */
  readonly pausedBy = new Set<'user' | 'handler' | 'prefetch'>()
  /** KafkaJS gave up its position: the next one is looked up anew. */
  outOfRange = false
  /** A handler of this queue is at work; also one of an earlier assignment that has not settled. */
  busy = false
  /** When a message was last handed out or handled, on the clock of `performance.now()`. */
  movedAt = 0
  private readonly prefetchBudget: PrefetchBudget
  private readonly batches: { readonly queued: QueuedBatch; readonly bytes: number }[] = []

  constructor({ topic, partition }: TopicPartition, progress: Progress, prefetchBudget: PrefetchBudget) {
    this.topic = topic
    this.partition = partition
    this.progress = progress
    this.prefetchBudget = prefetchBudget
  }

  get held(): boolean {
    return this.pausedBy.has('user') || this.pausedBy.has('handler')
  }

  /** Batches that wait or are at work. */
  get depth(): number {
    return this.batches.length
  }

  /** The batch to work next, or at work. */
  get first(): QueuedBatch | undefined {
    return this.batches[0]?.queued
  }

  /** The next offset to fetch: behind what waits here, or the mark; undefined before the first position. */
  get position(): bigint | undefined {
    const last = this.batches.at(-1)
    return last ? BigInt(last.queued.batch.lastOffset()) + 1n : this.progress.mark
  }

  put(queued: QueuedBatch): void {
    const bytes = queued.batch.messages.reduce((sum, message) => sum + bytesOf(message), 0)
    this.batches.push({ queued, bytes })
    this.prefetchBudget.add(bytes)
  }

  /** The first batch is worked, or not wanted any more. */
  shift(): void {
    this.prefetchBudget.add(-(this.batches.shift()?.bytes ?? 0))
  }

  /** Forgets what was fetched: the position is the mark again. */
  clear(): void {
    while (this.batches.length > 0) this.shift()
  }

  /** Reading goes on at this offset; what was fetched before is forgotten. */
  seek(offset: bigint, assignment: Assignment, sameTo?: bigint): void {
    this.clear()
    this.progress.seek(offset, assignment, sameTo)
  }
}

const bytesOf = ({ key, value, headers = {} }: KafkaMessage): number => {
  const parts = Object.entries(headers).flatMap(([name, values]) => [name, ...[values ?? []].flat()])
  return parts.reduce((sum, part) => sum + part.length, messageBytes + (key?.length ?? 0) + (value?.length ?? 0))
}
