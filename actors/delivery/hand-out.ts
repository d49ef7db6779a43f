/**
 * The hand-out: from fetched batches to handlers. KafkaJS's fetch loop never waits for a handler: a batch is taken into
 * its partition's lane, at most `concurrency` lanes are worked at a time, and a lane that is full is paused.
 * It belongs to the consumer and outlives its sessions, so marks, pauses and seeks do too.
 */

import { byTopic, type PartitionsByTopic, type TopicPartition } from '../../machines/fact.ts'
import type { Batch } from '../kafkajs/consumer.ts'
import { Backlog } from './backlog.ts'
import { Handler, type HandlerOptions } from './handler.ts'
import { Lane } from './lane.ts'
import type { GroupProgress } from './progress.ts'
import type { Tenure } from './tenure.ts'

/** What the hand-out needs of the session that reads at the moment. */
export interface Reader {
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  seek(partition: TopicPartition, offset: string): void
}

export interface HandOutOptions extends Omit<HandlerOptions, 'pause' | 'onOverdue' | 'uncommitted'> {
  /** Lanes worked at a time. */
  readonly concurrency: number
  readonly progress: GroupProgress
  /** Bytes of messages that may wait, over all partitions. */
  readonly maxBufferedBytes: number
}

/** Batches that may wait in a lane beside the one at work before its partition is paused. */
const depth = 2
/** How long a fetch waits for room before its partition is paused instead, in milliseconds. */
const roomWithinMs = 200
/** What a handler has between its signal and being given up, in milliseconds. */
const graceMs = 500

export class HandOut {
  readonly handler: Handler
  readonly backlog: Backlog
  tenure: Tenure | undefined
  private readonly options: HandOutOptions
  private readonly lanes = new Map<string, Lane>()
  /** The lanes of this tenure. */
  private mine: readonly Lane[] = []
  private readonly places = new Map<Lane, () => void>()
  private readonly waiting = new Set<Lane>()
  private readonly room = new Map<Lane, () => void>()
  /** Lanes whose place in this tenure is known: before that an old mark could take the group's commit back, and no batch counts. */
  private readonly located = new Set<Lane>()
  /** Topics that the user paused as a whole: partitions that come later are paused as well. */
  private readonly pausedTopics = new Set<string>()
  private reader: Reader | undefined
  private free: number
  private isOver = false

  constructor(options: HandOutOptions) {
    this.options = options
    this.free = options.concurrency
    this.backlog = new Backlog(options.maxBufferedBytes)
    this.handler = new Handler({
      ...options,
      pause: (lane) => {
        this.hold(lane, 'user')
        return () => this.release(lane)
      },
      onOverdue: (lane) => this.places.get(lane)?.(),
      uncommitted: () => this.uncommitted(),
    })
  }

  /** The lanes of the partitions that are assigned now. */
  assigned(): readonly Lane[] {
    return this.mine
  }

  /** A new assignment: messages of this tenure are handed out from now on, read by `reader`. */
  begin(tenure: Tenure, reader: Reader): void {
    const { tenure: previous } = this
    this.tenure = tenure
    this.mine = partitionsIn(tenure.partitions).map((found) => this.laneOf(found))
    this.reader = reader
    if (this.isOver) void tenure.close(0, 0)
    if (previous?.open) void previous.close(0, graceMs)
    this.located.clear()
    for (const lane of this.lanes.values()) {
      lane.clear()
      lane.outOfRange = false
      // A seek that nobody has committed ends with the assignment: by the next one others have moved on.
      if (previous && lane.progress.sought === previous && !tenure.has(lane)) lane.progress.endSeek()
    }
    for (const lane of this.assigned()) {
      lane.pausedBy.delete('backlog')
      if (lane.held) reader.pause(lane)
      else reader.resume(lane)
    }
  }

  /**
   * Takes a fetched batch in. It counts only if it was asked for under this tenure, for a partition in it whose place is known, from an offset at or
   * below the one expected next. Undefined: it does not count. Otherwise resolves when the lane has room for the next one, or is paused.
   */
  offer(batch: Batch, from: bigint, tenure: Tenure | undefined): Promise<void> | undefined {
    const lane = this.wanted(batch, from, tenure)
    if (!lane || !tenure) return undefined
    const { position } = lane
    if (position !== undefined && BigInt(batch.lastOffset()) < position) {
      // All of it is here already: reading goes on behind that.
      this.reread(lane)
      return undefined
    }
    lane.put({ batch, tenure, from, next: 0 })
    this.pump(lane)
    return this.roomFor(lane)
  }

