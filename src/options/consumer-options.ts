/** The options of a consumer. Names that KafkaJS has keep KafkaJS's name and meaning; ours end in `Ms` where they are durations. */

import type { LookupFunction } from 'node:net'
import type { Brokers } from '../../actors/cluster/source.ts'
import type { HandlerDecision, HandlerErrorPolicy } from '../../actors/delivery/handler-retry.ts'
import type {
  EachBatchPayload as KafkaBatchPayload,
  KafkaJsOptions,
  EachMessagePayload as KafkaMessagePayload,
} from '../../actors/kafkajs/consumer.ts'
import type { KafkaConfig } from '../../actors/kafkajs/login.ts'
import type { Endpoint } from '../../machines/endpoint.ts'
import type { TopicPartition } from '../../machines/fact.ts'
import type { Journal, JournalPolicy } from '../journal/journal.ts'
import type { Inspect } from '../views/inspection.ts'
import type { Logger } from '../views/log.ts'

/** KafkaJS's client options that matter here; addresses and deadlines are this library's. */
export type KafkaOptions = { [Each in 'clientId' | 'ssl' | 'sasl']?: KafkaConfig[Each] | undefined }

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

/** Options of `createConsumer`, with one of the two handlers. An unknown or impossible one throws `invalid-option`; one that is `undefined` is left out. */
export type ConsumerOptions = Options & (MessageHandling | BatchHandling)

type MessageHandling = { eachMessage: MessageHandler; eachBatch?: undefined }
type BatchHandling = { eachBatch: BatchHandler; eachMessage?: undefined }
type MessageHandler = (payload: EachMessagePayload) => void | Promise<void>
type BatchHandler = (payload: EachBatchPayload) => void | Promise<void>

/** Each option by itself. */
export interface Options {
  /**
   * Where the brokers are: a list, a function, or a source that also announces changes. A function is asked at each poll and
   * given up after 3 seconds. Entries are `host:port`, at most 64. Kafka: `bootstrap.servers`.
   */
  brokers: Brokers
  /** The consumer group. Kafka: `group.id`. */
  groupId: string
  /** Topics to read, at least one: names, or regular expressions that are matched against the topics known when a session is opened. */
  topics: readonly (string | RegExp)[]
  /** Called for each message, in order within a partition. Either this or `eachBatch`. */
  eachMessage?: MessageHandler | undefined
  /**
   * Called for each fetched batch. A normal return has handled the batch, unless the handler was told to end by `isRunning()`,
   * `isStale()` or `signal`: then only what was resolved. `commitOffsetsIfNecessary()` commits what is due by `commitIntervalMs`, with
   * offsets it is `commit(offsets)`. Nothing beyond the batch can be resolved; `seek` goes there.
   */
  eachBatch?: BatchHandler | undefined
  /**
   * Called with each assignment, before the first message of it: a `seek` in it is where reading begins. Awaited for `drainTimeoutMs`, and at most a fifth
   * of `rebalanceTimeout`. What it throws ends the session, and the next one asks again. Kafka: `ConsumerRebalanceListener`.
   */
  onPartitionsAssigned?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /** Called when an assignment ends, once handlers have settled and while commits still count; also at `stop()`. Awaited as above. */
  onPartitionsRevoked?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /** Called in place of it when the group has given the partitions away already: commits are rejected with `fenced`. Awaited as above. */
  onPartitionsLost?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /**
   * KafkaJS's `clientId`, `ssl` and `sasl` as a plain object, or a function that returns fresh ones, read again at each login. An instance of
   * `Kafka` hides them and is refused. A function that throws or hangs is told as `settings-failed` and asked again.
   * Default: client id `relisten`, plain text, no login.
   */
  kafka?: KafkaOptions | (() => KafkaOptions | Promise<KafkaOptions>) | undefined

