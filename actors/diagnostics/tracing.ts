/** Where OpenTelemetry comes in: what handles messages is measured, and runs within spans. */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { KafkaMessage } from '../kafkajs/consumer.ts'

/** Messages that are about to be handled. */
export interface ToHandle extends TopicPartition {
  readonly groupId: string
  readonly messages: readonly KafkaMessage[]
}

/** What has come of a batch by now. */
export interface BatchOutcome {
  /** Messages that were handled. */
  readonly messages: number
  /** What the handler threw last; undefined where it did not. */
  readonly error: unknown
}

/** What goes around the work, and returns what that returns; nothing does until somebody puts it here. */
export const tracing: {
  /** Around the calls for one batch, or for the rest of it, when other partitions had their turn in between. */
  aroundBatch?:
    | (<Result>(batch: ToHandle, work: () => Promise<Result>, outcome: () => BatchOutcome) => Promise<Result>)
    | undefined
  /** Around each call of the user's function. */
  aroundCall?: (<Result>(call: ToHandle, work: () => Promise<Result>) => Promise<Result>) | undefined
} = {}
