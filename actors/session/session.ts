/**
 * A session: one KafkaJS consumer on wires, with its group membership, under one epoch.
 *
 *   KafkaJS ── wires ── routes ── links ── brokers
 *      │                  └─ membership ── coordinator
 *      └── batches ── dispatcher ── handlers
 */

import type { InspectionEvent } from 'xstate'
import type { Fact, TopicPartition } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Append } from '../../machines/recorded.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, closedError } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { rebuildWithin } from '../connection/round-trip.ts'
import { Assignment } from '../delivery/assignment.ts'
import type { Dispatcher } from '../delivery/dispatcher.ts'
import { Positions } from '../delivery/positions.ts'
import { Commits } from '../group/commits.ts'
import { Coordinator } from '../group/coordinator.ts'
import { Membership } from '../group/membership.ts'
import { roundRobin } from '../kafkajs/assignor.ts'
import {
  type Batch,
  type ISocketFactory,
  type KafkaJsConsumer,
  type KafkaJsOptions,
  openKafkaJs,
} from '../kafkajs/consumer.ts'
import { fromKafkaJs } from '../kafkajs/failure.ts'
import {
  type CommittedOffset,
  nodeAddress,
  nodeOfName,
  offsetFetchErrorOf,
  readOffsetFetch,
} from '../protocol/answers.ts'
import { apiKeyOf, apiKeys, errorCodes } from '../protocol/frames.ts'
import { type AskedPartition, offsetFetchRequest } from '../protocol/requests.ts'
import { coalesced } from '../time/coalesced.ts'
import { within } from '../time/within.ts'
import { MetadataView } from '../topics/metadata-view.ts'
import { Subscription } from '../topics/subscription.ts'
import type { Topics } from '../topics/topics.ts'
import { LogEdges } from '../wire/log-edges.ts'
import { Routes } from '../wire/routes.ts'
import { Wire } from '../wire/wire.ts'
import { FetchRecord } from './fetch-record.ts'
import { KafkaJsReader } from './kafkajs-reader.ts'

export interface SessionOptions
  extends Omit<KafkaJsOptions, 'nodeNames' | 'socketFactory' | 'heartbeatInterval' | 'beforeFetch' | 'onMetadata'> {
  readonly epoch: number
  readonly topics: readonly (string | RegExp)[]
  readonly fromBeginning: boolean
  readonly heartbeatInterval: number
  /** How long a broker may wait for something to send, in milliseconds (`fetch.max.wait.ms`). */
  readonly maxWaitTimeInMs: number
  readonly commitIntervalMs: number
  readonly drainTimeoutMs: number
  readonly rebuildTimeoutMs: number
  readonly requestTimeoutMs?: number | undefined
  readonly cluster: Cluster
  readonly dial: Dial
  readonly dispatcher: Dispatcher
  /** What this process knows of the group's topics. */
  readonly seen: Topics
  readonly emit: (fact: Fact) => void
  /** Records the steps of the membership's machine. */
  readonly append: Append
  readonly inspect?: ((event: InspectionEvent) => void) | undefined
}

/** KafkaJS asks its wire this often whether it has to rejoin, in milliseconds. No broker is asked. */
const kafkaJsHeartbeatMs = 50
/** Batches KafkaJS may hold at a time. Queues limit what is worked; here nothing may wait for anything. */
const batchesAtOnce = 64
const requestWithinMs = 2000
/** KafkaJS fetches a batch that was turned down again at once; while a drain lasts, that would be a loop without a pause. */
const fencedPauseMs = 50

export class Session {
  readonly epoch: number
  readonly coordinator: Coordinator
  readonly membership: Membership
  readonly routes: Routes
  readonly commits: Commits
  readonly fetched: FetchRecord
  readonly reader: KafkaJsReader
  private readonly positions: Positions
  private readonly metadata: MetadataView
  private readonly subscription: Subscription
  private readonly options: SessionOptions
  private readonly kafka: KafkaJsConsumer
  private readonly wires = new Set<Wire>()
  private readonly stop = new AbortController()
  private readonly timers: NodeJS.Timeout[] = []
  private assignment: Assignment | undefined
  private announced: Assignment | undefined
  /** Under which assignment each partition was asked for last, and from where. */
  private readonly asked = new Map<string, { readonly assignment: Assignment | undefined; readonly from: bigint }>()
  private joined = () => {}
  private crashed = (_error: unknown) => {}
  private sealed = false

