/**
 * The runner: KafkaJS's run loop of one session. It connects, subscribes and fetches over wires, and gives its batches to the dispatcher.
 * Fenced, it takes no batch any more, and nothing of it reaches a broker.
 */

import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { PartitionsByTopic, TopicPartition } from '../../machines/topic-partition.ts'
import { ConnectionError, closedError } from '../connection/connection.ts'
import type { Assignment } from '../delivery/assignment.ts'
import type { Dispatcher } from '../delivery/dispatcher.ts'
import type { Reader } from '../delivery/partition-queue.ts'
import { roundRobin } from '../kafkajs/assignor.ts'
import {
  type Batch,
  type ISocketFactory,
  type KafkaJsConsumer,
  type KafkaJsOptions,
  openKafkaJs,
} from '../kafkajs/consumer.ts'
import { type Asked, fromKafkaJs } from '../kafkajs/failure.ts'
import { apiKeyOf, apiKeys } from '../protocol/frames.ts'
import { nodeOfName } from '../protocol/node-names.ts'
import type { AskedPartition } from '../protocol/requests.ts'
import { within } from '../time/deadline.ts'
import { sleep } from '../time/sleep.ts'
import type { Subscription } from '../topics/subscription.ts'
import { Wire } from '../wire/wire.ts'
import type { FetchRecord } from './fetch-record.ts'

export interface RunnerOptions extends Omit<KafkaJsOptions, 'socketFactory'> {
  readonly epoch: number
  readonly topics: readonly (string | RegExp)[]
  readonly fromBeginning: boolean
  readonly dispatcher: Dispatcher
  readonly emit: (fact: Fact) => void
  readonly fetched: FetchRecord
  /** Answers a request of KafkaJS's to this node. */
  readonly answer: (nodeId: number, request: Buffer) => Promise<Buffer>
  /** Topics that brokers do not show: they are missing, or this user may not see them. */
  readonly unseen: () => readonly string[]
  /** Lets nodes that had nothing to fetch look again. */
  readonly wake: () => void
  /** KafkaJS was given these partitions. */
  readonly onAssigned: (partitions: PartitionsByTopic) => void
  /** KafkaJS has ended by itself. */
  readonly onCrash: (failure: Failure) => void
}

/** What of it a user or a consumer decides; the rest is wired by the session. */
export type RunnerSettings = Omit<
  RunnerOptions,
  | ('nodeNames' | 'fetched' | 'answer' | 'unseen' | 'beforeFetch')
  | ('mustRejoin' | 'onMetadata' | 'wake' | 'onAssigned' | 'onCrash')
>

/** KafkaJS's own limit of batches at a time, high enough never to block: partition queues limit what is worked. */
const batchesAtOnce = 64
/** KafkaJS fetches a batch that was turned down again at once; while a drain lasts, that would be a loop without a pause. */
const fencedPauseMs = 50

export class Runner implements Reader {
  fenced = false
  private readonly options: RunnerOptions
  private readonly kafka: KafkaJsConsumer
  private readonly wires = new Set<Wire>()
  private closed = false
  /** Under which assignment each partition was asked for last, and from where. */
  private readonly asked = new Map<string, { readonly assignment: Assignment | undefined; readonly from: bigint }>()

  constructor(options: RunnerOptions) {
    this.options = options
    this.kafka = openKafkaJs({
      ...options,
      partitionAssigners: options.partitionAssigners ?? [roundRobin],
      // A session that is closed has no node: it is the one answer that ends KafkaJS's attempts to connect.
      nodeNames: () => (this.closed ? [] : options.nodeNames()),
      socketFactory: this.socketFactory,
    })
    this.listen()
  }

