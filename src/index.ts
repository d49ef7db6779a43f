/** relisten: a KafkaJS consumer that follows its brokers. */

export type { BrokerSource, Brokers } from '../actors/cluster/source.ts'
export type { CommitOffset } from '../actors/delivery/batch-payload.ts'
export type { TopicPartitions } from '../actors/delivery/dispatcher.ts'
export type { HandlerError } from '../actors/delivery/handler-error.ts'
export type { HandlerDecision, HandlerErrorContext, HandlerErrorPolicy } from '../actors/delivery/handler-retry.ts'
export type { Traffic } from '../actors/delivery/traffic.ts'
export type {
  ClaimMessage,
  CommitMessage,
  DialMessage,
  DialReason,
  HandlerMessage,
  PollMessage,
  PollReason,
  UpdateReason,
} from '../actors/diagnostics/channels.ts'
export type { Endpoint } from '../machines/endpoint.ts'
export type {
  Fact,
  FactData,
  FactOf,
  FactType,
  Move,
  Plan,
} from '../machines/fact.ts'
export type { Failure, FailureKind, Remedy } from '../machines/failure.ts'
export { remedyFor } from '../machines/failure.ts'
export type { PartitionsByTopic, TopicPartition } from '../machines/topic-partition.ts'
export type { Consumer } from './consumer.ts'
export { type DeadLetterOptions, type DeadLetterPolicy, type DeadLetterProducer, deadLetter } from './dead-letter.ts'
export { type ErrorCode, RelistenError } from './error.ts'
export type { FactMessage } from './fact-channel.ts'
export { type Followed, type FollowedConfig, follow } from './follow/follow.ts'
export type { FollowConfig, FollowOptions } from './follow/follow-options.ts'
export type { FollowStatus } from './follow/follow-status.ts'
export {
  type Inspector,
  type InspectorObserver,
  type InspectorOptions,
  serveInspector,
} from './inspector/inspector.ts'
export { type FileJournal, type FileJournalOptions, fileJournal } from './journal/file-journal.ts'
export type { AnyRecord, FactRecord, Journal, JournalRecord, RecordOf } from './journal/journal.ts'
export { memoryJournal } from './journal/memory-journal.ts'
export type { Repair } from './journal/repair.ts'
export { createConsumer } from './lifecycle-consumer.ts'
export type { ConsumerOptions, KafkaOptions } from './options/consumer-options.ts'
export type { EachBatchPayload, EachMessagePayload } from './options/payload.ts'
export type { StartOptions } from './outcome.ts'
export { type HealthHandler, type HealthHandlerOptions, healthHandler, type Probed } from './probes/health-handler.ts'
export { type HealthServer, type HealthServerOptions, healthServer } from './probes/health-server.ts'
export { type DnsResolver, type DnsSourceOptions, dnsSource } from './sources/dns-source.ts'
export { fileSource } from './sources/file-source.ts'
export { consoleLogger } from './views/console-logger.ts'
export type { Logger } from './views/log.ts'
export type { PartitionStatus } from './views/partition-status.ts'
export type { FailingPartition, StalledPartition } from './views/readiness.ts'
export type { Counts, Handover, Status } from './views/status.ts'