  constructor(options: SessionOptions) {
    this.options = options
    this.epoch = options.epoch
    const { cluster, dial, emit, groupId, clientId } = options
    const isHeld = (partition: TopicPartition) => options.dispatcher.queueOf(partition).pausedBy.size > 0
    this.fetched = new FetchRecord(options.readUncommitted, isHeld)
    this.kafka = openKafkaJs({
      ...options,
      partitionAssigners: options.partitionAssigners ?? [roundRobin],
      heartbeatInterval: kafkaJsHeartbeatMs,
      // A session that is closed has no node: it is the one answer that ends KafkaJS's attempts to connect.
      nodeNames: () =>
        this.stop.signal.aborted ? [] : cluster.book.entries().map(({ nodeId }) => nodeAddress(nodeId)),
      socketFactory: this.socketFactory,
      beforeFetch: (nodeId) => this.routes.turn(nodeId),
      onMetadata: () => this.routes.wake(),
    })
    this.reader = new KafkaJsReader(this.kafka, () => this.routes.wake())
    this.routes = new Routes({
      cluster,
      dial,
      emit,
      holdMs: rebuildWithin(options.rebuildTimeoutMs, cluster.lateMs),
      requestTimeoutMs: options.requestTimeoutMs,
      maxWaitMs: options.maxWaitTimeInMs,
      fetchVersion: options.rackId === '' ? 10 : 11,
      clientId,
      leaderOf: (topic, partition) => this.reader.leaderOf({ topic, partition }),
      backlog: options.dispatcher.backlog,
      era: () => this.positions.era,
      onAsked: (asked) => this.note(asked),
      diverged: (partitions) => this.positions.diverged(partitions),
      group: (request) => this.membership.answer(request),
      refreshMetadata: () => this.kafka.refreshMetadata(),
      view: (description, nodes) => this.metadata.view(description, nodes),
      onFetched: (nodeId, summary) => this.fetched.note(nodeId, summary),
    })
    this.coordinator = new Coordinator({
      groupId,
      clientId,
      cluster,
      linkTo: (nodeId, mayBeHeld) => this.routes.control(nodeId, mayBeHeld),
      signal: this.stop.signal,
    })
    this.membership = new Membership({
      epoch: this.epoch,
      groupId,
      coordinator: this.coordinator,
      heartbeatIntervalMs: options.heartbeatInterval,
      rebalanceTimeoutMs: options.rebalanceTimeout,
      emit,
      append: options.append,
      inspect: options.inspect,
      settle: () => this.settle(),
      fetchOffsets: (request, ask) => this.positions.answer(request, ask),
      onSync: (partitions) => this.metadata.reveal(partitions),
      onLost: () => this.lost(),
      onRefused: (failure) => {
        this.lost()
        this.fail(failure)
      },
      reset: (topic, partition) => this.positions.reset({ topic, partition }),
      interruptPolls: () => this.routes.hurry(),
    })
    const { epoch, membership, stop } = this
    const { signal } = stop
    const { dispatcher, fromBeginning, seen: topics, readUncommitted } = options
    this.commits = new Commits({ epoch, membership, dispatcher, topics, emit })
    this.subscription = new Subscription({ subscribed: options.topics, cluster, clientId, topics, signal })
    this.metadata = new MetadataView({
      ...{ epoch, topics, subscription: this.subscription, emit },
      isJoining: () => membership.asking,
      // In order: handlers settle and commit before KafkaJS joins for it.
      onGrown: () => membership.grow(),
      onMissing: () => void this.positions.era++,
      onRecreated: (topic) => this.positions.restart(topic),
    })
    this.positions = new Positions({
      dispatcher,
      topics,
      fromBeginning,
      emit,
      signal,
      log: new LogEdges({
        ...{ clientId, readUncommitted },
        leaderOf: (partition) => this.reader.leaderOf(partition),
        linkTo: (nodeId) => this.routes.control(nodeId),
        refreshLeaders: () => this.refreshLeaders(),
      }),
      committedOf: (topic) => this.committedOf(topic),
      commit: (queue) => this.commits.commitPinned(queue),
      lookAtTopics: coalesced(() => this.metadata.identify()),
      onChange: () => this.placed(),
    })
  }

