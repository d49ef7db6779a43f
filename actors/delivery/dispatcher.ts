/**
 * The dispatcher: from fetched batches to handlers. KafkaJS's fetch loop never waits for a handler: a batch is taken into
 * its partition's queue, at most `concurrency` queues are worked at a time, and a queue that is full is paused.
 * It belongs to the consumer and outlives its sessions, so marks, pauses and seeks do too.
 */

import { byTopic, type PartitionsByTopic, type TopicPartition } from '../../machines/fact.ts'
import type { Batch } from '../kafkajs/consumer.ts'
import type { Assignment } from './assignment.ts'
import { Backlog } from './backlog.ts'
import { Handler, type HandlerOptions } from './handler.ts'
import { PartitionQueue } from './partition-queue.ts'
import type { GroupProgress } from './progress.ts'

/** What the dispatcher needs of the session that reads at the moment. */
export interface Reader {
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  seek(partition: TopicPartition, offset: string): void
}

export interface DispatcherOptions extends Omit<HandlerOptions, 'pause' | 'onOverdue' | 'uncommitted'> {
  /** Queues worked at a time. */
  readonly concurrency: number
  readonly progress: GroupProgress
  /** Bytes of messages that may wait, over all partitions. */
  readonly maxBufferedBytes: number
}

/** Batches that may wait in a queue beside the one at work before its partition is paused. */
const depth = 2
/** How long a fetch waits for room before its partition is paused instead, in milliseconds. */
const roomWithinMs = 200
/** What a handler has between its signal and being given up, in milliseconds. */
const graceMs = 500

export class Dispatcher {
  readonly handler: Handler
  readonly backlog: Backlog
  assignment: Assignment | undefined
  private readonly options: DispatcherOptions
  private readonly queues = new Map<string, PartitionQueue>()
  /** The queues of this assignment. */
  private mine: readonly PartitionQueue[] = []
  private readonly places = new Map<PartitionQueue, () => void>()
  private readonly waiting = new Set<PartitionQueue>()
  private readonly room = new Map<PartitionQueue, () => void>()
  /** Queues whose place in this assignment is known: before that an old mark could take the group's commit back, and no batch counts. */
  private readonly located = new Set<PartitionQueue>()
  /** Topics that the user paused as a whole: partitions that come later are paused as well. */
  private readonly pausedTopics = new Set<string>()
  private reader: Reader | undefined
  private free: number
  private isOver = false

  constructor(options: DispatcherOptions) {
    this.options = options
    this.free = options.concurrency
    this.backlog = new Backlog(options.maxBufferedBytes)
    this.handler = new Handler({
      ...options,
      pause: (queue) => {
        this.hold(queue, 'user')
        return () => this.release(queue)
      },
      onOverdue: (queue) => this.places.get(queue)?.(),
      uncommitted: () => this.uncommitted(),
    })
  }

  /** The queues of the partitions that are assigned now. */
  assigned(): readonly PartitionQueue[] {
    return this.mine
  }

  /** A new assignment: messages of this assignment are handed out from now on, read by `reader`. */
  begin(assignment: Assignment, reader: Reader): void {
    const { assignment: previous } = this
    this.assignment = assignment
    this.mine = partitionsIn(assignment.partitions).map((found) => this.queueOf(found))
    this.reader = reader
    if (this.isOver) void assignment.close(0, 0)
    if (previous?.open) void previous.close(0, graceMs)
    this.located.clear()
    for (const queue of this.queues.values()) {
      queue.clear()
      queue.outOfRange = false
      // A seek that nobody has committed ends with the assignment: by the next one others have moved on.
      if (previous && queue.progress.sought === previous && !assignment.has(queue)) queue.progress.endSeek()
    }
    for (const queue of this.assigned()) {
      queue.pausedBy.delete('backlog')
      if (queue.held) reader.pause(queue)
      else reader.resume(queue)
    }
  }