  /** Connects and subscribes. Rejects with a ConnectionError. */
  async connect(subscription: Subscription): Promise<void> {
    const { consumer } = this.kafka
    const { fromBeginning, emit, epoch } = this.options
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...(await subscription.resolve())], fromBeginning })
      const expressions = subscription.unmatched
      if (expressions.length > 0) emit({ type: 'subscription.unmatched', epoch, expressions })
    } catch (error) {
      throw new ConnectionError(fromKafkaJs(error, this.subject))
    }
  }

  /** Joins and fetches from now on. Rejects when KafkaJS could not begin. */
  run(): Promise<void> {
    return this.kafka.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: batchesAtOnce,
      eachBatch: async ({ batch, resolveOffset, isStale }) => {
        const last = batch.messages.at(-1)
        // Stale: fetched before a seek, so it is not what was asked for any more.
        if (this.fenced || isStale()) return
        const { assignment } = this.asked.get(`${batch.topic}/${batch.partition}`) ?? {}
        const room = this.options.dispatcher.offer(batch, BigInt(fetchedOffsetOf(batch)), assignment)
        if (!room) return void (await sleep(fencedPauseMs))
        // The position runs ahead of the mark: KafkaJS fetches on while the queue works.
        if (last) resolveOffset(last.offset)
        await room
      },
    })
  }

  /** Notes under which assignment KafkaJS has asked for these partitions. */
  note(asked: readonly AskedPartition[], assignment: Assignment | undefined): void {
    for (const { topic, partition, from } of asked) this.asked.set(`${topic}/${partition}`, { assignment, from })
  }

  refreshMetadata(): Promise<void> {
    return this.kafka.refreshMetadata()
  }

  pause({ topic, partition }: TopicPartition): void {
    ifRunning(() => this.kafka.consumer.pause([{ topic, partitions: [partition] }]))
  }

  resume({ topic, partition }: TopicPartition): void {
    ifRunning(() => this.kafka.consumer.resume([{ topic, partitions: [partition] }]))
    this.options.wake()
  }

  seek(where: TopicPartition, offset: string): void {
    ifRunning(() => this.kafka.consumer.seek({ ...where, offset }))
  }

  /** The leader of a partition as KafkaJS knows it; once it has ended, it knows none. */
  leaderOf({ topic, partition }: TopicPartition): number | undefined {
    return ifRunning(() => this.kafka.leaderOf(topic, partition))
  }

  fence(): void {
    this.fenced = true
    this.kafka.endFetchers()
  }

  /** Lets KafkaJS end, by `withinMs` at the latest. */
  async close(withinMs: number): Promise<void> {
    this.closed = true
    await within(this.kafka.consumer.disconnect(), withinMs, 'KafkaJS did not end').catch(() => {})
    for (const wire of this.wires) wire.fail(closedError('This session'))
  }

  /** What errors of KafkaJS's speak of. */
  private get subject(): Asked {
    return { groupId: this.options.groupId, topics: this.options.topics, unseen: this.options.unseen() }
  }

  private listen(): void {
    const { consumer } = this.kafka
    const { epoch, emit, dispatcher, onAssigned, onCrash } = this.options
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => onAssigned(payload.memberAssignment))
    consumer.on(consumer.events.RECEIVED_UNSUBSCRIBED_TOPICS, ({ payload: { topicsNotSubscribed } }) => {
      if (!this.fenced) emit({ type: 'partitions.unread', epoch, topics: topicsNotSubscribed })
    })
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      // KafkaJS steps over a batch without messages by itself.
      const { assignment, from = 0n } = this.asked.get(`${topic}/${partition}`) ?? {}
      if (batchSize === 0 && !this.fenced) dispatcher.pass({ topic, partition }, from, lastOffset, assignment)
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => onCrash(fromKafkaJs(payload.error, this.subject)))
  }

  private readonly socketFactory: ISocketFactory = ({ host, onConnect }) => {
    // KafkaJS takes a connection that it has made for a success, and would begin anew after each request that fails on it.
    if (this.closed) throw closedError('This session')
    const nodeId = nodeOfName(host) ?? -1
    const wire: Wire = new Wire({
      onConnect,
      answer: async (request) => {
        if (this.fenced) throw closedError('This session')
        const answer = this.options.answer(nodeId, request)
        return apiKeyOf(request) === apiKeys.fetch ? this.options.fetched.during(nodeId, answer) : answer
      },
      onEnd: () => this.wires.delete(wire),
    })
    this.wires.add(wire)
    return wire.socket
  }
}

/** KafkaJS's declaration of a batch leaves out where it was fetched from. */
const fetchedOffsetOf = (batch: Batch): string => (batch as Batch & { readonly fetchedOffset: string }).fetchedOffset

/** KafkaJS refuses these calls once it has ended. The dispatcher remembers them, and the next session begins with what it says. */
function ifRunning<Value>(call: () => Value): Value | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}
