/** The status of partitions: how far each one that is assigned is read, and what of it waits. */

import type { PartitionQueue } from '../../actors/delivery/partition-queue.ts'
import type { LogEnds } from '../../actors/session/log-ends.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'

/** An assigned partition. Offsets are decimal strings. */
export interface PartitionStatus extends TopicPartition {
  /** The offset to handle next: everything before it is handled. Null until it is known where reading begins. */
  readonly position: string | null
  /** What the group knows of it. Null until something is committed or the group was asked. */
  readonly committed: string | null
  /** Where the log ends, as this consumer may read it; null until it is known. Up to 10 s old where nothing is fetched. */
  readonly end: string | null
  /** Messages from the position to the end, and offsets that are no messages; null where either is not known. */
  readonly lag: number | null
  /** Bytes that were fetched and are not handled yet, with what the objects of the messages take. */
  readonly bufferedBytes: number
  /** Nothing is handed out: the user or a policy has paused it. */
  readonly paused: boolean
  /** Since when the handler is at work on what it was given last, in milliseconds since 1970; null while it is not. */
  readonly handlingSince: number | null
}

/** The partitions as they are now. Where their logs end is asked for, when that is not known from fetches, and is known by the next call. */
export function partitionStatuses(
  queues: readonly PartitionQueue[],
  ends: Pick<LogEnds, 'of' | 'refresh'> | undefined,
): PartitionStatus[] {
  ends?.refresh()
  return queues.map((queue) => {
    const { topic, partition, held, busy, bytes, movedAt } = queue
    const { mark, acknowledged } = queue.progress
    const end = ends?.of(queue)
    return {
      ...{ topic, partition, position: text(mark), committed: text(acknowledged), end: text(end) },
      lag: mark === undefined || end === undefined ? null : Math.max(0, Number(end - mark)),
      ...{ bufferedBytes: bytes, paused: held },
      handlingSince: busy ? Math.round(Date.now() - (performance.now() - movedAt)) : null,
    }
  })
}

const text = (offset: bigint | undefined): string | null => (offset === undefined ? null : `${offset}`)