  /** A stretch of the log, from where it was fetched to `lastOffset`, has no messages for handlers: control records, or an aborted transaction. */
  pass(partition: TopicPartition, from: bigint, lastOffset: string, tenure: Tenure | undefined): void {
    const lane = this.wanted(partition, from, tenure)
    if (lane) this.step(lane, BigInt(lastOffset), from)
  }

  /** The mark steps over everything up to `lastOffset`, after what waits here. */
  step(lane: Lane, lastOffset: bigint, from: bigint | undefined = lane.position): void {
    if (!this.tenure?.open || from === undefined) return
    lane.put({ batch: emptyBatch(lane, `${lastOffset}`), tenure: this.tenure, from, next: 0 })
    this.pump(lane)
  }

  /** Ends the tenure: nothing is handed out any more, handlers settle. True when one had to be given up at `withinMs`. */
  async close(withinMs: number): Promise<boolean> {
    const { tenure } = this
    if (!tenure) return false
    for (const make of this.room.values()) make()
    const forced = await tenure.close(withinMs, graceMs)
    if (forced) for (const lane of this.assigned()) if (lane.busy) this.places.get(lane)?.()
    return forced
  }

  /** The consumer stops: an assignment that comes now, of a join that was under way, hands out nothing. */
  finish(): void {
    this.isOver = true
  }

  /** Lanes with progress the group does not know, of partitions of this tenure only. */
  uncommitted(): Lane[] {
    // A sought place is known, also where the look for another one is not over.
    const isKnown = (lane: Lane) => this.located.has(lane) || (this.tenure && lane.progress.sought === this.tenure)
    return this.assigned().filter((lane) => isKnown(lane) && lane.progress.uncommitted !== undefined)
  }

  /** The place of this lane in this tenure is known. */
  locate(lane: Lane): void {
    lane.outOfRange = false
    this.located.add(lane)
  }

  /** The place of this lane is not known any more, and what was fetched counts for nothing. */
  displace(lane: Lane): void {
    this.located.delete(lane)
    lane.clear()
    this.makeRoom(lane)
  }

  /** The log was cut: what was fetched is forgotten, and reading goes on at `offset`. What is at work counts up to `sameTo`, where that is known. */
  rewind(lane: Lane, offset: bigint, sameTo?: bigint): void {
    if (this.tenure) lane.seek(offset, this.tenure, sameTo)
    this.makeRoom(lane)
  }

  /** Reading goes on at the lane's position, wherever KafkaJS is. */
  reread(lane: Lane): void {
    if (lane.position !== undefined) this.reader?.seek(lane, `${lane.position}`)
  }

  /** Pauses partitions, or whole topics with all that will be assigned of them. */
  pause({ topic, partitions }: TopicPartitions): void {
    if (!partitions) this.pausedTopics.add(topic)
    for (const lane of this.lanesOf({ topic, partitions })) this.hold(lane, 'user')
  }

  /** Takes back a pause of the user's, and one that a handler's failure caused. */
  resume({ topic, partitions }: TopicPartitions): void {
    if (!partitions) this.pausedTopics.delete(topic)
    for (const lane of this.lanesOf({ topic, partitions })) this.release(lane)
  }

  seek(partition: TopicPartition, offset: bigint): void {
    const lane = this.laneOf(partition)
    if (!this.tenure?.has(lane)) return
    lane.seek(offset, this.tenure)
    this.reader?.seek(lane, `${offset}`)
    this.makeRoom(lane)
  }

  /** What is paused by the user or by a handler that was given up. */
  paused(): TopicPartition[] {
    return [...this.lanes.values()].filter((lane) => lane.held).map(({ topic, partition }) => ({ topic, partition }))
  }

  laneOf({ topic, partition }: TopicPartition): Lane {
    const key = `${topic}/${partition}`
    let lane = this.lanes.get(key)
    if (!lane) {
      lane = new Lane({ topic, partition }, this.options.progress.of({ topic, partition }), this.backlog)
      if (this.pausedTopics.has(topic)) lane.pausedBy.add('user')
      this.lanes.set(key, lane)
    }
    return lane
  }

