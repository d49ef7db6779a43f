/** The options of a consumer. Names that KafkaJS has keep KafkaJS's name and meaning; ours end in `Ms` where they are durations. */

import type { LookupFunction } from 'node:net'
import type { Brokers } from '../../actors/cluster/source.ts'
import type { HandlerDecision, HandlerErrorPolicy } from '../../actors/delivery/handler-retry.ts'
import type { KafkaJsOptions } from '../../actors/kafkajs/consumer.ts'
import type { KafkaConfig } from '../../actors/kafkajs/login.ts'
import type { Endpoint } from '../../machines/endpoint.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { Journal, JournalPolicy } from '../journal/journal.ts'
import type { Inspect } from '../views/inspection.ts'
import type { Logger } from '../views/log.ts'
import type { BatchHandler, Handling, MessageHandler } from './payload.ts'

/** KafkaJS's client options that matter here; addresses and deadlines are this library's. */
export type KafkaOptions = { [Each in 'clientId' | 'ssl' | 'sasl']?: KafkaConfig[Each] | undefined }

/** Options of `createConsumer`, with one of the two handlers. An unknown or impossible one throws `invalid-option`; one that is `undefined` is left out. */
export type ConsumerOptions = Options & Handling

/** Each option by itself. docs/options.md is made from these texts. */
export interface Options {
  /**
   * Where to find the cluster: a list of `host:port`, a function that returns one, called at each poll and abandoned after 3 s, or a source
   * `{ current(), changes }`, where `changes` is an observable or async iterable of lists. `fileSource` and `dnsSource` make one. Kafka: `bootstrap.servers`.
   * @bounds 1–64 entries
   */
  brokers: Brokers
  /** The consumer group. Kafka: `group.id`. */
  groupId: string
  /**
   * Names or regular expressions; an expression is matched when a session is opened, and again each `metadataMaxAge`.
   * @bounds at least one
   */
  topics: readonly (string | RegExp)[]
  /**
   * Called for each message, in order within a partition. Gets KafkaJS's payload and `signal`.
   * @defaultValue none: either this or `eachBatch` is required
   */
  eachMessage?: MessageHandler | undefined
  /**
   * Called for each fetched batch. A normal return has handled the batch, unless the handler was asked to end by `isRunning()`, `isStale()` or `signal`: then
   * only what was resolved. `commitOffsetsIfNecessary()` commits what is due by `commitIntervalMs`, with offsets it is `commit(offsets)`. Nothing beyond
   * the batch can be resolved; `seek` goes there.
   * @defaultValue none: either this or `eachMessage` is required
   */
  eachBatch?: BatchHandler | undefined
  /**
   * Called with the partitions of each assignment, before the first message of it: a `seek` in it is where reading begins. Awaited for `drainTimeoutMs`, at
   * most a fifth of `rebalanceTimeout`. What it throws ends the session, and the next one asks again. Kafka: `ConsumerRebalanceListener`.
   */
  onPartitionsAssigned?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /** Called when an assignment ends, also at `stop()`, after its handlers have settled: commits still count. Awaited like `onPartitionsAssigned`. */
  onPartitionsRevoked?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /** Called in place of `onPartitionsRevoked` when the group has given the partitions away already: commits are rejected with `fenced`. Awaited like it. */
  onPartitionsLost?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /**
   * A plain object with KafkaJS's `clientId`, `ssl` and `sasl`, or a function that returns fresh ones, called at each login. `ca`, `cert` and `key` are PEM
   * texts. An instance of `Kafka` hides them and is refused. A function that throws or hangs is called again, with the failure `settings-failed`.
   * @defaultValue client id `relisten`, no TLS, no login
   */
  kafka?: KafkaOptions | (() => KafkaOptions | Promise<KafkaOptions>) | undefined
  /**
   * Makes this a static member: a process that starts again with the same id within `sessionTimeout` takes its place without a rebalance, and `stop()` does
   * not give it up: its partitions wait. One id per process; of two with the same the older ends in `failed`. Kafka: `group.instance.id` (KIP-345).
   * @bounds 1–249 letters, digits, `.`, `_`, `-`
   */
  groupInstanceId?: string | undefined
  /**
   * The group removes the member after this long without a heartbeat. Kafka: `session.timeout.ms`.
   * @defaultValue `30000`
   * @bounds 1000–1800000 ms
   */
  sessionTimeout?: number | undefined
  /**
   * How long a rebalance waits for this member. More than twice `heartbeatInterval`. Kafka: `max.poll.interval.ms`.
   * @defaultValue `60000`
   * @bounds 1000–1800000 ms
   */
  rebalanceTimeout?: number | undefined
  /**
   * How often a heartbeat is sent, also while handlers run. KafkaJS: 3000; a member hears of a rebalance only by a heartbeat. Less than half of
   * `sessionTimeout`. Kafka: `heartbeat.interval.ms`.
   * @defaultValue `1000`
   * @bounds 50–600000 ms
   */
  heartbeatInterval?: number | undefined
  /**
   * How long a broker holds a fetch that has less than `minBytes`. KafkaJS: 5000; a fetch that waits is the last to notice a dead connection, and what comes
   * to its node meanwhile, a partition with a new leader or a seek, waits for its end. Less than half of `sessionTimeout`. Kafka: `fetch.max.wait.ms`.
   * @defaultValue `250`
   * @bounds 1–30000 ms
   */
  maxWaitTimeInMs?: number | undefined
  /**
   * Bytes a broker collects before it responds. At most `maxBytes`. Kafka: `fetch.min.bytes`.
   * @defaultValue `1`
   * @bounds 1–2147483647 bytes
   */
  minBytes?: number | undefined
  /**
   * Maximum size of a fetch response. Kafka: `fetch.max.bytes`.
   * @defaultValue `10485760`
   * @bounds 1–2147483647 bytes
   */
  maxBytes?: number | undefined
  /**
   * Maximum size per partition of a fetch response. Kafka: `max.partition.fetch.bytes`.
   * @defaultValue `1048576`
   * @bounds 1–2147483647 bytes
   */
  maxBytesPerPartition?: number | undefined
  /**
   * Size of the messages that may be fetched and not handled yet, over all partitions: keys, values, headers, and what fetches in flight may bring before
   * decompression. Fetches wait when there is no room. A single batch of records that is larger is read all the same.
   * @defaultValue `67108864`
   * @bounds 65536–2147483647 bytes
   */
  maxBufferedBytes?: number | undefined
  /**
   * Partitions handled at the same time. KafkaJS: 1; one slow partition must not stop all others.
   * @defaultValue `3`
   * @bounds 1–100000
   */
  partitionsConsumedConcurrently?: number | undefined
  /**
   * Where a partition without a committed offset begins: at its start, or at its end as of the assignment. That position is committed at once, unless
   * `autoCommit` is false. A partition that came while the group was subscribed begins at its start in any case. Kafka: `auto.offset.reset`.
   * @defaultValue `false`
   */
  fromBeginning?: boolean | undefined
  /**
   * Reads records of open transactions too. Kafka: `isolation.level`.
   * @defaultValue `false`
   */
  readUncommitted?: boolean | undefined
  /** Prefers replicas of this rack. Kafka: `client.rack`. */
  rackId?: string | undefined
  /**
   * KafkaJS's assigners, the preferred one first. The default gives a partition only to members that subscribe to its topic. Kafka:
   * `partition.assignment.strategy`.
   * @defaultValue round robin
   * @bounds at least one
   */
  partitionAssigners?: NonNullable<KafkaJsOptions['partitionAssigners']> | undefined
  /**
   * How often topics are looked at for new partitions. Kafka: `metadata.max.age.ms`.
   * @defaultValue `300000`
   * @bounds 1000–2147483647 ms
   */
  metadataMaxAge?: number | undefined
  /**
   * Lets brokers create a subscribed topic that is missing. KafkaJS: true; a misspelt name would pass unnoticed. Kafka: `allow.auto.create.topics`.
   * @defaultValue `false`
   */
  allowAutoTopicCreation?: boolean | undefined
  /**
   * How often the brokers are asked where they are. Anything suspicious makes it ask at once.
   * @defaultValue `1000`
   * @bounds 100–600000 ms
   */
  pollIntervalMs?: number | undefined
  /**
   * How long an address may be silent in a step of a connection attempt: connect, TLS, each round of the login, identity. The whole ends after 30 s. At most
   * `rebuildTimeoutMs`. Kafka: `socket.connection.setup.timeout.ms`.
   * @defaultValue 1000, with TLS or login 2000
   * @bounds 50–60000 ms
   */
  dialTimeoutMs?: number | undefined
  /**
   * How long a node may be silent beyond what a request may take (a fetch: `maxWaitTimeInMs`). An unresponsive connection is dropped sooner where a second
   * one gets a response. Kafka: `request.timeout.ms`.
   * @defaultValue `30000`
   * @bounds 1000–600000 ms
   */
  requestTimeoutMs?: number | undefined
  /**
   * How long handlers may finish before their signal fires, when a session is replaced, at a rebalance, or at `stop()`. At most `stopTimeoutMs` and
   * `rebalanceTimeout`; left out, the smallest of these two and the default.
   * @defaultValue `10000`
   * @bounds 0–600000 ms
   */
  drainTimeoutMs?: number | undefined
  /**
   * How long new connections may take until a heartbeat is accepted over them, before the session is replaced; how long a request waits for a node that is
   * out of reach. Where brokers are far, at least 16 round trips.
   * @defaultValue `5000`
   * @bounds 100–600000 ms
   */
  rebuildTimeoutMs?: number | undefined
  /**
   * How long a missing topic or a refused right may be one that brokers do not know of yet; then the consumer fails. What this process or its journal has
   * seen is waited for without end.
   * @defaultValue `30000`
   * @bounds 0–600000 ms
   */
  metadataLagMs?: number | undefined
  /**
   * `stop()` returns by then, whatever the brokers do.
   * @defaultValue `15000`
   * @bounds 100–600000 ms
   */
  stopTimeoutMs?: number | undefined
  /**
   * Commits what was handled. With `false` only what `commit(…)` and `commitOffsetsIfNecessary(…)` name is committed: each assignment begins at the group's
   * committed offset, and what was handled and not committed before it is handled again. Where nothing is committed it begins by `fromBeginning`, and this
   * process stays at that offset until it commits. Kafka: `enable.auto.commit`.
   * @defaultValue `true`
   */
  autoCommit?: boolean | undefined
  /**
   * Handled messages are committed at most this often. Kafka: `auto.commit.interval.ms`.
   * @defaultValue `1000`
   * @bounds 10–600000 ms
   */
  commitIntervalMs?: number | undefined
  /**
   * A handler that runs for longer is reported, its partition counts as stalled, and its signal fires.
   * @defaultValue off
   * @bounds 1–2147483647 ms
   */
  handlerTimeoutMs?: number | undefined
  /**
   * How often a handler that throws is called again for the same message before `onHandlerError` is asked; 5 where that is given, and not without it or
   * beside `deadLetter`, which has `maxAttempts`. Counted again in each assignment. Its partition waits between two calls (full jitter, 250 ms doubling to
   * 30 s), the others go on; a rebalance, a stop, a seek or a pause ends the wait.
   * @defaultValue `Infinity`
   * @bounds 0 or more
   */
  handlerRetries?: number | undefined
  /**
   * What follows the last call that `handlerRetries` allows, and each further one: `'retry'`, `'skip'` the message (of a batch: all of it), `'pause'` the
   * partition until `resume`, `'stop'` the consumer, or a function that decides one of them and may store the message elsewhere first, as `deadLetter` does. One that
   * throws or returns anything else is asked again after a wait.
   * @defaultValue `retry`
   */
  onHandlerError?: HandlerDecision | HandlerErrorPolicy | undefined
  /**
   * Counts a degraded consumer as not ready. Off, as an outage of a database must not take a service out of its load balancer.
   * @defaultValue `false`
   */
  unreadyWhenDegraded?: boolean | undefined
  /**
   * Retries in a row, without a join between them, after which the consumer fails.
   * @defaultValue unlimited
   * @bounds 0 or more
   */
  retryBudget?: number | undefined
  /**
   * Where facts are recorded. It is closed with the consumer.
   * @defaultValue in memory, the newest 10000 records
   */
  journal?: Journal | undefined
  /**
   * When the journal can't append: `'stop-intake'` ends the consumer, so that no message is handled that is not recorded; `'degrade'` goes on in memory.
   * @defaultValue `stop-intake`
   */
  onJournalError?: JournalPolicy | undefined
  /**
   * A pino logger, or anything with its `debug`, `info`, `warn`, `error`: gets a line for each fact. `consoleLogger` is readable, and stands in for
   * `console`; `false` is silent.
   * @defaultValue pino at `warn` on standard error: what needs a person, the same thing once a minute at most
   */
  logger?: Logger | false | undefined
  /** `observe` of `serveInspector`, or an observer of XState's inspection, like the one of `@statelyai/inspect`. Secrets are taken out; what it throws is ignored. */
  inspect?: Inspect | undefined
  /**
   * Says whether relisten may connect to an address, before any byte goes there. Only `true` allows it: a promise, anything else or an error refuses, with a
   * failure that says why.
   * @defaultValue every address
   */
  allowEndpoint?: ((endpoint: Endpoint & { readonly nodeId?: number }) => boolean) | undefined
  /**
   * The cluster id that brokers must have. Kafka: `cluster.id`.
   * @defaultValue that of the first cluster that responds
   */
  clusterId?: string | undefined
  /**
   * Resolves host names, like `lookup` of `net.connect`.
   * @defaultValue `dns.lookup`
   */
  lookup?: LookupFunction | undefined
  /**
   * The name that the certificate of every broker carries. Needs `kafka.ssl`; use it in place of `ssl.servername`.
   * @defaultValue the host it connects to
   */
  expectedIdentity?: string | undefined
  /**
   * Accepts `ssl.rejectUnauthorized: false`, so that anybody can pose as a broker. `NODE_TLS_REJECT_UNAUTHORIZED` in the environment changes nothing.
   * @defaultValue `false`
   */
  allowInsecureTls?: boolean | undefined
  /**
   * Accepts a login that sends the password in clear text (plain, oauthbearer, aws) without TLS.
   * @defaultValue `false`
   */
  allowInsecureLogin?: boolean | undefined
}
