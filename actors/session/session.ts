/**
 * A session: one KafkaJS consumer on wires, with its group membership, under one epoch.
 *
 *   runner (KafkaJS) ── wires ── routes ── links ── brokers
 *      │                           └─ membership ── coordinator
 *      └── batches ── dispatcher ── handlers
 */

import type { InspectionEvent } from 'xstate'
import type { TopicPartition } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Append } from '../../machines/recorded.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, closedError } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { rebuildWithin } from '../connection/round-trip.ts'
import { StartPositions } from '../delivery/start-positions.ts'
import { Commits } from '../group/commits.ts'
import { Coordinator } from '../group/coordinator.ts'
import { Membership, type MembershipOptions } from '../group/membership.ts'
import { superseded } from '../group/superseded.ts'
import { errorCodes } from '../protocol/frames.ts'
import { nodeAddress } from '../protocol/node-names.ts'
import { within } from '../time/deadline.ts'
import { MetadataView } from '../topics/metadata-view.ts'
import { Subscription } from '../topics/subscription.ts'
import type { Topics } from '../topics/topics.ts'
import { LogOffsets } from '../wire/log-offsets.ts'
import { Routes } from '../wire/routes.ts'
import { FetchRecord } from './fetch-record.ts'
import type { RebalanceCallbacks } from './rebalance-callback.ts'
import { RebalanceListener } from './rebalance-listener.ts'
import { Runner, type RunnerSettings } from './runner.ts'
import { watch } from './watchdog.ts'

export interface SessionOptions extends RunnerSettings, Pick<MembershipOptions, 'groupInstanceId' | 'members'> {
  readonly heartbeatInterval: number
  /** How long a broker may wait for something to send, in milliseconds (`fetch.max.wait.ms`). */
  readonly maxWaitTimeInMs: number
  readonly commitIntervalMs: number
  readonly drainTimeoutMs: number
  readonly rebuildTimeoutMs: number
  readonly requestTimeoutMs?: number | undefined
  readonly cluster: Cluster
  readonly dial: Dial
  /** What this process knows of the group's topics. */
  readonly seen: Topics
  readonly callbacks: RebalanceCallbacks
  /** Records the steps of the membership's machine. */
  readonly append: Append
  readonly inspect?: ((event: InspectionEvent) => void) | undefined
}

const requestWithinMs = 2000

export class Session {
  readonly epoch: number
  readonly membership: Membership
  readonly routes: Routes
  readonly fetched: FetchRecord
  readonly runner: Runner
  private readonly coordinator: Coordinator
  readonly commits: Commits
  private readonly positions: StartPositions
  private readonly metadata: MetadataView
  private readonly subscription: Subscription
  private readonly listener: RebalanceListener
  private readonly options: SessionOptions
  private readonly stop = new AbortController()
  private readonly atSeal: (() => void)[] = []
  private given = () => {}
  private joined = () => {}
  private crashed = (_error: unknown) => {}

