/**
 * The hand-out: from fetched batches to handlers. KafkaJS's fetch loop never waits for a handler: a batch is taken into
 * its partition's lane, at most `concurrency` lanes are worked at a time, and a lane that is full is paused.
 * It belongs to the consumer and outlives its sessions, so marks, pauses and seeks do too.
 */

import { byTopic, type PartitionsByTopic, type TopicPartition } from '../machines/fact.ts'
import type { CommittedOffset } from './answers.ts'
import { Handler, type HandlerOptions } from './handler.ts'
import type { Batch } from './kafka.ts'
import { Lane } from './lane.ts'
import type { GroupProgress } from './progress.ts'
import type { Tenure } from './tenure.ts'

/** What the hand-out needs of the session that reads at the moment. */
export interface Reader {
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  seek(partition: TopicPartition, offset: string): void
  /** The first (`start`) or next (`end`) offset of the log. */
  offsetAt(partition: TopicPartition, where: 'start' | 'end'): Promise<bigint>
}

export interface HandOutOptions extends Omit<HandlerOptions, 'pause' | 'onOverdue' | 'uncommitted'> {
  /** Lanes worked at a time. */
  readonly concurrency: number
  readonly fromBeginning: boolean
  readonly progress: GroupProgress
}

/** Batches that may wait in a lane beside the one at work before its partition is paused. */
const depth = 2
/** How long a fetch waits for room before its partition is paused instead, in milliseconds. */
const roomWithinMs = 200
/** What a handler has between its signal and being given up, in milliseconds. */
const graceMs = 500

export class HandOut {
  readonly handler: Handler
  tenure: Tenure | undefined
  private readonly options: HandOutOptions
  private readonly lanes = new Map<string, Lane>()
  private readonly places = new Map<Lane, () => void>()
  private readonly waiting = new Set<Lane>()
  private readonly room = new Map<Lane, () => void>()
  /** Lanes whose position in this tenure is known. */
  private readonly placed = new Set<Lane>()
  /** Lanes of which this tenure knows where the group stands: before that, an old mark could take the group's commit back. */
  private readonly located = new Set<Lane>()
  private readonly pins = new Map<Lane, Promise<bigint>>()
  private reader: Reader | undefined
  private free: number
  private isOver = false

  constructor(options: HandOutOptions) {
    this.options = options
    this.free = options.concurrency
    this.handler = new Handler({
      ...options,
      pause: (lane) => {
        this.pause(lane)
        return () => this.resume(lane)
      },
      onOverdue: (lane) => this.places.get(lane)?.(),
      uncommitted: () => this.uncommitted(),
    })
  }

  /** The lanes of the partitions that are assigned now. */
  assigned(): Lane[] {
    return partitionsIn(this.tenure?.partitions ?? {}).map((found) => this.laneOf(found))
  }

  /** A new assignment: messages of this tenure are handed out from now on, read by `reader`. */
  begin(tenure: Tenure, reader: Reader): void {
    this.tenure = tenure
    this.reader = reader
    if (this.isOver) void tenure.close(0, 0)
    this.placed.clear()
    this.located.clear()
    for (const lane of this.assigned()) {
      lane.queue.length = 0
      lane.pausedBy.delete('backlog')
      if (lane.held) reader.pause(lane)
      else reader.resume(lane)
    }
  }

  /** Takes a fetched batch in. Resolves when the lane has room for the next one, or is paused; false: not wanted. */
  async offer(batch: Batch, tenure: Tenure | undefined): Promise<boolean> {
    const { topic, partition } = batch
    if (!tenure?.open || tenure !== this.tenure) {
      if (tenure?.fence(`${topic}/${partition}`) ?? true) {
        this.options.emit({
          type: 'handout.fenced',
          topic,
          partition,
          generation: tenure?.generation ?? -1,
          offset: batch.firstOffset() ?? '0',
        })
      }
      return false
    }
    const lane = this.laneOf(batch)
    lane.queue.push({ batch, tenure, next: 0 })
    this.pump(lane)
    // A seek may have emptied the lane meanwhile.
    if (lane.queue.length > depth && !(await this.roomIn(lane)) && lane.queue.length > depth) {
      lane.pausedBy.add('backlog')
      this.reader?.pause(lane)
    }
    return true
  }

  /** A stretch of the log that ends with `lastOffset` has no messages for handlers: control records, or an aborted transaction. */
  pass({ topic, partition }: TopicPartition, lastOffset: string, tenure: Tenure | undefined): void {
    if (!tenure?.open || tenure !== this.tenure) return
    const lane = this.laneOf({ topic, partition })
    lane.queue.push({ batch: emptyBatch(topic, partition, lastOffset), tenure, next: 0 })
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
    return this.assigned().filter((lane) => this.located.has(lane) && lane.progress.uncommitted !== undefined)
  }

  /**
   * Decides where reading begins after an assignment; where nothing was committed, the position is looked up.
   * True when one was looked up and has to be committed.
   */
  async place(committed: readonly CommittedOffset[], reader: Reader): Promise<boolean> {
    let pinned = false
    for (const entry of committed) {
      const lane = this.laneOf(entry)
      const { topic, partition } = lane
      if (entry.offset < 0n || lane.outOfRange) {
        // The group has no commit of ours, or none any more.
        if (entry.offset < 0n) lane.progress.acknowledged = undefined
        entry.start(await this.pin(lane, reader))
        this.located.add(lane)
        pinned = true
        continue
      }
      // Of several answers in one tenure the later ones may be older than our commits.
      if (this.placed.has(lane) && lane.position !== undefined) {
        entry.start(lane.position)
        continue
      }
      this.placed.add(lane)
      const { offset, dropped } = lane.progress.startFrom(entry.offset)
      this.located.add(lane)
      if (dropped !== undefined) {
        this.options.emit({ type: 'mark.dropped', topic, partition, mark: `${dropped}`, committed: `${entry.offset}` })
      }
      entry.start(offset)
    }
    return pinned
  }

