/**
 * A queue: one partition's way from the fetch to the handler, in order. It belongs to one consumer and outlives its sessions. In each assignment it is
 * closed until its start position is known: before that an old mark could take the group's commit back, so no batch counts and nothing is committed.
 */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { Batch } from '../kafkajs/consumer.ts'
import { Condition } from '../time/condition.ts'
import type { Assignment } from './assignment.ts'
import type { HandlerFailure } from './handler-failure.ts'
import type { PrefetchBudget } from './prefetch-budget.ts'
import { prefetchDepth, roomWithinMs } from './prefetch-depth.ts'
import type { Progress } from './progress.ts'
import { sizeOf } from './traffic.ts'

/** What queues need of the session that reads at the moment. */
export interface Reader {
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  seek(partition: TopicPartition, offset: string): void
}

/** A batch that waits to be handed out, and how far it has been. */
export interface QueuedBatch {
  readonly batch: Batch
  readonly assignment: Assignment
  /** The offset it was fetched from: it holds everything of the log from there to its last offset. */
  readonly from: bigint
  /** Index of the next message. */
  next: number
  /** What its handler threw last since it was taken up. */
  thrown?: unknown
}

/** Who wants a partition paused: the user, a handler that was given up, or a full queue. */
type PausedBy = 'user' | 'handler' | 'prefetch'

/** Roughly what the object of a message takes besides its bytes. */
const messageBytes = 100

