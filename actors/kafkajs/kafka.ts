/**
 * The door to KafkaJS: no other file imports it, nor `kafkajs-parts.cjs`, where its modules are required.
 *
 * relisten takes three things from it: the consumer (fetching, decoding, assigning), the login on a socket, and the
 * encoding of a few requests. Deep imports are safe because KafkaJS has no `exports` map and is pinned exactly.
 */

import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Consumer, ISocketFactory, Mechanism, PartitionAssigner, SASLOptions } from 'kafkajs'
import type { Endpoint } from '../../machines/endpoint.ts'
import { apiKeys } from '../protocol/frames.ts'
import { readApiVersions, type SpokenVersions } from '../protocol/versions.ts'
import { keepingTokens } from '../security/secrets.ts'
import { coalesced } from '../time/coalesced.ts'
import { askedInOrder, PartitionLists } from './partition-lists.ts'
import {
  assignerProtocol as assignerParts,
  Broker,
  Cluster,
  ConnectionPool,
  createConsumer,
  createRequest,
  Encoder,
  InstrumentationEventEmitter,
  loggers,
  protocol,
  scram,
} from './parts.cjs'
import { withoutAborted } from './transactions.ts'

export type {
  Batch,
  Consumer,
  EachBatchPayload,
  EachMessagePayload,
  ISocketFactory,
  KafkaConfig,
  KafkaMessage,
  PartitionAssigner,
  SASLOptions,
} from 'kafkajs'

/** How members and assignments are written, as KafkaJS exports it; its index would load all of it. */
export const assignerProtocol: typeof import('kafkajs').AssignerProtocol = assignerParts

/** A request of our own: how it is written and how its answer is read. Error codes in an answer stay data. */
export interface Call<Answer> {
  readonly apiKey: number
  readonly apiVersion: number
  encode(): Promise<unknown>
  /** Reads the answer's body: what follows the correlation id. */
  decode(body: Buffer): Promise<Answer>
}

/** What KafkaJS is told; everything that names an address, a login or a deadline stays with relisten. */
export interface KafkaJsOptions {
  readonly clientId: string
  readonly groupId: string
  /** Constant names of the nodes (`node-1:9092`), read when KafkaJS wants a first connection. */
  readonly nodeNames: () => readonly string[]
  readonly socketFactory: ISocketFactory
  readonly sessionTimeout: number
  readonly rebalanceTimeout: number
  /** How often KafkaJS asks whether it has to rejoin; the wire answers, no broker is asked. */
  readonly heartbeatInterval: number
  /** Awaited before each round of a node's fetch loop. */
  readonly beforeFetch: (nodeId: number) => Promise<void>
  /** KafkaJS knows the leaders anew. */
  readonly onMetadata: () => void
  readonly minBytes?: number | undefined
  readonly maxBytes?: number | undefined
  readonly maxBytesPerPartition?: number | undefined
  readonly readUncommitted: boolean
  readonly rackId: string
  /** How long a replica in our rack is preferred, in milliseconds. */
  readonly metadataMaxAge: number
  readonly partitionAssigners?: PartitionAssigner[] | undefined
  readonly allowAutoTopicCreation: boolean
}

/** A KafkaJS consumer together with the part of its client that knows leaders. */
export interface KafkaJsConsumer {
  readonly consumer: Consumer
  /** Reads the topics' metadata again, outside the fetch loop. */
  refreshMetadata(): Promise<void>
  /** The leader of a partition as KafkaJS knows it; undefined when it has none. */
  leaderOf(topic: string, partition: number): number | undefined
  /** No fetcher begins from here on: one that begins while KafkaJS stops is stopped by nobody, and loops without a pause. */
  endFetchers(): void
}

/** The virtual node that stands for "the group coordinator, wherever it is". */
export const coordinatorNodeId = 2147483647

const silent = loggers.createLogger({ level: loggers.LEVELS.NOTHING, logCreator: () => () => {} })

/** How long KafkaJS sleeps, in milliseconds, when a node has nothing to fetch. Its fetches get their real wait on the way. */
const kafkaJsWaitMs = 10