  constructor(options: SessionOptions) {
    this.options = options
    this.epoch = options.epoch
    const { epoch, cluster, dial, emit, groupId, clientId, dispatcher, seen: topics } = options
    const { fromBeginning, readUncommitted, groupInstanceId, members } = options
    const { signal } = this.stop
    const isHeld = (partition: TopicPartition) => dispatcher.queueOf(partition).pausedBy.size > 0
    this.fetched = new FetchRecord(readUncommitted, isHeld)
    // KafkaJS sees routes, and routes see KafkaJS: what is built later is asked for when it is needed.
    this.runner = new Runner({
      ...options,
      nodeNames: () => cluster.book.entries().map(({ nodeId }) => nodeAddress(nodeId)),
      fetched: this.fetched,
      answer: (nodeId, request) => this.routes.answer(nodeId, request),
      beforeFetch: (nodeId) => this.routes.awaitFetchTurn(nodeId),
      mustRejoin: () => this.membership.rejoining,
      onMetadata: () => {
        this.routes.wakeup()
        this.positions.validation.lookAtAll()
      },
      wake: () => this.routes.wakeup(),
      onAssigned: (partitions) => {
        this.listener.onPartitionsAssigned(partitions)
        this.given()
      },
      onCrash: (failure) => this.fail(failure),
    })
    const { runner } = this
    const identify = () => this.metadata.identify()
    this.positions = new StartPositions({
      ...{ dispatcher, topics, fromBeginning, emit, signal },
      log: new LogOffsets({
        ...{ clientId, readUncommitted },
        leaderOf: (partition) => runner.leaderOf(partition),
        linkTo: (nodeId) => this.routes.links.controlLink(nodeId),
        refreshLeaders: () => this.refreshLeaders(),
      }),
      leaderEpochOf: (partition) => this.metadata.leaderEpochOf(partition),
      committedOf: (topic) => this.coordinator.committedOf(topic, topics.partitionsOf(topic)),
      commit: (queue) => this.commits.commitReset(queue),
      lookAtTopics: identify,
      onChange: () => this.listener.onPositions(),
    })
    const { positions } = this
    this.routes = new Routes({
      ...{ cluster, dial, emit, clientId, identify },
      holdMs: rebuildWithin(options.rebuildTimeoutMs, cluster.lateMs),
      requestTimeoutMs: options.requestTimeoutMs,
      maxWaitMs: options.maxWaitTimeInMs,
      fetchVersion: options.rackId === '' ? 10 : 11,
      leaderOf: (topic, partition) => runner.leaderOf({ topic, partition }),
      prefetchBudget: dispatcher.prefetchBudget,
      era: () => positions.era,
      onAsked: (asked) => runner.note(asked, this.listener.assignment),
      diverged: (partitions) => positions.validation.diverged(partitions),
      group: (request) => this.membership.answer(request),
      refreshMetadata: () => runner.refreshMetadata(),
      view: (description, nodes) => this.metadata.view(description, nodes),
      onFetched: (nodeId, summary) => this.fetched.note(nodeId, summary),
    })
    this.listener = new RebalanceListener({
      ...{ epoch, runner, dispatcher, positions, emit, callbacks: options.callbacks },
      fetched: this.fetched,
      membership: () => this.membership,
      settleTimeoutMs: Math.min(options.drainTimeoutMs, options.rebalanceTimeout * 0.7),
      drainTimeoutMs: options.drainTimeoutMs,
      drain: (withinMs) => this.drain(withinMs),
      wake: () => this.routes.wakeup(),
      onJoined: () => this.joined(),
      onFailed: (failure) => this.fail(failure),
    })
    this.coordinator = new Coordinator({
      ...{ groupId, clientId, cluster, signal },
      linkTo: (nodeId, mayBeHeld) => this.routes.links.controlLink(nodeId, mayBeHeld),
    })
    this.membership = new Membership({
      ...{ epoch, groupId, groupInstanceId, members, emit, coordinator: this.coordinator },
      heartbeatIntervalMs: options.heartbeatInterval,
      rebalanceTimeoutMs: options.rebalanceTimeout,
      append: options.append,
      inspect: options.inspect,
      settle: () => this.listener.onPartitionsRevoked(),
      fetchOffsets: (request, ask) => positions.answer(request, ask),
      onSync: (partitions) => this.metadata.reveal(partitions),
      isAllGiven: (given) => this.metadata.isAllGiven(given),
      onLost: () => this.listener.onPartitionsLost(),
      onRefused: (failure) => {
        this.listener.onPartitionsLost()
        this.fail(failure)
      },
      reset: (topic, partition) => positions.reset({ topic, partition }),
      interruptPolls: () => this.routes.interruptPolls(),
    })
    const { membership } = this
    this.commits = new Commits({ epoch, membership, dispatcher, topics, emit })
    this.subscription = new Subscription({ subscribed: options.topics, cluster, clientId, topics, signal })
    this.metadata = new MetadataView({
      ...{ epoch, topics, subscription: this.subscription, emit },
      isJoining: () => membership.asking,
      // In order: handlers settle and commit before KafkaJS joins for it.
      onGrown: () => membership.grow(),
      onMissing: () => void positions.era++,
      onRecreated: (topic) => positions.restart(topic),
    })
  }

  /** Connects, subscribes, joins. Resolves when it is known where to read what the group gave; rejects with a ConnectionError by a deadline. */
  async open(): Promise<void> {
    const { rebalanceTimeout, metadataMaxAge, commitIntervalMs, emit, dispatcher, maxWaitTimeInMs } = this.options
    const { runner, subscription } = this
    const join = new Promise<void>((resolve, reject) => {
      this.joined = resolve
      this.crashed = reject
    })
    join.catch(() => {}) // it may end before anybody waits for it
    const given = new Promise<void>((resolve) => {
      this.given = resolve
    })
    this.stop.signal.addEventListener('abort', () => this.crashed(this.stop.signal.reason), { once: true })
    const connectWithinMs = rebuildWithin(this.options.rebuildTimeoutMs, this.options.cluster.lateMs) + requestWithinMs
    await within(runner.connect(subscription), connectWithinMs, 'KafkaJS did not connect and subscribe')
    runner.run().catch(this.crashed)
    const joinWithinMs = rebalanceTimeout + 10_000 // for each: what the group took is not taken from the look-up
    await within(Promise.race([given, join]), joinWithinMs, 'The group gave no assignment', 'join-timed-out')
    await within(join, joinWithinMs, 'The places to read from did not become known', 'join-timed-out')
    // Sealed at the very moment it joined: nobody would end what begins here.
    if (runner.sealed) return
    const timers = [
      setInterval(() => void this.commits.commit(requestWithinMs), commitIntervalMs),
      setInterval(() => this.lookAtTopics(), metadataMaxAge),
    ]
    const unwatch = watch({ session: this, dispatcher, emit, maxWaitMs: maxWaitTimeInMs })
    this.atSeal.push(unwatch, ...timers.map((timer) => () => clearInterval(timer)))
  }

