/** The payload of `eachBatch`: what of the batch is left, and the functions KafkaJS gives a handler with it, on the marks of this process. */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { Batch, EachBatchPayload, KafkaMessage } from '../kafkajs/consumer.ts'
import { endOf, type PartitionQueue, type QueuedBatch } from './partition-queue.ts'

/** An offset to commit: the next one to read, a decimal string as everywhere in KafkaJS. */
export interface CommitOffset extends TopicPartition {
  readonly offset: string
  /** A text beside the offset, for whoever reads the commit; it replaces what relisten writes there. */
  readonly metadata?: string | null | undefined
}

export interface BatchPayloadOptions {
  /** Marks are committed at most this often, also when a batch handler asks for it more often; in milliseconds. */
  readonly commitIntervalMs: number
  readonly pause: (queue: PartitionQueue) => () => void
  /** Commits marks, or the offsets that are named. */
  readonly commit: (offsets?: readonly CommitOffset[]) => Promise<void>
  /** Queues with progress the group does not know. */
  readonly uncommitted: () => readonly PartitionQueue[]
}

/** A batch that goes to the handler, and what becomes of it. */
export interface BatchInHand {
  readonly queue: PartitionQueue
  readonly queued: QueuedBatch
  /** Of its messages, those that are not handled. */
  readonly left: () => KafkaMessage[]
  /** All below this offset is handled. */
  readonly resolve: (mark: bigint) => void
  /** The partition was sought elsewhere. */
  readonly isStale: () => boolean
}

export class BatchPayloads {
  private readonly options: BatchPayloadOptions
  private committedAt = performance.now()

  constructor(options: BatchPayloadOptions) {
    this.options = options
  }

  /** The payload of one call, and whether its handler has been asked to end. */
  of({ queue, queued, left, resolve, isStale }: BatchInHand, signal: AbortSignal) {
    const { batch, assignment } = queued
    let isToldOfEnd = false
    let isToldOfSignal = false
    const tell = (isBrokenOff: boolean) => {
      isToldOfEnd ||= isBrokenOff
      return isBrokenOff
    }
    const payload: EachBatchPayload = {
      // Read anew for each attempt: what an earlier one resolved is not handed out again.
      batch: view(batch, left()),
      resolveOffset: (offset) => {
        // Stryker disable next-line OptionalChaining: a batch that is handed out has messages
        const isLast = String(offset) === batch.messages.at(-1)?.offset
        resolve(isLast ? endOf(batch) : BigInt(offset) + 1n)
      },
      heartbeat,
      pause: () => this.options.pause(queue),
      commitOffsetsIfNecessary: (offsets) => this.commitIfNecessary(offsets),
      uncommittedOffsets: () => marksOf(this.options.uncommitted()),
      isRunning: () => !tell(!assignment.open),
      isStale: () => tell(isStale()),
    }
    const signalled = Object.defineProperty(payload, 'signal', {
      enumerable: true,
      get: () => {
        isToldOfSignal = true
        return signal
      },
    }) as EachBatchPayload & { signal: AbortSignal }
    return { payload: signalled, isTold: () => isToldOfEnd || (isToldOfSignal && signal.aborted) }
  }

  /** What `commitOffsetsIfNecessary` of KafkaJS does: without offsets it commits what is due, with them those, at once. It moves no mark. */
  private async commitIfNecessary(
    offsets?: Parameters<EachBatchPayload['commitOffsetsIfNecessary']>[0],
  ): Promise<void> {
    const now = performance.now()
    if (!offsets && now - this.committedAt < this.options.commitIntervalMs) return
    this.committedAt = now
    // KafkaJS takes offsets without topics for those that are due.
    const { topics } = offsets ?? { topics: undefined }
    const named = topics?.flatMap(({ topic, partitions }) => partitions.map((each) => ({ topic, ...each })))
    await this.options.commit(named)
  }
}

/** Heartbeats go out by themselves while a handler runs; KafkaJS's payload has the function all the same. */
export const heartbeat = async (): Promise<void> => {}

/** Marks in the form KafkaJS gives them. */
function marksOf(queues: readonly PartitionQueue[]): ReturnType<EachBatchPayload['uncommittedOffsets']> {
  const topics = [...new Set(queues.map(({ topic }) => topic))].map((topic) => {
    const own = queues.filter((queue) => queue.topic === topic)
    return {
      topic,
      partitions: own.map(({ partition, progress }) => ({ partition, offset: `${progress.uncommitted}` })),
    }
  })
  return { topics }
}

/** The batch with fewer messages in front, as a handler sees it after a part was handled. */
const view = (batch: Batch, messages: KafkaMessage[]): Batch =>
  messages.length === batch.messages.length
    ? batch
    : // Stryker disable next-line OptionalChaining: a batch that is handed out has messages
      Object.create(batch, { messages: { value: messages }, firstOffset: { value: () => messages[0]?.offset ?? null } })