  /** KafkaJS gave up this position: the next one is looked up. */
  reset(partition: TopicPartition): void {
    this.laneOf(partition).outOfRange = true
  }

  pause(partition: TopicPartition): void {
    const lane = this.laneOf(partition)
    lane.pausedBy.add('user')
    this.reader?.pause(lane)
  }

  /** Takes back a pause of the user's, and one that a handler's failure caused. */
  resume(partition: TopicPartition): void {
    const lane = this.laneOf(partition)
    const stalled = lane.pausedBy.delete('handler')
    lane.pausedBy.delete('user')
    if (lane.pausedBy.size === 0) this.reader?.resume(lane)
    if (stalled) this.options.emit({ type: 'partition.resumed', partitions: byTopic([lane]) })
    this.pump(lane)
  }

  seek(partition: TopicPartition, offset: bigint): void {
    const lane = this.laneOf(partition)
    if (!this.assigned().includes(lane)) return
    lane.seek(offset)
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
      lane = new Lane({ topic, partition }, this.options.progress.of({ topic, partition }))
      this.lanes.set(key, lane)
    }
    return lane
  }

  /** The position of a partition without a usable commit, looked up once: KafkaJS asks several times at the same moment. */
  private pin(lane: Lane, reader: Reader): Promise<bigint> {
    if (lane.progress.mark !== undefined && !lane.outOfRange) return Promise.resolve(lane.progress.mark)
    const known = this.pins.get(lane)
    if (known) return known
    const { emit, fromBeginning } = this.options
    const { topic, partition } = lane
    const look = async (): Promise<bigint> => {
      const offset = await reader.offsetAt(lane, fromBeginning ? 'start' : 'end')
      emit({ type: 'offsets.pinned', topic, partition, offset: `${offset}` })
      lane.progress.mark = offset
      return offset
    }
    const { position } = lane
    const found = position !== undefined && lane.outOfRange ? this.backInRange(lane, position, reader) : look()
    const pin = found.finally(() => {
      lane.outOfRange = false
      this.pins.delete(lane)
    })
    this.pins.set(lane, pin)
    return pin
  }

  /**
   * The log no longer has the position. Where its start has passed it by, reading goes on at the start, whatever
   * `fromBeginning` says: nothing more is lost than is gone. Where the log ends before it, it was cut or made anew.
   */
  private async backInRange(lane: Lane, position: bigint, reader: Reader): Promise<bigint> {
    const { topic, partition } = lane
    const start = await reader.offsetAt(lane, 'start')
    const end = await reader.offsetAt(lane, 'end')
    const offset = position < start ? start : position > end ? end : position
    if (offset !== position) {
      this.options.emit({ type: 'offsets.lost', topic, partition, from: `${position}`, to: `${offset}` })
    }
    if (offset < position) {
      lane.seek(offset)
      this.makeRoom(lane)
      return offset
    }
    // What waits here is handled first; then the mark steps over what is gone.
    this.pass(lane, `${offset - 1n}`, this.tenure)
    return offset
  }

  private pump(lane: Lane): void {
    if (lane.busy || lane.held || lane.queue.length === 0) return
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
    const tenure = lane.queue[0]?.tenure
    const work = this.work(lane).finally(() => {
      tenure?.running.delete(work)
      lane.busy = false
      progress.work = undefined
      this.places.get(lane)?.()
      this.pump(lane)
    })
    progress.work = work
    tenure?.running.add(work)
  }

  private next(): void {
    for (const lane of this.waiting) {
      if (this.free === 0) return
      this.waiting.delete(lane)
      this.pump(lane)
    }
  }

  /** Works the lane's loads until it is empty, held, out of its tenure, or others wait for the place. */
  private async work(lane: Lane): Promise<void> {
    for (let load = lane.queue[0]; load; load = lane.queue[0]) {
      if (load.tenure !== this.tenure || !load.tenure.open) {
        lane.queue.shift()
        continue
      }
      const outcome = await this.handler.run(lane, load, () => this.waiting.size > 0)
      if (outcome === 'done' && lane.queue[0] === load) {
        lane.queue.shift()
        this.makeRoom(lane)
      }
      if (outcome === 'given-up' && lane.pausedBy.has('handler')) {
        this.reader?.pause(lane)
        this.options.emit({
          type: 'partition.stalled',
          partitions: byTopic([lane]),
          reason: 'its handler failed and was given up',
        })
      }
      if (outcome !== 'done') return
      if (this.waiting.size > 0) return
    }
  }

  private makeRoom(lane: Lane): void {
    if (lane.queue.length <= depth) this.room.get(lane)?.()
    if (lane.queue.length < depth && lane.pausedBy.delete('backlog') && lane.pausedBy.size === 0)
      this.reader?.resume(lane)
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

/** The partitions of an assignment, one by one. */
export const partitionsIn = (partitions: PartitionsByTopic): TopicPartition[] =>
  Object.entries(partitions).flatMap(([topic, list]) => list.map((partition) => ({ topic, partition })))

const emptyBatch = (topic: string, partition: number, lastOffset: string): Batch => ({
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
