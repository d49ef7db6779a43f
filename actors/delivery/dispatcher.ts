/**
 * The dispatcher: which fetched batches count, and into which queue they go. KafkaJS's fetch loop never waits for a handler: a batch is taken into
 * its partition's queue, handler slots work the queues, and a queue that is full is paused.
 * It belongs to the consumer and outlives its sessions, so marks, pauses and seeks do too.
 */

import type { PartitionsByTopic, TopicPartition } from '../../machines/topic-partition.ts'
import type { Batch } from '../kafkajs/consumer.ts'
import type { Assignment } from './assignment.ts'
import { Handler, type HandlerOptions } from './handler.ts'
import { HandlerSlots } from './handler-slots.ts'
import type { Log } from './log.ts'
import { PartitionQueue, type Reader } from './partition-queue.ts'
import { PrefetchBudget } from './prefetch-budget.ts'
import type { GroupProgress } from './progress.ts'
import type { Traffic } from './traffic.ts'

export interface DispatcherOptions
  extends Omit<HandlerOptions, 'pause' | 'releaseSlot' | 'onRetry' | 'endOf' | 'uncommitted'> {
  /** Handler slots: how many partitions are worked at a time. */
  readonly concurrency: number
  readonly progress: GroupProgress
  /** Whether marks are committed; else the user says what is, and an assignment begins with nothing that was handled before. */
  readonly autoCommit: boolean
  /** Bytes of messages that may wait, over all partitions. */
  readonly maxBufferedBytes: number
}

/** How long a handler has between its signal and being abandoned, in milliseconds. */
const graceMs = 500

export class Dispatcher {
  readonly handler: Handler
  readonly prefetchBudget: PrefetchBudget
  assignment: Assignment | undefined
  private readonly slots: HandlerSlots
  private readonly options: DispatcherOptions
  private readonly queues = new Map<string, PartitionQueue>()
  /** The queues of this assignment. */
  private mine: readonly PartitionQueue[] = []
  /** Topics that the user paused as a whole: partitions that come later are paused as well. */
  private readonly pausedTopics = new Set<string>()
  private reader: Reader | undefined
  private log: Log | undefined
  private readonly fetched = { messages: 0, bytes: 0 }
  private isOver = false

  constructor(options: DispatcherOptions) {
    this.options = options
    this.prefetchBudget = new PrefetchBudget(options.maxBufferedBytes)
    this.handler = new Handler({
      ...options,
      pause: (queue) => {
        queue.hold('user')
        return () => this.release(queue)
      },
      releaseSlot: (queue) => this.slots.release(queue),
      onRetry: (queue) => this.slots.work(queue),
      endOf: async (queue) => (await this.log?.edge(queue, 'end'))?.offset,
      uncommitted: () => this.uncommitted(),
    })
    this.slots = new HandlerSlots(options.concurrency, this.handler)
  }

  /** The queues of the partitions that are assigned now. */
  assigned(): readonly PartitionQueue[] {
    return this.mine
  }

  get traffic(): Traffic {
    const { fetched, handler, prefetchBudget } = this
    return {
      ...{ fetchedMessages: fetched.messages, fetchedBytes: fetched.bytes },
      ...{ handledMessages: handler.handled, handledBytes: handler.handledBytes },
      ...{ suppressedMessages: handler.suppressed, bufferedBytes: prefetchBudget.held },
    }
  }

  /** Whether marks are committed, and not only what the user names. */
  get commitsMarks(): boolean {
    return this.options.autoCommit
  }

  /** A new assignment: messages of this assignment are handed out from now on, read by `reader` from `log`. */
  begin(assignment: Assignment, reader: Reader, log?: Log): void {
    const { assignment: previous } = this
    this.assignment = assignment
    this.reader = reader
    this.log = log
    this.mine = partitionsIn(assignment.partitions).map((found) => this.queueOf(found))
    if (this.isOver) void assignment.close(0, 0)
    if (previous?.open) void previous.close(0, graceMs)
    for (const queue of this.queues.values()) {
      const isAssigned = assignment.has(queue)
      // A seek that nobody has committed ends with the assignment: by the next one others have moved on.
      if (previous && queue.progress.sought === previous && !isAssigned) queue.progress.endSeek()
      if (isAssigned && !this.options.autoCommit) queue.progress.restart()
      queue.begin(isAssigned)
    }
  }

  /**
   * Takes a fetched batch in. It counts only if it was asked for under this assignment, for a partition in it whose start position is known, from an offset at or
   * below the one expected next. Undefined: it does not count. Otherwise resolves when the queue has room for the next one, or is paused.
   */
  offer(batch: Batch, from: bigint, assignment: Assignment | undefined): Promise<void> | undefined {
    const queue = this.wanted(batch, from, assignment)
    if (!queue || !assignment) return undefined
    const { position } = queue
    if (position !== undefined && BigInt(batch.lastOffset()) < position) {
      // All of it is here already: reading goes on behind that.
      queue.reread()
      return undefined
    }
    this.fetched.bytes += queue.put({ batch, assignment, from, next: 0 })
    this.fetched.messages += batch.messages.length
    this.slots.work(queue)
    return queue.room()
  }