/** Builds a KafkaJS consumer whose cluster relisten can reach. Nothing is connected yet. */
export function openKafkaJs(options: KafkaJsOptions): KafkaJsConsumer {
  const isolationLevel = options.readUncommitted ? 0 : 1
  const instrumentationEmitter = new InstrumentationEventEmitter()
  // Every wait that matters is ruled by the wire; KafkaJS's own retries only have to be steady and endless.
  const retry = { initialRetryTime: 50, maxRetryTime: 50, multiplier: 1, factor: 0, retries: Number.MAX_SAFE_INTEGER }
  const cluster = new Cluster({
    logger: silent,
    retry,
    offsets: new Map(),
    socketFactory: options.socketFactory,
    brokers: () => options.nodeNames(),
    ssl: null,
    sasl: null,
    clientId: options.clientId,
    connectionTimeout: 10_000,
    requestTimeout: 30_000,
    enforceRequestTimeout: false,
    metadataMaxAge: 2 ** 40,
    instrumentationEmitter,
    allowAutoTopicCreation: options.allowAutoTopicCreation,
    maxInFlightRequests: null,
    isolationLevel,
  })
  const builder = cluster.connectionPoolBuilder
  const build = builder.build.bind(builder)
  builder.build = async (destination) => calm(await build(destination))
  const find = cluster.findBroker.bind(cluster)
  cluster.findBroker = async (node) => askedInOrder(withoutAborted(await find(node)))
  const lists = new PartitionLists(cluster, options.rackId === '')
  const known = cluster.getNodeIds.bind(cluster)
  let isEnding = false
  // Only its fetchers ask. An empty list is no change for those that run, and to those that would begin it is an error that is not retried.
  cluster.getNodeIds = () => (isEnding ? [] : known().filter((id) => id !== String(coordinatorNodeId)))
  // A round of a node's fetch loop tells its node, and in the same breath asks for the metadata.
  let beginning: number | undefined
  instrumentationEmitter.addListener('consumer.fetch_start', ({ payload: { nodeId } }) => {
    beginning = Number(nodeId)
  })
  const refreshIfNecessary = cluster.refreshMetadataIfNecessary.bind(cluster)
  cluster.refreshMetadataIfNecessary = () => {
    const nodeId = beginning
    beginning = undefined
    if (nodeId === undefined) return refreshIfNecessary()
    return lists.begin(nodeId, options.beforeFetch(nodeId).then(refreshIfNecessary))
  }
  const refresh = cluster.refreshMetadata.bind(cluster)
  // It asks again every 50 ms until all partitions have a leader.
  cluster.refreshMetadata = coalesced(() => refresh().then(options.onMetadata))
  const consumer = createConsumer({
    cluster,
    retry: { ...retry, restartOnFailure: async () => false },
    logger: silent,
    instrumentationEmitter,
    isolationLevel,
    // Here it is how long a replica in our rack is preferred before the leader is asked again; metadata is looked up by the session.
    metadataMaxAge: options.metadataMaxAge,
    groupId: options.groupId,
    sessionTimeout: options.sessionTimeout,
    rebalanceTimeout: options.rebalanceTimeout,
    heartbeatInterval: options.heartbeatInterval,
    maxWaitTimeInMs: kafkaJsWaitMs,
    minBytes: options.minBytes,
    maxBytes: options.maxBytes,
    maxBytesPerPartition: options.maxBytesPerPartition,
    rackId: options.rackId,
    partitionAssigners: options.partitionAssigners,
  })
  return {
    consumer,
    refreshMetadata: () => cluster.refreshMetadata(),
    leaderOf: (topic, partition) => {
      const leader = lists.leaderOf(topic, partition)
      return leader === undefined || leader < 0 ? undefined : leader
    },
    endFetchers: () => {
      isEnding = true
    },
  }
}

/**
 * KafkaJS looks for requests it holds back each millisecond, on every connection and for ever, also when there are none. That is
 * a twentieth of a core for a consumer that does nothing.
 */
function calm(pool: InstanceType<typeof ConnectionPool>): InstanceType<typeof ConnectionPool> {
  for (const { requestQueue } of pool.pool) {
    const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue)
    requestQueue.scheduleCheckPendingRequests = () => {
      if (requestQueue.pending.length > 0) schedule()
    }
  }
  return pool
}

