/** relisten: a KafkaJS consumer that follows its brokers. */

export type { TopicPartitions } from '../actors/hand-out.ts'
export type { HandlerDecision, HandlerErrorContext } from '../actors/handler.ts'
export type { BrokerSource, Brokers } from '../actors/source.ts'
export type { Endpoint } from '../machines/endpoint.ts'
export type {
  Fact,
  FactData,
  FactOf,
  FactType,
  Move,
  PartitionsByTopic,
  Plan,
  TopicPartition,
} from '../machines/fact.ts'
export type { Failure, FailureKind, Remedy } from '../machines/failure.ts'
export { remedyFor } from '../machines/failure.ts'
export { lifecycleMachine } from '../machines/lifecycle.ts'
export { type Consumer, createConsumer } from './consumer.ts'
export type { ConsumerOptions, EachBatchPayload, EachMessagePayload, KafkaOptions } from './consumer-options.ts'
export { type ErrorCode, RelistenError } from './error.ts'
export { type FileJournal, type FileJournalOptions, fileJournal } from './file-journal.ts'
export type { FactRecord, Journal, JournalRecord, RecordOf } from './journal.ts'
export { memoryJournal } from './memory-journal.ts'
export type { Repair } from './repair.ts'
export type { Counts, Handover, Status } from './status.ts'
