/**
 * Validation of positions (KIP-320): a leader of a later epoch than a position is asked whether its log still has it. A log that was cut and grew to
 * that very offset again has nothing to fetch that would show it. Reading begins meanwhile: what it brings is judged by itself.
 */

import type { TopicPartition } from '../../machines/fact.ts'
import type { FetchedPartition } from '../protocol/fetch-answers.ts'
import { sleep } from '../time/sleep.ts'
import type { Assignment } from './assignment.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Log } from './log.ts'
import type { PartitionQueue } from './partition-queue.ts'

export interface ValidationOptions {
  readonly dispatcher: Dispatcher
  readonly log: Log
  /** The leader epoch that metadata tells; undefined where it tells none: then each assignment is worth a look. */
  readonly leaderEpochOf: (partition: TopicPartition) => number | undefined
  /** Whether reading goes on at the queue's position. */
  readonly isFound: (queue: PartitionQueue) => boolean
  /** The log was cut below the queue's position. */
  readonly onCut: (queue: PartitionQueue) => void
  /** The session is over. */
  readonly signal: AbortSignal
}

/** A leader that has not answered is asked again after so long, in milliseconds. */
const againMs = 2000

export class Validation {
  private readonly options: ValidationOptions
  private assignment: Assignment | undefined
  /** The leader epoch in which each queue was asked for last. */
  private asked = new Map<PartitionQueue, number | undefined>()
  /** Queues to look at next. */
  private readonly due = new Set<PartitionQueue>()

  constructor(options: ValidationOptions) {
    this.options = options
  }

  /** Another assignment: what was asked before says nothing of its positions. */
  begin(assignment: Assignment): void {
    this.assignment = assignment
    this.asked = new Map()
    this.due.clear()
  }

  /** The position of this queue became known. Those that do so together are looked at together, so that a leader is asked once. */
  add(queue: PartitionQueue): void {
    if (this.due.size === 0) queueMicrotask(() => this.look())
    this.due.add(queue)
  }

  /** Leaders became known anew. */
  lookAtAll(): void {
    for (const queue of this.options.dispatcher.assigned()) this.add(queue)
  }

  /**
   * Of what a leader answered, the partitions whose log was cut below what was read: their newest records belong to a later leader epoch, and the
   * epoch read before ends before our position (KIP-320). Rejects where nobody can say: then nothing of the answer may be used.
   */
  async diverged(partitions: readonly FetchedPartition[]): Promise<FetchedPartition[]> {
    const cut: FetchedPartition[] = []
    const { dispatcher, log } = this.options
    const look = async (fetched: FetchedPartition) => {
      const queue = dispatcher.queueOf(fetched)
      const { progress, position } = queue
      const { seeks } = progress
      const { firstEpoch, lastEpoch, lastOffset } = fetched
      // What was asked for before a seek says nothing about the offset that was sought.
      if (firstEpoch < 0 || !this.assignment?.has(queue) || lastOffset < (position ?? 0n)) return
      if (progress.leaderEpoch >= 0 && firstEpoch > progress.leaderEpoch && position !== undefined) {
        const end = await log.epochEnd(queue, progress.leaderEpoch)
        if (progress.seeks !== seeks) return
        if (end !== undefined && end < position) return void cut.push(fetched)
      }
      progress.leaderEpoch = Math.max(progress.leaderEpoch, lastEpoch)
    }
    await Promise.all(partitions.map(look))
    return cut
  }

  private look(): void {
    const { dispatcher, log, leaderEpochOf, isFound, signal } = this.options
    const queues = [...this.due]
    this.due.clear()
    // Another session may have taken the dispatcher over.
    if (signal.aborted || !this.assignment?.open || dispatcher.assignment !== this.assignment) return
    const doubtful = queues.flatMap((queue) => {
      const { topic, partition } = queue
      const { leaderEpoch } = queue.progress
      if (leaderEpoch < 0 || !isFound(queue)) return []
      const ledIn = leaderEpochOf(queue)
      const isOpen = !this.asked.has(queue) || this.asked.get(queue) !== ledIn
      return isOpen && (ledIn === undefined || ledIn > leaderEpoch)
        ? [{ queue, topic, partition, leaderEpoch, ledIn }]
        : []
    })
    if (doubtful.length === 0) return
    const ends = log.epochEnds(doubtful)
    for (const [index, { queue, ledIn }] of doubtful.entries()) {
      this.asked.set(queue, ledIn)
      void this.judge(queue, ledIn, ends[index])
    }
  }

  private async judge(queue: PartitionQueue, ledIn?: number, answer?: Promise<bigint | undefined>): Promise<void> {
    const { isFound, onCut, signal } = this.options
    const { asked } = this
    const { progress, position } = queue
    const { seeks, leaderEpoch } = progress
    try {
      const end = await answer
      // What was read or sought meanwhile has an epoch of its own.
      const isSame = progress.seeks === seeks && progress.leaderEpoch === leaderEpoch && isFound(queue)
      if (asked !== this.asked || !isSame || end === undefined || position === undefined) return
      if (end < position) onCut(queue)
      // Up to this leader the log is the one that was read: what is cut later ends below it.
      else if (ledIn !== undefined) progress.leaderEpoch = ledIn
    } catch {
      if (signal.aborted) return
      await sleep(againMs, signal)
      asked.delete(queue)
      if (asked === this.asked) this.add(queue)
    }
  }
}