export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly progress: Progress
  readonly pausedBy = new Set<PausedBy>()
  /** Whether it was assigned at some time. */
  known = false
  /** Whether its start position in this assignment is known: it is the mark. */
  open = false
  /** Whether a handler of this queue is at work; also one of an earlier assignment that has not settled. */
  busy = false
  /** When a message was last handed out or handled, on the clock of `performance.now()`. */
  movedAt = 0
  private readonly prefetchBudget: PrefetchBudget
  private readonly reader: () => Reader | undefined
  private readonly batches: { readonly queued: QueuedBatch; readonly bytes: number; readonly size: number }[] = []
  /** Made for the first fetch that waits: most queues never fill up. */
  private hasRoom: Condition | undefined
  private failing: HandlerFailure | undefined
  /** The wait before a handler that has failed is called again. */
  private waiting: NodeJS.Timeout | undefined
  private highWatermark = 0n
  private handedTo: bigint | undefined
  /** How often the mark had been set anew when something was handed out last. */
  private handedIn = 0

  constructor(
    { topic, partition }: TopicPartition,
    progress: Progress,
    prefetchBudget: PrefetchBudget,
    reader: () => Reader | undefined,
  ) {
    this.topic = topic
    this.partition = partition
    this.progress = progress
    this.prefetchBudget = prefetchBudget
    this.reader = reader
  }

  /** What its handler fails for; undefined while it does not. */
  get failure(): HandlerFailure | undefined {
    return this.failing
  }

  /** Its handler has failed, and the next try waits. */
  get resting(): boolean {
    return this.waiting !== undefined
  }

  /** Where the log ended when it was last fetched. */
  get end(): bigint {
    return this.highWatermark
  }

  /** The end of what was handed out in this assignment, plus one, or where reading began; undefined while that is not known. */
  get handedOut(): bigint | undefined {
    const { mark } = this.progress
    if (this.handedTo === undefined || mark === undefined) return this.handedTo ?? mark
    return this.handedTo > mark ? this.handedTo : mark
  }

  /** Nothing is handed out: the user or a handler that was given up has paused it. */
  get held(): boolean {
    return this.pausedBy.has('user') || this.pausedBy.has('handler')
  }

  /** Batches that wait or are at work. */
  get depth(): number {
    return this.batches.length
  }

  /** Bytes that wait or are at work, as the budget counts them. */
  get bytes(): number {
    return this.batches.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** The batch to work next, or at work. */
  get first(): QueuedBatch | undefined {
    return this.batches[0]?.queued
  }

  /** The next offset to fetch: behind what waits here, or the mark; undefined before the first position. */
  get position(): bigint | undefined {
    const last = this.batches.at(-1)
    return last ? endOf(last.queued.batch) : this.progress.mark
  }

  /** The position, or the end of what is at work and counts where that is further: a partition that was paused forgot the rest of it. */
  get reach(): bigint | undefined {
    const { position, handedTo, busy } = this
    if (position === undefined || handedTo === undefined || !busy || this.handedIn !== this.progress.seeks)
      return position
    return handedTo > position ? handedTo : position
  }

  /** An assignment begins: what was fetched before is forgotten, and the partition is read if it is assigned and not held. */
  begin(isAssigned: boolean): void {
    this.pausedBy.delete('prefetch')
    this.close()
    const isGivenUp = this.pausedBy.has('handler')
    this.failing?.rest()
    // Tries count in one assignment; what a policy has paused stays so.
    if (!isGivenUp) this.failing = undefined
    if (!isAssigned) return
    this.known = true
    if (isGivenUp) this.failing?.goOn()
    if (this.held) this.reader()?.pause(this)
    else this.reader()?.resume(this)
  }

  /** The start position is not known any more, and what was fetched counts for nothing. */
  close(): void {
    this.open = false
    this.handedTo = undefined
    this.clear()
    this.makeRoom()
  }

  /** Takes a batch in. Returns the bytes of its messages. */
  put(queued: QueuedBatch): number {
    if (!queued.batch.isEmpty()) this.highWatermark = BigInt(queued.batch.highWatermark)
    const { messages } = queued.batch
    const size = messages.reduce((sum, message) => sum + sizeOf(message), 0)
    const bytes = size + messages.length * messageBytes
    this.batches.push({ queued, bytes, size })
    this.prefetchBudget.add(bytes)
    return size
  }

  /** Resolves when there is room for the next batch; where none comes in time, the partition is paused until there is. */
  async room(): Promise<void> {
    // A seek may have emptied the queue meanwhile.
    if (this.depth <= prefetchDepth) return
    this.hasRoom ??= new Condition()
    if ((await this.hasRoom.wait(roomWithinMs)) || this.depth <= prefetchDepth) return
    this.pausedBy.add('prefetch')
    this.reader()?.pause(this)
  }

  /** Nothing more is handed out, so neither a fetch that waits for room nor a handler's next try need wait. */
  stopWaiting(): void {
    this.hasRoom?.wakeup()
    this.stopResting()
    this.failing?.rest()
  }

  /** Its handler has failed: nothing is handed out for so long, or until what was fetched is forgotten. */
  rest(forMs: number, onOver: () => void): void {
    this.stopResting()
    this.waiting = setTimeout(() => {
      this.waiting = undefined
      onOver()
    }, forMs)
  }

  /** Its handler fails for this; undefined: for nothing any more. */
  fail(failure: HandlerFailure | undefined): void {
    if (this.failing === failure) return
    this.failing?.end()
    this.failing = failure
  }

  /** A message, or a batch of them, goes to the handler. */
  noteHandOut(): void {
    this.movedAt = performance.now()
  }

  /** All below `end` has been handed out. */
  handOut(end: bigint): void {
    this.handedIn = this.progress.seeks
    if (end > (this.handedTo ?? -1n)) this.handedTo = end
  }

  /** All of the batch below `mark` is handled. False when the mark does not move; `seeks` is what it was when the batch was handed out. */
  advance({ from }: QueuedBatch, mark: bigint, seeks: number): boolean {
    if (!this.progress.advance(from, mark, seeks)) return false
    this.movedAt = performance.now()
    return true
  }

  /** The batch is handled to its end. Returns the bytes of its messages. */
  finish(queued: QueuedBatch): number {
    const [first] = this.batches
    if (first?.queued !== queued) return 0
    this.shift()
    this.makeRoom()
    return first.size
  }

  /** The first batch is taken out, handled or not. */
  shift(): void {
    this.prefetchBudget.add(-(this.batches.shift()?.bytes ?? 0))
  }

  /** Pauses the partition. What was fetched is fetched again when it goes on: it would take the room of others for as long as that lasts. */
  hold(by: 'user' | 'handler'): void {
    this.pausedBy.add(by)
    this.reader()?.pause(this)
    this.clear()
    this.makeRoom()
  }

  /** Takes back a pause of the user's, and one after a handler was given up. */
  release(): void {
    const wasHeld = this.held
    if (this.pausedBy.delete('handler')) this.fail(undefined)
    this.pausedBy.delete('user')
    if (wasHeld && this.open) this.reread()
    if (this.pausedBy.size === 0) this.reader()?.resume(this)
  }

  /** The user seeks: reading goes on at this offset. */
  seek(offset: bigint, assignment: Assignment): void {
    this.leave()
    this.progress.seek(offset, assignment)
    this.reread()
    this.makeRoom()
  }

  /** The log was cut: what was fetched is forgotten, and reading goes on at `offset`. What is at work counts up to `sameTo`, where that is known. */
  rewind(offset: bigint, assignment: Assignment, sameTo?: bigint): void {
    this.leave()
    const end = sameTo ?? offset
    if (this.handedTo !== undefined && this.handedTo > end) this.handedTo = end
    this.progress.seek(offset, assignment, sameTo)
    this.makeRoom()
  }

  /** Reading goes on at the position, wherever KafkaJS is. */
  reread(): void {
    if (this.position !== undefined) this.reader()?.seek(this, `${this.position}`)
  }

  /** Forgets what was fetched: the position is the mark again. */
  private clear(): void {
    while (this.batches.length > 0) this.shift()
    this.stopResting()
  }

  /** Reading goes on elsewhere: what its handler failed for is not in its way any more. */
  private leave(): void {
    this.clear()
    if (!this.pausedBy.has('handler')) this.fail(undefined)
  }

  private stopResting(): void {
    clearTimeout(this.waiting)
    this.waiting = undefined
  }

  private makeRoom(): void {
    if (this.depth <= prefetchDepth) this.hasRoom?.wakeup()
    if (this.depth < prefetchDepth && this.pausedBy.delete('prefetch') && this.pausedBy.size === 0)
      this.reader()?.resume(this)
  }
}

/** The offset behind the batch, and behind control records at its end. */
export const endOf = (batch: Batch): bigint => BigInt(batch.lastOffset()) + 1n
