/** What handlers get: KafkaJS's payloads, and a signal. */

import type {
  EachBatchPayload as KafkaBatchPayload,
  EachMessagePayload as KafkaMessagePayload,
} from '../../actors/kafkajs/consumer.ts'

/** What a message handler gets: KafkaJS's payload and a signal. */
export interface EachMessagePayload extends KafkaMessagePayload {
  /** Aborts when the handler should end: its partition goes to another member, it takes too long, or the consumer stops. */
  readonly signal: AbortSignal
}

/** What a batch handler gets: KafkaJS's payload and a signal. */
export interface EachBatchPayload extends KafkaBatchPayload {
  /** Aborts when the handler should end: its partition goes to another member, it takes too long, or the consumer stops. */
  readonly signal: AbortSignal
}

export type MessageHandler = (payload: EachMessagePayload) => void | Promise<void>
export type BatchHandler = (payload: EachBatchPayload) => void | Promise<void>

/** One of the two handlers. */
export type Handling =
  | { eachMessage: MessageHandler; eachBatch?: undefined }
  | { eachBatch: BatchHandler; eachMessage?: undefined }