  /** The lane of a batch that counts; otherwise undefined, with the fact, and KafkaJS is told where reading really is. */
  private wanted(partition: TopicPartition, from: bigint, tenure: Tenure | undefined): Lane | undefined {
    const lane = this.laneOf(partition)
    const { position } = lane
    const isOurs = tenure?.open === true && tenure === this.tenure && tenure.has(lane) && this.located.has(lane)
    if (isOurs && position !== undefined && from <= position) return lane
    const { topic } = lane
    if (tenure?.fence(`${topic}/${lane.partition}`) ?? true) {
      const generation = tenure?.generation ?? -1
      this.options.emit({ type: 'handout.fenced', topic, partition: lane.partition, generation, offset: `${from}` })
    }
    if (isOurs) this.reread(lane)
    return undefined
  }

  /** What was fetched of a lane that is held is fetched again when it goes on: it would take the room of others for as long as that lasts. */
  private hold(lane: Lane, by: 'user' | 'handler'): void {
    lane.pausedBy.add(by)
    this.reader?.pause(lane)
    lane.clear()
    this.makeRoom(lane)
  }

  private release(lane: Lane): void {
    const wasHeld = lane.held
    const stalled = lane.pausedBy.delete('handler')
    lane.pausedBy.delete('user')
    if (wasHeld && this.located.has(lane)) this.reread(lane)
    if (lane.pausedBy.size === 0) this.reader?.resume(lane)
    if (stalled) this.options.emit({ type: 'partition.resumed', partitions: byTopic([lane]) })
    this.pump(lane)
  }

  private lanesOf({ topic, partitions }: TopicPartitions): Lane[] {
    if (partitions) return partitions.map((partition) => this.laneOf({ topic, partition }))
    return [...this.lanes.values()].filter((lane) => lane.topic === topic)
  }

  private pump(lane: Lane): void {
    const load = lane.first
    if (lane.busy || lane.held || !load) return
    const { progress } = lane
    if (progress.work) {
      // Another consumer of this process had the partition, and its handler has not settled.
      void progress.work.then(() => this.pump(lane))
      return
    }
    if (this.free === 0) {
      this.waiting.add(lane)
      return
    }
    this.free--
    lane.busy = true
    this.places.set(lane, () => {
      if (!this.places.delete(lane)) return
      this.free++
      this.next()
    })
    const { tenure } = load
    const work = this.work(lane, tenure).finally(() => {
      tenure.running.delete(work)
      lane.busy = false
      progress.work = undefined
      this.places.get(lane)?.()
      this.pump(lane)
    })
    progress.work = work
    tenure.running.add(work)
  }

  private next(): void {
    for (const lane of this.waiting) {
      if (this.free === 0) return
      this.waiting.delete(lane)
      this.pump(lane)
    }
  }

  /** Works the lane's loads of this tenure until it is empty, held, or others wait for the place. */
  private async work(lane: Lane, tenure: Tenure): Promise<void> {
    // A load of another tenure is worked anew, so that the drain of that one waits for it and it has a place.
    for (let load = lane.first; load?.tenure === tenure; load = lane.first) {
      if (tenure !== this.tenure || !tenure.open) {
        lane.shift()
        continue
      }
      const isDone = await this.handler.run(lane, load, () => this.waiting.size > 0)
      if (isDone && lane.first === load) {
        lane.shift()
        this.makeRoom(lane)
      }
      if (lane.pausedBy.has('handler')) {
        this.hold(lane, 'handler')
        this.options.emit({
          type: 'partition.stalled',
          partitions: byTopic([lane]),
          reason: 'its handler failed and was given up',
        })
      }
      if (!isDone || this.waiting.size > 0) return
    }
  }

  private makeRoom(lane: Lane): void {
    if (lane.depth <= depth) this.room.get(lane)?.()
    if (lane.depth < depth && lane.pausedBy.delete('backlog') && lane.pausedBy.size === 0) this.reader?.resume(lane)
  }

  /** Where there is none in time, the partition is paused. */
  private async roomFor(lane: Lane): Promise<void> {
    // A seek may have emptied the lane meanwhile.
    if (lane.depth <= depth || (await this.roomIn(lane)) || lane.depth <= depth) return
    lane.pausedBy.add('backlog')
    this.reader?.pause(lane)
  }

  private roomIn(lane: Lane): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (room: boolean) => {
        clearTimeout(timer)
        this.room.delete(lane)
        resolve(room)
      }
      const timer = setTimeout(() => done(false), roomWithinMs)
      this.room.set(lane, () => done(true))
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