/**
 * Logs in on a socket that is connected (and has its TLS), then lets go of it: no listener of KafkaJS stays.
 * Returns how long the login is valid in milliseconds, 0 for ever (`connections.max.reauth.ms`).
 * KafkaJS writes into the `sasl` object, so it must be a fresh one. Mechanisms are told the endpoint that is dialled: some sign the
 * host (AWS MSK IAM), or ask for a ticket to it (Kerberos).
 */
export async function login(
  socket: Socket,
  sasl: SASLOptions,
  clientId: string,
  timeoutMs: number,
  { host, port }: Endpoint,
): Promise<number> {
  const connectionPool = new ConnectionPool({
    host,
    port,
    sasl: withKnownToken(withSaltedPassword(sasl)),
    clientId,
    logger: silent,
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    enforceRequestTimeout: false,
    socketFactory: (({ onConnect }) => {
      setImmediate(onConnect)
      return socket
    }) satisfies ISocketFactory,
  })
  // Without them it would ask for the versions first. That takes as long as a step of the login, and the dial asks after it.
  const broker = new Broker({
    connectionPool,
    logger: silent,
    authenticationTimeout: timeoutMs,
    versions: loginVersions,
  })
  // KafkaJS wraps every error of a login in one that says the credentials were refused. What the broker answered, or did not, tells.
  let told: unknown
  const mechanism = sasl.mechanism.toUpperCase()
  let handshake: Promise<unknown> = Promise.resolve()
  for (const connection of connectionPool.pool) {
    const send = connection.send.bind(connection)
    connection.send = (call) => {
      const isHandshake = call.request.apiKey === apiKeys.saslHandshake
      const answer = send(call).catch((error: Error & { code?: unknown }) => {
        if (isHandshake || !refusals.has(error.code)) told ??= error
        throw error
      })
      if (isHandshake && mechanism in scramDigests) {
        handshake = answer
        handshake.catch(() => {})
        // What SCRAM says next holds no secret and does not depend on the answer, which is awaited with the next one.
        return Promise.resolve({ enabledMechanisms: [mechanism] })
      }
      return Promise.all([answer, handshake]).then(([answered]) => answered)
    }
  }
  // KafkaJS does not hear of a socket that is destroyed, and would wait on with a timer each millisecond.
  let onClose = () => {}
  const closed = new Promise<never>((_, reject) => {
    onClose = () => reject(Object.assign(new Error('closed during the login'), { code: 'ECONNRESET' }))
    socket.once('close', onClose)
  })
  try {
    await Promise.race([broker.connect(), closed])
    return connectionPool.pool[0]?.sessionLifetime.toNumber() ?? 0
  } catch (error) {
    throw told ?? error
  } finally {
    for (const name of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(name)
    socket.off('close', onClose)
    socket.on('error', () => {})
    for (const connection of connectionPool.pool) connection.requestQueue.destroy()
  }
}

/** Brokers of each release that is spoken to know these; KafkaJS knows no later ones. */
const loginVersions = {
  [apiKeys.saslHandshake]: { minVersion: 0, maxVersion: 1 },
  [apiKeys.saslAuthenticate]: { minVersion: 0, maxVersion: 1 },
}

/** Kafka's codes for a login that is refused: the mechanism is not spoken, the order is wrong, the credentials are. */
const refusals: ReadonlySet<unknown> = new Set([33, 34, 58])

const scramDigests: Readonly<Record<string, { readonly type: string }>> = {
  'SCRAM-SHA-256': scram.DIGESTS.SHA256,
  'SCRAM-SHA-512': scram.DIGESTS.SHA512,
}
const saltedPasswords = new Map<string, Promise<Buffer>>()
const mostSaltedPasswords = 16

/**
 * Kafka and Redpanda refuse a credential of more than 16384 rounds (KIP-554), but older tools wrote any number. Each login salts the
 * password as often as whoever answers says, on one of four threads that also look up names: a third of a second for so many.
 */
const mostIterations = 262_144

/**
 * KafkaJS's SCRAM, which salts the password once for all logins and not twice in each (RFC 5802, section 3, lets a client keep
 * what it derived): thousands of rounds of a hash are most of what a login costs, and after a move there are many at once.
 */
class Scram extends scram.SCRAM {
  private readonly secret: string

  constructor(...given: ConstructorParameters<typeof scram.SCRAM>) {
    super(...given)
    this.secret = JSON.stringify([given[5].type, given[0].password])
  }

  override saltPassword(answer: { readonly s: string; readonly i: string }): Promise<Buffer> {
    const iterations = Number.parseInt(answer.i, 10)
    if (!(iterations <= mostIterations)) {
      const asked = `the broker asks for ${answer.i} iterations of the password's hash`
      return Promise.reject(new Error(`${asked}, and at most ${mostIterations} are done`))
    }
    const key = createHash('sha256')
      .update(JSON.stringify([this.secret, answer.s, answer.i]))
      .digest('base64')
    const known = saltedPasswords.get(key)
    if (known) return known
    const salted = super.saltPassword(answer)
    saltedPasswords.set(key, salted)
    salted.catch(() => saltedPasswords.delete(key))
    const [oldest] = saltedPasswords.keys()
    if (saltedPasswords.size > mostSaltedPasswords && oldest) saltedPasswords.delete(oldest)
    return salted
  }
}

function withSaltedPassword(sasl: SASLOptions): SASLOptions | Mechanism {
  const digest = scramDigests[sasl.mechanism.toUpperCase()]
  if (!digest || !('username' in sasl)) return sasl
  const { mechanism, username, password } = sasl
  return {
    mechanism,
    authenticationProvider: ({ host, port, logger, saslAuthenticate }) =>
      new Scram({ username, password }, host, port, logger, saslAuthenticate, digest),
  }
}

function withKnownToken(sasl: SASLOptions | Mechanism): SASLOptions | Mechanism {
  return 'oauthBearerProvider' in sasl
    ? { ...sasl, oauthBearerProvider: keepingTokens(sasl.oauthBearerProvider) }
    : sasl
}

/** The bytes of a request with its header and length. The connection puts its own correlation id in. */
export async function encodeCall(call: Call<unknown>, clientId: string): Promise<Buffer> {
  return (await createRequest({ correlationId: 0, clientId, request: call })).buffer
}

interface TopicErrors {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[]
}

/** A metadata answer as KafkaJS reads it. */
export interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly clusterId: string
  readonly controllerId: number
}