  /**
   * Makes this a static member: a process that starts with the same id within `sessionTimeout` takes the place of the one before, without a rebalance,
   * and `stop()` leaves the partitions waiting for it. One id per process; of two with the same the older one ends in `failed`. Letters, digits, `.`, `_`
   * and `-`, at most 249. Default none. Kafka: `group.instance.id` (KIP-345).
   */
  groupInstanceId?: string | undefined
  /** The group forgets this member after so long without a heartbeat. Milliseconds, 1000–1800000, default 30000. Kafka: `session.timeout.ms`. */
  sessionTimeout?: number | undefined
  /** How long a rebalance waits for this member. Milliseconds, 1000–1800000, default 60000. Kafka: `max.poll.interval.ms`. */
  rebalanceTimeout?: number | undefined
  /**
   * How often a heartbeat is sent, also while a handler runs. Milliseconds, below half of `sessionTimeout`, default 1000 (KafkaJS: 3000),
   * as a member learns of a rebalance only by it. Kafka: `heartbeat.interval.ms`.
   */
  heartbeatInterval?: number | undefined
  /**
   * How long a broker holds a fetch that has less than `minBytes`. Milliseconds, 1–30000, default 250 (KafkaJS: 5000), as a request
   * that waits at the broker is the slowest to notice a dead connection. Kafka: `fetch.max.wait.ms`.
   */
  maxWaitTimeInMs?: number | undefined
  /** Bytes a broker collects before it answers. 1 or more, default 1. Kafka: `fetch.min.bytes`. */
  minBytes?: number | undefined
  /** Most bytes of one answer. 1 or more, default 10485760. Kafka: `fetch.max.bytes`. */
  maxBytes?: number | undefined
  /** Most bytes per partition of one answer. 1 or more, default 1048576. Kafka: `max.partition.fetch.bytes`. */
  maxBytesPerPartition?: number | undefined
  /**
   * Bytes of messages that may be fetched and not handled yet, over all partitions: keys, values and headers, and what fetches under way may bring
   * before decompression. 65536–2147483647, default 67108864 (64 MiB). A single batch of records that is larger is read all the same.
   */
  maxBufferedBytes?: number | undefined
  /** Partitions handled at the same time. 1 or more, default 3 (KafkaJS: 1), as one slow partition must not stop all others. */
  partitionsConsumedConcurrently?: number | undefined
  /** Where a partition without a committed offset begins: its start, or its end as of the assignment. Default false. Kafka: `auto.offset.reset`. */
  fromBeginning?: boolean | undefined
  /** Reads records of open transactions too. Default false. Kafka: `isolation.level`. */
  readUncommitted?: boolean | undefined
  /** Prefers replicas of this rack. Default none. Kafka: `client.rack`. */
  rackId?: string | undefined
  /** KafkaJS's assigners, the preferred one first. Default: round robin. Kafka: `partition.assignment.strategy`. */
  partitionAssigners?: NonNullable<KafkaJsOptions['partitionAssigners']> | undefined
  /** KafkaJS reads the metadata of its topics anew after so long. Milliseconds, 1000 or more, default 300000. Kafka: `metadata.max.age.ms`. */
  metadataMaxAge?: number | undefined
  /** Lets brokers create a subscribed topic that is missing. Default false (KafkaJS: true), as a misspelt name would pass unnoticed. Kafka: `allow.auto.create.topics`. */
  allowAutoTopicCreation?: boolean | undefined