  /** True when every link in use is where the book says; false when one is not by `withinMs`, or at once when `signal` aborts. */
  caughtUp(isLeftOut: (nodeId: number) => boolean, withinMs: number, signal: AbortSignal): Promise<boolean> {
    return this.routes.links.caughtUp(isLeftOut, withinMs, signal)
  }

  /** Another node is left out now: whoever waits for the links looks again. */
  recheck(): void {
    this.routes.links.recheck()
  }

  /** True when the coordinator accepts this member's heartbeat, asked now; while it joins, when it knows the member. */
  async confirmed(withinMs: number): Promise<boolean> {
    const { joining } = this.membership
    const code = await this.membership.heartbeat(withinMs)
    // Its generation is over, or not there yet, and it is none but the member's own.
    if (code === errorCodes.illegalGeneration) return joining || this.membership.joining
    return code === errorCodes.none || code === errorCodes.rebalanceInProgress
  }

  /** The longest time any partition went without an answer, in milliseconds, since this was last asked. */
  takeLongestGap(): number {
    return this.fetched.takeLongestGap()
  }

  /** Commits everything handled until now, where marks are committed by themselves, and what was named. Never rejects. */
  commit(withinMs: number): Promise<void> {
    return this.commits.commitAll(withinMs)
  }

  /** Ends the assignment: handlers settle by `withinMs`, the user is told, progress is committed. True when a handler had to be given up. */
  async drain(withinMs: number): Promise<boolean> {
    const forced = await this.options.dispatcher.close(withinMs)
    await this.revoke()
    // The handlers' time is not the commit's: with none left for them, what they have done is committed all the same.
    await this.commit(requestWithinMs)
    return forced
  }

  /** The user is told that the assignment ends, once; resolves when that has been heard, or by `withinMs`. */
  revoke(withinMs?: number): Promise<unknown> {
    return this.listener.revoke(withinMs)
  }

  /** From here on nothing of this session's KafkaJS reaches a broker, and no batch of it is taken in. */
  seal(): void {
    if (this.runner.sealed) return
    for (const end of this.atSeal) end()
    this.runner.seal()
    this.options.emit({ type: 'session.fenced', epoch: this.epoch })
  }

  /** Commits what was handled under the old member and generation, although the session is sealed. */
  async salvage(withinMs: number): Promise<void> {
    const { dispatcher, emit } = this.options
    const queues = dispatcher.commitsMarks ? dispatcher.uncommitted().length : 0
    if (queues === 0 || !this.membership.joined) return
    await this.commit(withinMs)
    emit({ type: 'offsets.salvaged', epoch: this.epoch, partitions: queues - dispatcher.uncommitted().length })
  }

  /** Leaves the group by the member's id; true when it is gone. Rejects with a ConnectionError when no coordinator answers. */
  leave(withinMs: number): Promise<boolean> {
    return this.membership.leave(withinMs)
  }

  /** Takes another member of ours out of the group, so that nobody waits for it. True when it is gone. */
  evict(memberId: string, withinMs: number): Promise<boolean> {
    return this.membership.evict(memberId, withinMs)
  }

  /** Closes sockets and lets KafkaJS end. Resolves by `withinMs` at the latest. */
  async close(withinMs: number): Promise<void> {
    this.seal()
    this.membership.close()
    this.routes.close()
    this.stop.abort(closedError('This session'))
    await this.runner.close(withinMs)
  }

  /** Looks the leaders up again; a failure shows in what is read, and is ignored here. */
  refreshLeaders(): void {
    this.runner.refreshMetadata().catch(() => {})
  }

  /** New partitions show when leaders are looked up; topics that an expression newly matches have to be looked for. */
  private lookAtTopics(): void {
    this.refreshLeaders()
    void this.metadata.look()
  }

  /** It has ended by itself, or the group does not want it. */
  private fail(failure: Failure): void {
    this.crashed(new ConnectionError(failure))
    const { epoch, membership } = this
    if (this.runner.sealed) return
    if (failure.code !== superseded) this.options.emit({ type: 'session.failed', epoch, failure })
    else this.options.emit({ type: 'member.superseded', epoch, memberId: membership.memberId, failure })
  }
}
