/** A sample: what one partition or broker carried in a span of time, and how far that is to be trusted. */

import type { TopicPartition } from '../topic-partition.ts'

/**
 * How a figure was obtained. `reported`: the broker's own meter; `size-per-offset`: offsets times the growth of the log per offset;
 * `batch-headers`: offsets times the size of the newest batches per offset; `commits`: what groups have committed; `log-dirs`: the replica's size
 * as its broker tells it; `unknown`: nothing says it.
 */
export type Origin = 'reported' | 'size-per-offset' | 'batch-headers' | 'commits' | 'log-dirs' | 'unknown'

export interface Figure {
  /** Bytes per second, bytes, or milliseconds. */
  readonly value: number
  /** From 0, which means that nothing is decided on it, to 1. */
  readonly trust: number
  readonly origin: Origin
}

/** What a partition carried. The leader's load; a follower takes in the same bytes. */
export interface PartitionSample extends TopicPartition {
  readonly kind: 'partition'
  /** The broker that led it. */
  readonly brokerId: number
  /** The end of the span, in milliseconds since 1970, by the clock of whoever measured it. */
  readonly at: number
  /** When it came here, by our clock; null where it was read back, so that the way it took says nothing of clocks. */
  readonly heardAt: number | null
  /** The length of the span, in milliseconds. */
  readonly spanMs: number
  /** From producers, in bytes per second as they stand in the log. */
  readonly bytesIn: Figure
  /** To consumers, without replication, in bytes per second. */
  readonly bytesOut: Figure
  /** Of one replica, in bytes. */
  readonly size: Figure
}

/** What a broker said of itself. */
export interface BrokerSample {
  readonly kind: 'broker'
  readonly brokerId: number
  readonly at: number
  readonly heardAt: number | null
  readonly spanMs: number
  readonly rack?: string
  /** The longest time that an append or a fetch has been pending, in milliseconds; undefined where nobody says. */
  readonly pendingAppendMs?: number
  readonly pendingFetchMs?: number
}

export type Sample = PartitionSample | BrokerSample