/** The requests relisten sends by itself, each in a version that brokers 2.4 to 4.x speak. */
export const calls = {
  /** Version 2, the last one with an answer that is read without knowing what the broker speaks. KafkaJS reads it only where nothing is wrong. */
  apiVersions: (): Call<SpokenVersions> => ({
    ...callOf<SpokenVersions>('ApiVersions', 2, {}),
    decode: async (body) => readApiVersions(body),
  }),
  /** The brokers and nothing else: KafkaJS would ask for all topics. */
  metadata: (): Call<MetadataAnswer> => ({
    ...callOf<MetadataAnswer>('Metadata', 6, { topics: [] }),
    encode: async () => new Encoder().writeArray([]).writeBoolean(false),
  }),
  findCoordinator: (groupId: string) =>
    callOf<{ errorCode: number; coordinator: { nodeId: number; host: string; port: number } }>('GroupCoordinator', 2, {
      groupId,
    }),
  heartbeat: (groupId: string, memberId: string, groupGenerationId: number) =>
    callOf<{ errorCode: number }>('Heartbeat', 3, { groupId, memberId, groupGenerationId, groupInstanceId: null }),
  offsetCommit: (
    groupId: string,
    memberId: string,
    groupGenerationId: number,
    topics: readonly {
      topic: string
      partitions: readonly { partition: number; offset: string; metadata?: string | null }[]
    }[],
  ) =>
    callOf<{ responses: readonly TopicErrors[] }>('OffsetCommit', 5, { groupId, memberId, groupGenerationId, topics }),
  leaveGroup: (groupId: string, memberId: string) =>
    callOf<{ errorCode: number; members?: readonly { errorCode: number }[] }>('LeaveGroup', 3, { groupId, memberId }),
}

function callOf<Answer>(name: string, version: number, payload: Record<string, unknown>): Call<Answer> {
  const found = protocol.requests[name]
  if (!found) throw new Error(`KafkaJS has no request ${name}: is another version of it installed than 2.2.4?`)
  const { request, response } = found.protocol({ version })(payload)
  return {
    apiKey: request.apiKey,
    apiVersion: version,
    encode: () => request.encode(),
    decode: (body) => response.decode(body),
  }
}
