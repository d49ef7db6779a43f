/** Where a tracer comes in: what handles messages runs within its spans. */

import type { TopicPartition } from '../../machines/fact.ts'
import type { KafkaMessage } from '../kafkajs/consumer.ts'

/** Messages that are handled. */
export interface Handled extends TopicPartition {
  readonly groupId: string
  readonly messages: readonly KafkaMessage[]
}

/** Runs the work, and returns what it returns. */
export type Around = <Result>(handled: Handled, work: () => Promise<Result>) => Promise<Result>

/** The tracer of this process; nothing is around the work until there is one. */
export const tracing: {
  /** Around the calls for one batch, or for a part of it, when others have their turn in between. */
  aroundBatch?: Around | undefined
  /** Around each call of the user's function. */
  aroundCall?: Around | undefined
} = {}