  /** How often the brokers are asked where they are. 100–600000, default 1000. */
  pollIntervalMs?: number | undefined
  /**
   * How long an endpoint may be silent in a step of a dial: connect, TLS, each round of the login, identity. The whole ends after 30 s.
   * 50–60000, default 1000, with TLS or login 2000. Kafka: `socket.connection.setup.timeout.ms`.
   */
  dialTimeoutMs?: number | undefined
  /**
   * How long a node may be silent beyond what a request may take, as long as a second connection gets no answer either: it is slow, and
   * is waited for. 1000–600000, default 30000. Kafka: `request.timeout.ms`.
   */
  requestTimeoutMs?: number | undefined
  /**
   * How long handlers may finish before their signal fires, when a session is replaced or stopped. 0–600000, at most `stopTimeoutMs` and
   * `rebalanceTimeout`, default 10000 or the smaller of these two.
   */
  drainTimeoutMs?: number | undefined
  /** How long rebuilt connections may take to be proven before the session is replaced; at least 16 round trips. 100–600000, default 5000. */
  rebuildTimeoutMs?: number | undefined
  /**
   * How long a topic that is missing, or a right that is refused, may be one that brokers do not know of yet. 0–600000, default 30000. What
   * this life has had is waited for without end.
   */
  metadataLagMs?: number | undefined
  /** `stop()` returns by then, whatever the brokers do. 100–600000, default 15000. */
  stopTimeoutMs?: number | undefined
  /**
   * Commits what was handled, by itself. Default true. With false nothing is committed but by `commit()` and `commitOffsetsIfNecessary()`: an assignment
   * begins at what the group has committed, and messages that were handled and not committed before it are handled again. Where nothing is committed
   * it begins by `fromBeginning`, and this process stays at that offset until it commits. Kafka: `enable.auto.commit`.
   */
  autoCommit?: boolean | undefined
  /** Handled messages are committed at most this often. 10–600000, default 1000. Kafka: `auto.commit.interval.ms`. */
  commitIntervalMs?: number | undefined
  /** A handler at work for longer is reported, its partition counts as stalled, and its signal fires. 1 or more, default off. */
  handlerTimeoutMs?: number | undefined
  /**
   * How often a handler that throws is called again for the same message before `onHandlerError` is asked; calls count from one in each assignment.
   * The partition waits between two calls (full jitter, 250 ms doubling to 30 s), the others go on; a rebalance, a stop, a seek or a pause ends the
   * wait. 0 or more, default `Infinity`, and 5 where `onHandlerError` is given; it needs one, and not `deadLetter`, which has `maxAttempts`.
   */
  handlerRetries?: number | undefined
  /**
   * What happens after the last of these calls, and again after each further one: `retry` calls the handler again, `skip` goes on behind the message
   * (of a batch: behind all of it), `pause` waits for `resume`, `stop` stops the consumer. A function decides, and may store the message elsewhere first,
   * as `deadLetter` does; one that throws or returns anything else is asked again after a wait. Default: none, the message is retried without end.
   */
  onHandlerError?: HandlerDecision | HandlerErrorPolicy | undefined
  /** Counts a consumer as not ready while it is degraded. Default false: an outage of a database must not take a service out of its load balancer. */
  unreadyWhenDegraded?: boolean | undefined
  /** Retries in a row, without a join between them, after which the consumer fails. 0 or more, default unlimited. */
  retryBudget?: number | undefined

  /** Where facts are recorded. Default: in memory, the newest 10000. It is closed with the consumer. */
  journal?: Journal | undefined
  /** What happens when the journal can't append. Default `stop-intake`: no message is handled whose story could not be told. */
  onJournalError?: JournalPolicy | undefined
  /**
   * Gets a line for each fact. Default: pino at `warn` on standard error, a line for each thing that needs a person, the same one once a
   * minute at most. `false`: no line at all. `consoleLogger` writes readable lines, and stands in for `console`.
   */
  logger?: Logger | false | undefined
  /** An observer of XState's inspection, like the one of `@statelyai/inspect`. Secrets are taken out, and what it throws is ignored. */
  inspect?: Inspect | undefined

  /**
   * Says whether an address may be dialled; asked before any byte goes there. Default: every address. Only `true` allows it: anything
   * else, a promise too, or an error refuses it, with a failure that says why.
   */
  allowEndpoint?: ((endpoint: Endpoint & { readonly nodeId?: number }) => boolean) | undefined
  /** The cluster id that must answer. Default: the first one that does. Kafka: `cluster.id`. */
  clusterId?: string | undefined
  /** Resolves host names, like `lookup` of `net.connect`. Default `dns.lookup`. */
  lookup?: LookupFunction | undefined
  /** The name that the certificate of every broker carries, in place of the address that is dialled. Needs `kafka.ssl`. */
  expectedIdentity?: string | undefined
  /** Accepts `ssl.rejectUnauthorized: false`, so that anybody can pose as a broker. Default false; the environment has no say in it. */
  allowInsecureTls?: boolean | undefined
  /** Accepts a login that shows the secret (plain, oauthbearer, aws) without TLS. Default false. */
  allowInsecureLogin?: boolean | undefined
}
