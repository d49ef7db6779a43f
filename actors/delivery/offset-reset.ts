/**
 * The offset reset, Kafka's `auto.offset.reset`: where reading begins in a partition of which neither the group nor this process has a position, and
 * where it goes on when the log no longer has the position. What sets it is left to the caller, who knows whether something came between.
 */

import type { Fact } from '../../machines/fact.ts'
import { readCommitMetadata } from '../protocol/commit-metadata.ts'
import { errorCodes } from '../protocol/frames.ts'
import type { CommittedOffset } from '../protocol/group-answers.ts'
import type { Topics } from '../topics/topics.ts'
import type { Assignment } from './assignment.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Log } from './log.ts'
import type { PartitionQueue } from './partition-queue.ts'

export interface OffsetResetOptions {
  readonly dispatcher: Dispatcher
  readonly log: Log
  readonly topics: Topics
  /** Whether a partition without a position is read from its start (`earliest`) or its end (`latest`). */
  readonly fromBeginning: boolean
  readonly emit: (fact: Fact) => void
  /** What the group has committed of all partitions of a topic: siblings know more than the partition itself. */
  readonly committedOf: (topic: string) => Promise<readonly CommittedOffset[]>
  /** Asks the brokers for the topics again, and restarts those that were made again. */
  readonly lookAtTopics: () => Promise<void>
}

export class OffsetReset {
  private readonly options: OffsetResetOptions

  constructor(options: OffsetResetOptions) {
    this.options = options
  }

  /** Nobody has a position in this partition: one that came while the group was subscribed begins at its start. */
  async reset(queue: PartitionQueue): Promise<() => void> {
    const { fromBeginning, topics, log, emit } = this.options
    const { topic, partition } = queue
    const { offset, leaderEpoch } = await log.edge(
      queue,
      fromBeginning || topics.isNew(topic, partition) ? 'start' : 'end',
    )
    // An edge says nothing of whose it is.
    await this.lookAt(topic)
    return () => {
      emit({ type: 'offset.reset', topic, partition, offset: `${offset}` })
      queue.progress.resetTo(offset, leaderEpoch)
    }
  }

  /**
   * The topic was made again: reading goes on where a member that saw it before this one has committed, or begins at the start. Partitions that begin
   * together share `committed`.
   */
  async restart(
    queue: PartitionQueue,
    assignment: Assignment,
    committed: () => Promise<readonly CommittedOffset[]>,
  ): Promise<() => void> {
    const { topic, partition, progress } = queue
    const own = (await committed()).find((each) => each.partition === partition)
    if (own && own.errorCode !== errorCodes.none) throw new Error(`The commit of ${topic}/${partition} is not known`)
    const found = readCommitMetadata(own?.metadata ?? null)
    const topicId = this.options.topics.idOf(topic)
    if (!own || own.offset < 0n || topicId === undefined || found?.topicId !== topicId) return this.reset(queue)
    return () => {
      progress.startFrom(own.offset, assignment, found.leaderEpoch)
      progress.topicId = topicId
    }
  }

  /**
   * The log no longer has the position. Where its start has passed it by, reading goes on at the start, whatever `fromBeginning` says: nothing
   * more is lost than is gone. Where it was cut below the position, all that is still there and not handled is read again.
   */
  async backInRange(queue: PartitionQueue, assignment: Assignment): Promise<() => void> {
    const { log, emit, dispatcher } = this.options
    const { topic, partition, position, progress } = queue
    if (position === undefined) return this.reset(queue)
    const { reach = position } = queue
    const [{ offset: start }, { offset: end, leaderEpoch }] = await Promise.all([
      log.edge(queue, 'start'),
      log.edge(queue, 'end'),
    ])
    // A topic that was made again looks like a log that was cut, until its id is seen: then it is read from its start instead.
    if (end < position) await this.lookAt(topic)
    const epochEnd = progress.leaderEpoch < 0 ? undefined : await log.epochEnd(queue, progress.leaderEpoch)
    const cut = epochEnd !== undefined && epochEnd < end ? epochEnd : end
    return () => {
      const mark = progress.mark ?? position
      if (position < start) {
        const told = { topic, partition, from: `${position}`, to: `${start}`, next: `${start}` }
        emit({ type: 'offsets.lost', ...told, reason: 'trimmed' })
        // What waits here is handled first; then the mark steps over what is gone.
        dispatcher.step(queue, start - 1n)
      } else if (cut < reach) {
        const next = mark < cut ? mark : cut
        const told = { topic, partition, from: `${mark < cut ? cut : mark}`, to: `${position}`, next: `${next}` }
        emit({ type: 'offsets.lost', ...told, reason: 'truncated' })
        progress.leaderEpoch = leaderEpoch
        queue.rewind(next, assignment, epochEnd === undefined ? undefined : cut)
      }
    }
  }

  /** Looks whether it is still the same topic: one that was made again is begun anew. Rejects while it is away: the next of its name is another. */
  async lookAt(topic: string): Promise<undefined> {
    const { lookAtTopics, topics } = this.options
    await lookAtTopics()
    if (topics.isMissing(topic)) throw new Error(`The topic ${topic} is away`)
  }
}