  /**
   * Takes a fetched batch in. It counts only if it was asked for under this assignment, for a partition in it whose place is known, from an offset at or
   * below the one expected next. Undefined: it does not count. Otherwise resolves when the queue has room for the next one, or is paused.
   */
  offer(batch: Batch, from: bigint, assignment: Assignment | undefined): Promise<void> | undefined {
    const queue = this.wanted(batch, from, assignment)
    if (!queue || !assignment) return undefined
    const { position } = queue
    if (position !== undefined && BigInt(batch.lastOffset()) < position) {
      // All of it is here already: reading goes on behind that.
      this.reread(queue)
      return undefined
    }
    queue.put({ batch, assignment, from, next: 0 })
    this.pump(queue)
    return this.roomFor(queue)
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
    this.pump(queue)
  }

  /** Ends the assignment: nothing is handed out any more, handlers settle. True when one had to be given up at `withinMs`. */
  async close(withinMs: number): Promise<boolean> {
    const { assignment } = this
    if (!assignment) return false
    for (const make of this.room.values()) make()
    const forced = await assignment.close(withinMs, graceMs)
    if (forced) for (const queue of this.assigned()) if (queue.busy) this.places.get(queue)?.()
    return forced
  }

  /** The consumer stops: an assignment that comes now, of a join that was under way, hands out nothing. */
  finish(): void {
    this.isOver = true
  }

  /** Queues with progress the group does not know, of partitions of this assignment only. */
  uncommitted(): PartitionQueue[] {
    // A sought place is known, also where the look for another one is not over.
    const isKnown = (queue: PartitionQueue) =>
      this.located.has(queue) || (this.assignment && queue.progress.sought === this.assignment)
    return this.assigned().filter((queue) => isKnown(queue) && queue.progress.uncommitted !== undefined)
  }

  /** The place of this queue in this assignment is known. */
  locate(queue: PartitionQueue): void {
    queue.outOfRange = false
    this.located.add(queue)
  }

  /** The place of this queue is not known any more, and what was fetched counts for nothing. */
  displace(queue: PartitionQueue): void {
    this.located.delete(queue)
    queue.clear()
    this.makeRoom(queue)
  }

  /** The log was cut: what was fetched is forgotten, and reading goes on at `offset`. What is at work counts up to `sameTo`, where that is known. */
  rewind(queue: PartitionQueue, offset: bigint, sameTo?: bigint): void {
    if (this.assignment) queue.seek(offset, this.assignment, sameTo)
    this.makeRoom(queue)
  }

  /** Reading goes on at the queue's position, wherever KafkaJS is. */
  reread(queue: PartitionQueue): void {
    if (queue.position !== undefined) this.reader?.seek(queue, `${queue.position}`)
  }

  /** Pauses partitions, or whole topics with all that will be assigned of them. */
  pause({ topic, partitions }: TopicPartitions): void {
    if (!partitions) this.pausedTopics.add(topic)
    for (const queue of this.queuesOf({ topic, partitions })) this.hold(queue, 'user')
  }

  /** Takes back a pause of the user's, and one that a handler's failure caused. */
  resume({ topic, partitions }: TopicPartitions): void {
    if (!partitions) this.pausedTopics.delete(topic)
    for (const queue of this.queuesOf({ topic, partitions })) this.release(queue)
  }

  seek(partition: TopicPartition, offset: bigint): void {
    const queue = this.queueOf(partition)
    if (!this.assignment?.has(queue)) return
    queue.seek(offset, this.assignment)
    this.reader?.seek(queue, `${offset}`)
    this.makeRoom(queue)
  }

  /** What is paused by the user or by a handler that was given up. */
  paused(): TopicPartition[] {
    return [...this.queues.values()].filter((queue) => queue.held).map(({ topic, partition }) => ({ topic, partition }))
  }

