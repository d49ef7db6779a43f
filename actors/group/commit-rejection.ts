/** A commit rejection: why an offset that the user named is not committed. */

import type { Failure } from '../../machines/failure.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { Dispatcher } from '../delivery/dispatcher.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import { errorCodes } from '../protocol/frames.ts'

/** An offset to commit, as the user names it: the next one to read. */
export interface NamedOffset extends TopicPartition {
  readonly offset: bigint
  readonly metadata?: string | null | undefined
}

/**
 * - `not-assigned` the partition is not this consumer's, and never was
 * - `fenced` it was, and has gone to another member or another generation since
 * - `out-of-range` it lies behind what was handed out, or before what is committed, and nobody sought back
 */
export type RejectionCode = 'not-assigned' | 'fenced' | 'out-of-range'

export class CommitRejection extends Error {
  override readonly name: string = 'CommitRejection'
  readonly code: RejectionCode

  constructor(code: RejectionCode, { topic, partition, offset }: NamedOffset, why: string) {
    super(`Offset ${offset} of ${topic}/${partition} is not committed: ${why}`)
    this.code = code
  }
}

/** The partition is not ours at the moment. */
export function goneRejection(dispatcher: Dispatcher, named: NamedOffset): CommitRejection {
  return dispatcher.queueOf(named).known
    ? new CommitRejection('fenced', named, 'the partition has gone since it was assigned to this consumer')
    : new CommitRejection('not-assigned', named, 'the partition is not assigned to this consumer')
}

/** Says why the offset can't be committed of this queue, which is ours; undefined when it can. */
export function rangeRejection(
  queue: PartitionQueue,
  isPlaced: boolean,
  named: NamedOffset,
): CommitRejection | undefined {
  const { floor } = queue.progress
  const end = isPlaced ? queue.handedOut : undefined
  if (end === undefined) return new CommitRejection('out-of-range', named, 'nothing was handed out yet')
  if (named.offset > end)
    return new CommitRejection('out-of-range', named, `only what lies before ${end} was handed out`)
  if (named.offset < floor) {
    return new CommitRejection('out-of-range', named, `${floor} is committed, and nobody has sought back`)
  }
  return undefined
}

/** What the coordinator refused a commit with. */
export function refusalOf(code: number | undefined): Failure {
  const denied = code === errorCodes.topicAuthorizationFailed || code === errorCodes.groupAuthorizationFailed
  return {
    kind: denied ? 'not-authorized' : 'group-refused',
    message: `The coordinator refused a commit with Kafka's error ${code}`,
    code: `${code}`,
  }
}
