/**
 * Validation of positions (KIP-320): a leader of a later epoch than a position is asked whether its log still has it. A log that was cut and grew to
 * that very offset again has nothing to fetch that would show it. Reading begins meanwhile: what it brings is judged by itself.
 *
 * A position keeps the epoch it was read in, also where a later leader has it: what the leader before had sent may come after that, and be of the
 * part that was cut.
 */

import type { TopicPartition } from '../../machines/topic-partition.ts'
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
  /** The log was cut below what the queue has. */
  readonly onCut: (queue: PartitionQueue) => void
  /** The session is over. */
  readonly signal: AbortSignal
}

/** A leader that has not answered is asked again after so long, in milliseconds. */
const againMs = 2000

export class Validation {
  private readonly options: ValidationOptions
  private assignment: Assignment | undefined
  /** In which leader epoch, and where, each queue was asked for last. */
  private asked = new Map<
    PartitionQueue,
    { readonly ledIn: number | undefined; readonly position: bigint | undefined }
  >()
  /** Where the newest answer ends that may be used: KafkaJS may hold it yet, so that the position does not show it. */
  private readonly takenTo = new Map<PartitionQueue, bigint>()
  /** Queues to look at next. */
  private readonly due = new Set<PartitionQueue>()

  constructor(options: ValidationOptions) {
    this.options = options
  }

  /** Another assignment: what was asked before says nothing of its positions. */
  begin(assignment: Assignment): void {
    this.assignment = assignment
    this.asked = new Map()
    this.takenTo.clear()
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
   * Of what a leader answered, the partitions whose log was cut (KIP-320): below what was read, where their records belong to a later leader epoch and
   * the epoch read before ends before our position; or below these records, where they belong to an earlier one and the leader of today does not
   * have all of them. Rejects where nobody can say: then nothing of the answer may be used.
   */
  async diverged(partitions: readonly FetchedPartition[]): Promise<FetchedPartition[]> {
    const cut: FetchedPartition[] = []
    const { dispatcher, log } = this.options
    const look = async (fetched: FetchedPartition): Promise<void> => {
      const queue = dispatcher.queueOf(fetched)
      const { progress, position = 0n } = queue
      const { seeks, leaderEpoch } = progress
      const { firstEpoch, lastEpoch, lastOffset, highWatermark } = fetched
      if (!this.assignment?.has(queue)) return
      // Where the log ends, nothing comes that would show a cut.
      if (firstEpoch < 0 && highWatermark <= position) this.add(queue)
      // What was asked for before a seek says nothing about the offset that was sought.
      if (firstEpoch < 0 || lastOffset < position) return
      const isEarlier = lastEpoch < leaderEpoch
      // Also where it begins in the epoch read before: another leader's answer may have moved the position past what the two have in common.
      if (leaderEpoch >= 0 && lastEpoch !== leaderEpoch) {
        const end = await log.epochEnd(queue, isEarlier ? lastEpoch : leaderEpoch)
        if (progress.seeks !== seeks) return
        // Another answer of the same records was accepted meanwhile.
        if (progress.leaderEpoch !== leaderEpoch) return look(fetched)
        const reach = isEarlier ? lastOffset + 1n : this.reachOf(queue)
        if (end !== undefined && end < reach) {
          // What KafkaJS has dropped meanwhile must not count for ever.
          this.takenTo.delete(queue)
          return void cut.push(fetched)
        }
      }
      progress.leaderEpoch = Math.max(progress.leaderEpoch, lastEpoch)
      this.takenTo.set(queue, lastOffset + 1n)
    }
    await Promise.all(partitions.map(look))
    return cut
  }

  /** How far the queue reaches once KafkaJS has given us what it holds. */
  private reachOf(queue: PartitionQueue): bigint {
    const { reach = 0n } = queue
    const takenTo = this.takenTo.get(queue) ?? 0n
    return takenTo > reach ? takenTo : reach
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
      const before = this.asked.get(queue)
      // Without leader epochs in metadata nobody can say of which positions there is anything to ask.
      const isOpen = before?.ledIn !== ledIn || (ledIn !== undefined && before?.position !== queue.position)
      return (!before || isOpen) && (ledIn === undefined || ledIn > leaderEpoch)
        ? [{ queue, topic, partition, leaderEpoch, ledIn }]
        : []
    })
    if (doubtful.length === 0) return
    const ends = log.epochEnds(doubtful)
    for (const [index, { queue, ledIn }] of doubtful.entries()) {
      this.asked.set(queue, { ledIn, position: queue.position })
      void this.judge(queue, ends[index])
    }
  }

  private async judge(queue: PartitionQueue, answer?: Promise<bigint | undefined>): Promise<void> {
    const { isFound, onCut, signal } = this.options
    const { asked } = this
    const { progress, reach } = queue
    const { seeks, leaderEpoch } = progress
    try {
      const end = await answer
      // What was read or sought meanwhile has an epoch of its own.
      const isSame = progress.seeks === seeks && progress.leaderEpoch === leaderEpoch && isFound(queue)
      if (asked !== this.asked || !isSame || end === undefined || reach === undefined) return
      if (end < reach) onCut(queue)
    } catch {
      if (signal.aborted) return
      await sleep(againMs, signal)
      asked.delete(queue)
      if (asked === this.asked) this.add(queue)
    }
  }
}