  queueOf({ topic, partition }: TopicPartition): PartitionQueue {
    const key = `${topic}/${partition}`
    let queue = this.queues.get(key)
    if (!queue) {
      queue = new PartitionQueue({ topic, partition }, this.options.progress.of({ topic, partition }), this.backlog)
      if (this.pausedTopics.has(topic)) queue.pausedBy.add('user')
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
    const isOurs =
      assignment?.open === true && assignment === this.assignment && assignment.has(queue) && this.located.has(queue)
    if (isOurs && position !== undefined && from <= position) return queue
    const { topic } = queue
    if (assignment?.fence(`${topic}/${queue.partition}`) ?? true) {
      const generation = assignment?.generation ?? -1
      this.options.emit({ type: 'batch.fenced', topic, partition: queue.partition, generation, offset: `${from}` })
    }
    if (isOurs) this.reread(queue)
    return undefined
  }

  /** What was fetched of a queue that is held is fetched again when it goes on: it would take the room of others for as long as that lasts. */
  private hold(queue: PartitionQueue, by: 'user' | 'handler'): void {
    queue.pausedBy.add(by)
    this.reader?.pause(queue)
    queue.clear()
    this.makeRoom(queue)
  }

  private release(queue: PartitionQueue): void {
    const wasHeld = queue.held
    const stalled = queue.pausedBy.delete('handler')
    queue.pausedBy.delete('user')
    if (wasHeld && this.located.has(queue)) this.reread(queue)
    if (queue.pausedBy.size === 0) this.reader?.resume(queue)
    if (stalled) this.options.emit({ type: 'partition.resumed', partitions: byTopic([queue]) })
    this.pump(queue)
  }

  private queuesOf({ topic, partitions }: TopicPartitions): PartitionQueue[] {
    if (partitions) return partitions.map((partition) => this.queueOf({ topic, partition }))
    return [...this.queues.values()].filter((queue) => queue.topic === topic)
  }

  private pump(queue: PartitionQueue): void {
    const queued = queue.first
    if (queue.busy || queue.held || !queued) return
    const { progress } = queue
    if (progress.work) {
      // Another consumer of this process had the partition, and its handler has not settled.
      void progress.work.then(() => this.pump(queue))
      return
    }
    if (this.free === 0) {
      this.waiting.add(queue)
      return
    }
    this.free--
    queue.busy = true
    this.places.set(queue, () => {
      if (!this.places.delete(queue)) return
      this.free++
      this.next()
    })
    const { assignment } = queued
    const work = this.work(queue, assignment).finally(() => {
      assignment.running.delete(work)
      queue.busy = false
      progress.work = undefined
      this.places.get(queue)?.()
      this.pump(queue)
    })
    progress.work = work
    assignment.running.add(work)
  }

  private next(): void {
    for (const queue of this.waiting) {
      if (this.free === 0) return
      this.waiting.delete(queue)
      this.pump(queue)
    }
  }

  /** Works the queue's batches of this assignment until it is empty, held, or others wait for the place. */
  private async work(queue: PartitionQueue, assignment: Assignment): Promise<void> {
    // A batch of another assignment is worked anew, so that the drain of that one waits for it and it has a place.
    for (let queued = queue.first; queued?.assignment === assignment; queued = queue.first) {
      if (assignment !== this.assignment || !assignment.open) {
        queue.shift()
        continue
      }
      const isDone = await this.handler.run(queue, queued, () => this.waiting.size > 0)
      if (isDone && queue.first === queued) {
        queue.shift()
        this.makeRoom(queue)
      }
      if (queue.pausedBy.has('handler')) {
        this.hold(queue, 'handler')
        this.options.emit({
          type: 'partition.stalled',
          partitions: byTopic([queue]),
          reason: 'its handler failed and was given up',
        })
      }
      if (!isDone || this.waiting.size > 0) return
    }
  }

  private makeRoom(queue: PartitionQueue): void {
    if (queue.depth <= depth) this.room.get(queue)?.()
    if (queue.depth < depth && queue.pausedBy.delete('backlog') && queue.pausedBy.size === 0) this.reader?.resume(queue)
  }

  /** Where there is none in time, the partition is paused. */
  private async roomFor(queue: PartitionQueue): Promise<void> {
    // A seek may have emptied the queue meanwhile.
    if (queue.depth <= depth || (await this.roomIn(queue)) || queue.depth <= depth) return
    queue.pausedBy.add('backlog')
    this.reader?.pause(queue)
  }

  private roomIn(queue: PartitionQueue): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (room: boolean) => {
        clearTimeout(timer)
        this.room.delete(queue)
        resolve(room)
      }
      const timer = setTimeout(() => done(false), roomWithinMs)
      this.room.set(queue, () => done(true))
    })
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