  /** A stretch of the log, from where it was fetched to `lastOffset`, has no messages for handlers: control records, or an aborted transaction. */
  pass(partition: TopicPartition, from: bigint, lastOffset: string, assignment: Assignment | undefined): void {
    const queue = this.wanted(partition, from, assignment)
    if (queue) this.step(queue, BigInt(lastOffset), from)
  }

  /** The mark steps over everything up to `lastOffset`, after what waits here. */
  step(queue: PartitionQueue, lastOffset: bigint, from: bigint | undefined = queue.position): void {
    if (!this.assignment?.open || from === undefined) return
    queue.put({ batch: emptyBatch(queue, `${lastOffset}`), assignment: this.assignment, from, next: 0 })
    this.slots.work(queue)
  }

  /** Ends the assignment: nothing is handed out any more, handlers settle. True when one had to be abandoned at `withinMs`. */
  async close(withinMs: number): Promise<boolean> {
    const { assignment } = this
    if (!assignment) return false
    for (const queue of this.queues.values()) queue.stopWaiting()
    const forced = await assignment.close(withinMs, graceMs)
    if (forced) for (const queue of this.assigned()) this.slots.release(queue)
    return forced
  }

  /** The consumer stops: an assignment that comes now, of a join that was under way, hands out nothing. */
  finish(): void {
    this.isOver = true
  }

  /** Queues with progress the group does not know, of partitions of this assignment only. */
  uncommitted(): PartitionQueue[] {
    return this.assigned().filter((queue) => this.isPlaced(queue) && queue.progress.uncommitted !== undefined)
  }

  /** Whether the position in this assignment is known: a sought one is, also where the look for another one is not over. */
  isPlaced(queue: PartitionQueue): boolean {
    return queue.open || (this.assignment !== undefined && queue.progress.sought === this.assignment)
  }

  /** Pauses partitions, or whole topics with all that will be assigned of them. */
  pause({ topic, partitions }: TopicPartitions): void {
    if (!partitions) this.pausedTopics.add(topic)
    for (const queue of this.queuesOf({ topic, partitions })) queue.hold('user')
  }

  /** Takes back a pause of the user's, and one that a handler's failure caused. */
  resume({ topic, partitions }: TopicPartitions): void {
    if (!partitions) this.pausedTopics.delete(topic)
    for (const queue of this.queuesOf({ topic, partitions })) this.release(queue)
  }

  seek(partition: TopicPartition, offset: bigint): void {
    const queue = this.queueOf(partition)
    if (this.assignment?.has(queue)) queue.seek(offset, this.assignment)
  }

  /** What is paused by the user or by a handler that was given up. */
  paused(): TopicPartition[] {
    return [...this.queues.values()].filter((queue) => queue.held).map(({ topic, partition }) => ({ topic, partition }))
  }

  queueOf({ topic, partition }: TopicPartition): PartitionQueue {
    const key = `${topic}/${partition}`
    let queue = this.queues.get(key)
    if (!queue) {
      const progress = this.options.progress.of({ topic, partition })
      queue = new PartitionQueue({ topic, partition }, progress, this.prefetchBudget, () => this.reader)
      if (this.pausedTopics.has(topic)) queue.hold('user')
      this.queues.set(key, queue)
    }
    return queue
  }

  /** The queue of a batch that counts; otherwise undefined, with the fact, and KafkaJS is told where reading really is. */
  private wanted(
    partition: TopicPartition,
    from: bigint,
    assignment: Assignment | undefined,
  ): PartitionQueue | undefined {
    const queue = this.queueOf(partition)
    const { position } = queue
    const isOurs = assignment?.open === true && assignment === this.assignment && assignment.has(queue) && queue.open
    if (isOurs && position !== undefined && from <= position) return queue
    const { topic } = queue
    if (assignment?.fence(`${topic}/${queue.partition}`) ?? true) {
      const generation = assignment?.generation ?? -1
      this.options.emit({ type: 'batch.fenced', topic, partition: queue.partition, generation, offset: `${from}` })
    }
    if (isOurs) queue.reread()
    return undefined
  }

  private release(queue: PartitionQueue): void {
    queue.release()
    this.slots.work(queue)
  }

  private queuesOf({ topic, partitions }: TopicPartitions): PartitionQueue[] {
    if (partitions) return partitions.map((partition) => this.queueOf({ topic, partition }))
    return [...this.queues.values()].filter((queue) => queue.topic === topic)
  }
}

/** A topic, and the partitions of it that are meant; all of it when left out. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions?: readonly number[] | undefined
}

/** The partitions of an assignment, one by one. */
export const partitionsIn = (partitions: PartitionsByTopic): TopicPartition[] =>
  Object.entries(partitions).flatMap(([topic, list]) => list.map((partition) => ({ topic, partition })))

const emptyBatch = ({ topic, partition }: TopicPartition, lastOffset: string): Batch => ({
  topic,
  partition,
  messages: [],
  highWatermark: lastOffset,
  isEmpty: () => true,
  firstOffset: () => null,
  lastOffset: () => lastOffset,
  offsetLag: () => '0',
  offsetLagLow: () => '0',
})
