/** The assignment of partitions to this consumer: from one answer of the group to the next. */

import { setMaxListeners } from 'node:events'
import type { PartitionsByTopic, TopicPartition } from '../../machines/topic-partition.ts'
import { deadline } from '../time/deadline.ts'

export class Assignment {
  readonly epoch: number
  readonly generation: number
  readonly partitions: PartitionsByTopic
  /** Nobody waits for its handlers any more: what they still finish is stale. */
  over = false
  /** Handlers under way that were handed a message in this assignment. */
  private readonly running = new Set<Promise<void>>()
  private readonly controller = new AbortController()
  private readonly closer = new AbortController()
  private readonly fenced = new Set<string>()
  private readonly names: ReadonlySet<string>

  constructor(epoch: number, generation: number, partitions: PartitionsByTopic) {
    this.epoch = epoch
    this.generation = generation
    this.partitions = partitions
    this.names = new Set(Object.entries(partitions).flatMap(([topic, list]) => list.map((each) => `${topic}/${each}`)))
    // Handlers of all partitions share it, and each may listen.
    setMaxListeners(0, this.controller.signal, this.closer.signal)
  }

  /** Whether messages may be handed out. */
  get open(): boolean {
    return !this.closer.signal.aborted
  }

  /** Aborts when it closes: whoever only waits, with no handler at work, need not wait for `signal`. */
  get closing(): AbortSignal {
    return this.closer.signal
  }

  /** Aborts when handlers of this assignment must come to an end. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** How many partitions. */
  get size(): number {
    return this.names.size
  }

  has({ topic, partition }: TopicPartition): boolean {
    return this.names.has(`${topic}/${partition}`)
  }

  /** A handler that works in this assignment: its end waits for it. */
  track(work: Promise<void>): void {
    this.running.add(work)
    const end = () => this.running.delete(work)
    work.then(end, end)
  }

  /** Notes that a batch of this partition was turned down; true the first time. */
  fence(partition: string): boolean {
    if (this.fenced.has(partition)) return false
    this.fenced.add(partition)
    return true
  }

  /** Hands out nothing more and lets handlers settle: their signal comes at `withinMs`. True when one had to be given up, `graceMs` later. */
  async close(withinMs: number, graceMs: number): Promise<boolean> {
    this.closer.abort()
    const inTime = await this.settled(withinMs)
    this.controller.abort(new Error('the hand-over cannot wait any longer for this handler'))
    const forced = !inTime && !(await this.settled(graceMs))
    this.over = true
    return forced
  }

  private async settled(withinMs: number): Promise<boolean> {
    if (this.running.size === 0) return true
    const all = Promise.allSettled(this.running).then(() => true)
    return deadline(all, withinMs, () => false)
  }
}