  /** Connects, subscribes, joins. Resolves when it is known where to read what the group gave; rejects with a ConnectionError by a deadline. */
  async open(): Promise<void> {
    const { fromBeginning, rebalanceTimeout, metadataMaxAge, commitIntervalMs, emit } = this.options
    const { consumer } = this.kafka
    const join = new Promise<void>((resolve, reject) => {
      this.joined = resolve
      this.crashed = reject
    })
    join.catch(() => {}) // it may end before anybody waits for it
    const given = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
    this.stop.signal.addEventListener('abort', () => this.crashed(this.stop.signal.reason), { once: true })
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (this.sealed) return
      this.assigned(payload.memberAssignment)
    })
    consumer.on(consumer.events.RECEIVED_UNSUBSCRIBED_TOPICS, ({ payload: { topicsNotSubscribed } }) => {
      if (!this.sealed) emit({ type: 'partitions.unread', epoch: this.epoch, topics: topicsNotSubscribed })
    })
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      // KafkaJS steps over a batch without messages by itself.
      const { assignment, from = 0n } = this.asked.get(`${topic}/${partition}`) ?? {}
      if (batchSize === 0 && !this.sealed)
        this.options.dispatcher.pass({ topic, partition }, from, lastOffset, assignment)
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.fail(fromKafkaJs(payload.error, this.options))
    })
    const connecting = async () => {
      try {
        await consumer.connect()
        await consumer.subscribe({ topics: [...(await this.subscription.resolve())], fromBeginning })
      } catch (error) {
        throw new ConnectionError(fromKafkaJs(error, this.options))
      }
    }
    const connectWithinMs = rebuildWithin(this.options.rebuildTimeoutMs, this.options.cluster.lateMs) + requestWithinMs
    await within(connecting(), connectWithinMs, 'KafkaJS did not connect and subscribe')
    const running = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: batchesAtOnce,
      eachBatch: async ({ batch, resolveOffset, isStale }) => {
        const last = batch.messages.at(-1)
        // Stale: fetched before a seek, so it is not what was asked for any more.
        if (this.sealed || isStale()) return
        const { assignment } = this.asked.get(`${batch.topic}/${batch.partition}`) ?? {}
        const room = this.options.dispatcher.offer(batch, BigInt(fetchedOffsetOf(batch)), assignment)
        if (!room) return pause(fencedPauseMs)
        // The position runs ahead of the mark: KafkaJS fetches on while the queue works.
        if (last) resolveOffset(last.offset)
        await room
      },
    })
    running.catch(this.crashed)
    const joinWithinMs = rebalanceTimeout + 10_000 // for each: what the group took is not taken from the look-up
    await within(Promise.race([given, join]), joinWithinMs, 'The group gave no assignment', 'join-timed-out')
    await within(join, joinWithinMs, 'The places to read from did not become known', 'join-timed-out')
    // Sealed at the very moment it joined: nobody would clear what begins here.
    if (this.sealed) return
    this.timers.push(setInterval(() => void this.commits.commit(requestWithinMs), commitIntervalMs))
    this.timers.push(setInterval(() => this.lookAtTopics(), metadataMaxAge))
  }

  /** True when the coordinator accepts this member's heartbeat, asked now; while it joins, when it knows the member. */
  async confirmed(withinMs: number): Promise<boolean> {
    const { joining } = this.membership
    const code = await this.membership.heartbeat(withinMs)
    // Its generation is over, or not there yet, and it is none but the member's own.
    if (code === errorCodes.illegalGeneration) return joining || this.membership.joining
    return code === errorCodes.none || code === errorCodes.rebalanceInProgress
  }

  /** Ends the assignment: handlers settle by `withinMs`, progress is committed. True when a handler had to be given up. */
  async drain(withinMs: number): Promise<boolean> {
    const forced = await this.options.dispatcher.close(withinMs)
    // The handlers' time is not the commit's: with none left for them, what they have done is committed all the same.
    await this.commits.commitAll(requestWithinMs)
    return forced
  }

  /** From here on nothing of this session's KafkaJS reaches a broker, and no batch of it is taken in. */
  seal(): void {
    if (this.sealed) return
    this.sealed = true
    for (const timer of this.timers) clearInterval(timer)
    this.kafka.endFetchers()
    this.options.emit({ type: 'session.sealed', epoch: this.epoch })
  }

  /** Commits what was handled under the old member and generation, although the session is sealed. */
  async salvage(withinMs: number): Promise<void> {
    const queues = this.options.dispatcher.uncommitted().length
    if (queues === 0 || !this.membership.joined) return
    await this.commits.commitAll(withinMs)
    this.options.emit({
      type: 'offsets.salvaged',
      epoch: this.epoch,
      partitions: queues - this.options.dispatcher.uncommitted().length,
    })
  }

  /** Leaves the group by the member's id; true when it is gone. Rejects with a ConnectionError when no coordinator answers. */
  leave(withinMs: number): Promise<boolean> {
    return this.membership.leave(withinMs)
  }

  /** Takes the member of an earlier life out of the group, so that nobody waits for it. True when it is gone. */
  evict(memberId: string, withinMs: number): Promise<boolean> {
    return this.membership.evict(memberId, withinMs)
  }

  /** Closes sockets and lets KafkaJS end. Resolves by `withinMs` at the latest. */
  async close(withinMs: number): Promise<void> {
    this.seal()
    this.membership.close()
    this.routes.close()
    this.stop.abort(closedError('This session'))
    await within(this.kafka.consumer.disconnect(), withinMs, 'KafkaJS did not end').catch(() => {})
    for (const wire of this.wires) wire.fail(closedError('This session'))
  }

  /** New partitions show when leaders are looked up; topics that an expression newly matches have to be looked for. */
  private lookAtTopics(): void {
    this.refreshLeaders()
    void this.metadata.look()
  }

  /** Looks the leaders up again; a failure shows in what is read, and comes to nothing here. */
  refreshLeaders(): void {
    this.kafka.refreshMetadata().catch(() => {})
  }

  private readonly socketFactory: ISocketFactory = ({ host, onConnect }) => {
    // KafkaJS takes a connection that it has made for a success, and would begin anew after each request that fails on it.
    if (this.stop.signal.aborted) throw closedError('This session')
    const nodeId = nodeOfName(host) ?? -1
    const wire: Wire = new Wire({
      onConnect,
      answer: async (request) => {
        if (this.sealed) throw closedError('This session')
        const answer = this.routes.answer(nodeId, request)
        return apiKeyOf(request) === apiKeys.fetch ? this.fetched.during(nodeId, answer) : answer
      },
      onEnd: () => this.wires.delete(wire),
    })
    this.wires.add(wire)
    return wire.socket
  }

  private assigned(partitions: Record<string, number[]>): void {
    const { emit, dispatcher } = this.options
    const { epoch, membership } = this
    this.fetched.clear()
    this.assignment = new Assignment(epoch, membership.generation, partitions)
    dispatcher.begin(this.assignment, this.reader)
    this.positions.begin(this.assignment)
    emit({ type: 'partitions.assigned', epoch, generation: membership.generation, partitions })
    this.placed()
  }

  private note(asked: readonly AskedPartition[]): void {
    for (const { topic, partition, from } of asked)
      this.asked.set(`${topic}/${partition}`, { assignment: this.assignment, from })
  }

  private async settle(): Promise<Assignment | undefined> {
    const { assignment } = this
    const { rebalanceTimeout, drainTimeoutMs } = this.options
    if (assignment) await this.drain(Math.min(drainTimeoutMs, rebalanceTimeout * 0.7))
    return assignment
  }

  /** It has ended by itself, or the group does not want it. */
  private fail(failure: Failure): void {
    this.crashed(new ConnectionError(failure))
    if (!this.sealed) this.options.emit({ type: 'session.failed', epoch: this.epoch, failure })
  }

  private lost(): void {
    const { assignment } = this
    if (!assignment) return
    const { epoch, generation, partitions } = assignment
    // At once: what replaces the session, and when, is decided elsewhere.
    const { dispatcher, drainTimeoutMs } = this.options
    if (dispatcher.assignment === assignment) void dispatcher.close(drainTimeoutMs)
    this.options.emit({ type: 'partitions.lost', epoch, generation, partitions })
  }

  /** The session has joined once all positions are known that can be: from then on nothing new is missed. */
  private placed(): void {
    const { assignment } = this
    if (!assignment?.open) return
    this.routes.wake()
    if (this.positions.complete) this.announce(assignment)
  }

  private async committedOf(topic: string): Promise<CommittedOffset[]> {
    const { groupId, clientId, seen } = this.options
    const frame = offsetFetchRequest(groupId, topic, seen.partitionsOf(topic), clientId)
    const patience = { withinMs: requestWithinMs, silenceMs: 1000 }
    return readOffsetFetch(await this.coordinator.send(frame, offsetFetchErrorOf, patience))
  }

  private announce(assignment: Assignment): void {
    // A member that was lost meanwhile is told as such: it has not joined, although it knows where to read.
    if (this.announced === assignment || this.sealed || this.membership.closed) return
    this.announced = assignment
    const { memberId, generation } = this.membership
    this.options.emit({ type: 'session.joined', epoch: this.epoch, memberId, generation })
    this.joined()
  }
}

const pause = (waitMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, waitMs))

/** KafkaJS's declaration of a batch leaves out where it was fetched from. */
const fetchedOffsetOf = (batch: Batch): string => (batch as Batch & { readonly fetchedOffset: string }).fetchedOffset
