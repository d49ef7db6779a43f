/** The contract of a consumer, as users have it. */

import type { CommitOffset } from '../actors/delivery/batch-payload.ts'
import type { TopicPartitions } from '../actors/delivery/dispatcher.ts'
import type { FactType } from '../machines/fact.ts'
import type { TopicPartition } from '../machines/topic-partition.ts'
import type { AnyRecord, Journal, RecordOf } from './journal/journal.ts'
import type { StartOptions } from './outcome.ts'
import type { PartitionStatus } from './views/partition-status.ts'
import type { Status } from './views/status.ts'

/** A consumer. */
export interface Consumer extends AsyncDisposable {
  /** The consumer group. */
  readonly groupId: string
  /**
   * Joins the group. Resolves with `joined`, also with an empty assignment, or with `stopped` when `stop()` or the signal comes before
   * that. Rejects with a RelistenError when the consumer fails or `timeoutMs` is over; then it is closed and holds nothing, and a new one
   * may be made. Without `signal` and `timeoutMs` it waits for as long as the brokers are away, and says why in the log. The same promise
   * however often it is called.
   */
  start(options?: StartOptions): Promise<'joined' | 'stopped'>
  /**
   * The end: resolves once the consumer is stopped as asked, rejects with a RelistenError once it has ended by a failure. Nobody has to
   * wait for it: by itself it is never an unhandled rejection.
   */
  readonly ended: Promise<void>
  /** Lets handlers settle, commits, leaves the group. The same promise however often it is called; resolves by `stopTimeoutMs`. */
  stop(): Promise<void>
  /**
   * Commits what was handled so far, with `autoCommit: false` too. Resolves when the group knows it, or after 2 s. With offsets: commits those,
   * each the *next* one to read. Resolves when the group knows them all; moves nothing that is read. Rejects with a RelistenError; where that is
   * one of these three, mostly before anything is sent:
   * - `not-assigned` the partition is not this consumer's
   * - `fenced` it was, and has gone since: to another member, or into another generation
   * - `out-of-range` behind what was handed out, or before what this consumer has committed, without a `seek`
   * - the kind of a failure, where the coordinator refuses, or does not respond five times in a row, 2 s each
   */
  commit(offsets?: readonly CommitOffset[]): Promise<void>
  /** Hands out nothing of these partitions until `resume`; survives rebuilds and rebalances. A topic without `partitions`: all of it, also what is assigned later. */
  pause(partitions: readonly TopicPartitions[]): void
  resume(partitions: readonly TopicPartitions[]): void
  /** Reads on from this offset (a decimal string), also backwards; survives rebuilds. Takes effect while the partition is assigned. */
  seek(position: TopicPartition & { readonly offset: string }): void
  /** What it is doing and has done; `ready` is what a readiness probe asks for. */
  status(): Status
  /** The assigned partitions: how far each is read, its lag, what waits. Empty before the group has given an assignment. */
  partitions(): PartitionStatus[]
  /**
   * Calls the listener with each fact of this type, or of all with `*`. Returns a function that removes the listener. What it throws harms
   * nobody and goes to the logger. Throws a RelistenError with code `invalid-call` for what is no fact, or was one in an earlier version.
   */
  on<Type extends FactType>(type: Type, listener: (record: RecordOf<Type>) => void): () => void
  on(type: '*', listener: (record: AnyRecord) => void): () => void
  /** The facts from now on, until the consumer ends. One that is read too slowly loses the oldest beyond 10,000. */
  events(): AsyncIterableIterator<AnyRecord>
  /** Where the facts are recorded. */
  readonly journal: Journal
}
