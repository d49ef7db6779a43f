/** KafkaJS's consumer, which fetches, decodes and assigns. Nothing in it knows an address, a login or a deadline. */

import type { Consumer, ISocketFactory, PartitionAssigner } from 'kafkajs'
import { coordinatorNodeId } from '../protocol/node-names.ts'
import { coalesced } from '../time/coalesced.ts'
import { PartitionLists, putInOrder } from './partition-lists.ts'
import {
  assignerProtocol as assignerParts,
  Cluster,
  type ConnectionPool,
  createConsumer,
  InstrumentationEventEmitter,
} from './parts.cjs'
import { silent } from './silent-logger.ts'
import { hideAborted } from './transactions.ts'

export type {
  Batch,
  Consumer,
  EachBatchPayload,
  EachMessagePayload,
  ISocketFactory,
  KafkaConfig,
  KafkaMessage,
  Mechanism,
  PartitionAssigner,
  SASLOptions,
} from 'kafkajs'

/** How members and assignments are written, as KafkaJS exports it; its index would load all of it. */
export const assignerProtocol: typeof import('kafkajs').AssignerProtocol = assignerParts

/** What KafkaJS is told. Addresses, logins and deadlines stay with relisten. */
export interface KafkaJsOptions {
  readonly clientId: string
  readonly groupId: string
  /** Constant names of the nodes (`node-1:9092`), read when KafkaJS wants a first connection. */
  readonly nodeNames: () => readonly string[]
  readonly socketFactory: ISocketFactory
  readonly sessionTimeout: number
  readonly rebalanceTimeout: number
  /** Awaited before each round of a node's fetch loop. */
  readonly beforeFetch: (nodeId: number) => Promise<void>
  /** Whether the next round of a fetch loop, of any node, is to end in a rejoin. */
  readonly mustRejoin: () => boolean
  /** KafkaJS has read the leaders again. */
  readonly onMetadata: () => void
  readonly minBytes?: number | undefined
  readonly maxBytes?: number | undefined
  readonly maxBytesPerPartition?: number | undefined
  readonly readUncommitted: boolean
  readonly rackId: string
  /** How long a replica in our rack is preferred before the leader is asked again, in milliseconds; the session looks metadata up. */
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
  /** Starts no fetcher from here on. KafkaJS does not stop one that starts while it stops; it would loop without a pause. */
  endFetchers(): void
}

/** How long KafkaJS sleeps, in milliseconds, when a node has nothing to fetch. Its fetches get their real wait on the way. */
const kafkaJsWaitMs = 10

/** Builds a KafkaJS consumer whose cluster relisten can reach. Nothing is connected yet. */
export function openKafkaJs({
  clientId,
  nodeNames,
  socketFactory,
  beforeFetch,
  mustRejoin,
  onMetadata,
  readUncommitted,
  allowAutoTopicCreation,
  ...options
}: KafkaJsOptions): KafkaJsConsumer {
  const isolationLevel = readUncommitted ? 0 : 1
  const instrumentationEmitter = new InstrumentationEventEmitter()
  // The wire decides every wait that matters. KafkaJS's own retries only have to be steady and endless.
  const retry = { initialRetryTime: 50, maxRetryTime: 50, multiplier: 1, factor: 0, retries: Number.MAX_SAFE_INTEGER }
  const cluster = new Cluster({
    logger: silent,
    retry,
    offsets: new Map(),
    socketFactory,
    brokers: nodeNames,
    ssl: null,
    sasl: null,
    clientId,
    connectionTimeout: 10_000,
    requestTimeout: 30_000,
    enforceRequestTimeout: false,
    metadataMaxAge: 2 ** 40,
    instrumentationEmitter,
    allowAutoTopicCreation,
    maxInFlightRequests: null,
    isolationLevel,
  })
  const builder = cluster.connectionPoolBuilder
  const build = builder.build.bind(builder)
  builder.build = async (destination) => withoutIdleChecks(await build(destination))
  const find = cluster.findBroker.bind(cluster)
  cluster.findBroker = async (node) => {
    const broker = await find(node)
    if (Object.hasOwn(broker, 'fetch')) return broker
    const fetch = broker.fetch.bind(broker)
    broker.fetch = async (request) => {
      putInOrder(request)
      const answer = await fetch(request)
      for (const { partitions } of answer.responses) for (const partition of partitions) hideAborted(partition)
      return answer
    }
    return broker
  }
  const lists = new PartitionLists(cluster, options.rackId === '')
  const known = cluster.getNodeIds.bind(cluster)
  let isEnding = false
  // Only fetchers ask for it. An empty list changes nothing for those that run; those about to start get an error that is not retried.
  cluster.getNodeIds = () => (isEnding ? [] : known().filter((id) => id !== String(coordinatorNodeId)))
  // A round of a node's fetch loop announces its node and then, synchronously, asks for the metadata.
  let beginning: number | undefined
  instrumentationEmitter.addListener('consumer.fetch_start', ({ payload: { nodeId } }) => {
    beginning = Number(nodeId)
  })
  const refreshIfNecessary = cluster.refreshMetadataIfNecessary.bind(cluster)
  cluster.refreshMetadataIfNecessary = () => {
    const nodeId = beginning
    beginning = undefined
    if (nodeId === undefined) return refreshIfNecessary()
    const turn = beforeFetch(nodeId).then(() => {
      if (mustRejoin()) throw rebalanceInProgress()
      return refreshIfNecessary()
    })
    return lists.begin(nodeId, turn)
  }
  const refresh = cluster.refreshMetadata.bind(cluster)
  // KafkaJS asks again every 50 ms until all partitions have a leader.
  cluster.refreshMetadata = coalesced(() => refresh().then(onMetadata))
  const consumer = createConsumer({
    ...options,
    cluster,
    retry: { ...retry, restartOnFailure: async () => false },
    logger: silent,
    instrumentationEmitter,
    isolationLevel,
    // KafkaJS sends none: no time is later than this, and no session timeout shorter.
    heartbeatInterval: Number.NaN,
    maxWaitTimeInMs: kafkaJsWaitMs,
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

/** What ends KafkaJS's fetch loops and makes it join again: it looks at nothing but the type. */
const rebalanceInProgress = () => Object.assign(new Error('The group rebalances'), { type: 'REBALANCE_IN_PROGRESS' })

/** Each millisecond KafkaJS checks every connection for requests it holds back, even if there are none: a twentieth of a core for nothing. */
function withoutIdleChecks(pool: InstanceType<typeof ConnectionPool>): InstanceType<typeof ConnectionPool> {
  for (const { requestQueue } of pool.pool) {
    const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue)
    requestQueue.scheduleCheckPendingRequests = () => {
      if (requestQueue.pending.length > 0) schedule()
    }
  }
  return pool
}
