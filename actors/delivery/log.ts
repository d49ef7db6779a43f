/** A log of a partition, as its leader tells of it. */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { EpochPlace } from '../protocol/requests.ts'

/** Where a log begins or goes on. */
export interface LogEdge {
  readonly offset: bigint
  /** The leader epoch of that offset (KIP-320); −1 where the leader does not say. */
  readonly leaderEpoch: number
}

/** What a log says of itself. All reject with a ConnectionError where its leader is unknown or does not answer. */
export interface Log {
  /** The first (`start`) or next (`end`) offset of the log. */
  edge(partition: TopicPartition, where: 'start' | 'end'): Promise<LogEdge>
  /** The end of this leader epoch in the log (OffsetForLeaderEpoch, KIP-320); undefined where the leader does not know. */
  epochEnd(partition: TopicPartition, leaderEpoch: number): Promise<bigint | undefined>
  /** The same for many, in their order, with one request per leader. */
  epochEnds(places: readonly EpochPlace[]): Promise<bigint | undefined>[]
}
