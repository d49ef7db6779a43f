/**
 * A session: one KafkaJS consumer on wires, with its group membership, under one epoch.
 *
 *   runner (KafkaJS) ── wires ── routes ── links ── brokers
 *      │                           └─ membership ── coordinator
 *      └── batches ── dispatcher ── handlers
 */

import type { InspectionEvent } from 'xstate'
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
import { nodeAddress } from '../protocol/node-names.ts'
import { within } from '../time/deadline.ts'
import { MetadataView } from '../topics/metadata-view.ts'
import { Subscription } from '../topics/subscription.ts'
import type { Topics } from '../topics/topics.ts'
import { LogOffsets } from '../wire/log-offsets.ts'
import { Routes } from '../wire/routes.ts'
import { FetchRecord } from './fetch-record.ts'
import { LogEnds } from './log-ends.ts'
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
  readonly ends: LogEnds
  readonly runner: Runner
  readonly commits: Commits
  private readonly metadata: MetadataView
  private readonly subscription: Subscription
  private readonly listener: RebalanceListener
  private readonly options: SessionOptions
  private readonly stop = new AbortController()
  private readonly atFence: (() => void)[] = []
  private given = () => {}
  private joined = () => {}
  private crashed = (_error: unknown) => {}

  constructor(options: SessionOptions) {
    this.options = options
    this.epoch = options.epoch
    const { epoch, cluster, dial, emit, groupId, clientId, dispatcher, seen: topics, drainTimeoutMs } = options
    const { fromBeginning, readUncommitted, groupInstanceId, members, callbacks } = options
    const { signal } = this.stop
    // The group side first. KafkaJS sees routes, and routes see KafkaJS: what is built further down is asked for when it is needed.
    const coordinator = new Coordinator({
      ...{ groupId, clientId, cluster, signal },
      linkTo: (nodeId, mayBeHeld) => routes.links.controlLink(nodeId, mayBeHeld),
    })
    const membership = new Membership({
      ...{ epoch, groupId, groupInstanceId, members, emit, coordinator },
      heartbeatIntervalMs: options.heartbeatInterval,
      rebalanceTimeoutMs: options.rebalanceTimeout,
      append: options.append,
      inspect: options.inspect,
      settle: () => listener.onPartitionsRevoked(),
      fetchOffsets: (request, ask) => positions.answer(request, ask),
      onSync: (partitions) => metadata.reveal(partitions),
      isAllGiven: (given) => metadata.isAllGiven(given),
      onLost: () => listener.onPartitionsLost(),
      onRefused: (failure) => {
        listener.onPartitionsLost()
        this.fail(failure)
      },
      reset: (topic, partition) => positions.reset({ topic, partition }),
      interruptPolls: () => routes.interruptPolls(),
    })
    const commits = new Commits({ epoch, membership, dispatcher, topics, emit })
    const subscription = new Subscription({ subscribed: options.topics, cluster, clientId, topics, signal })
    const metadata = new MetadataView({
      ...{ epoch, topics, subscription, emit },
      isJoining: () => membership.asking,
      // In order: handlers settle and commit before KafkaJS joins for it.
      onGrown: () => membership.grow(),
      onMissing: () => void positions.era++,
      onRecreated: (topic) => positions.restart(topic),
    })
    const fetched = new FetchRecord(readUncommitted, (partition) => dispatcher.queueOf(partition).pausedBy.size > 0)
    const runner = new Runner({
      ...{ ...options, fetched },
      nodeNames: () => cluster.book.entries().map(({ nodeId }) => nodeAddress(nodeId)),
      answer: (nodeId, request) => routes.answer(nodeId, request),
      unseen: () => metadata.unseen,
      beforeFetch: (nodeId) => routes.awaitFetchTurn(nodeId),
      mustRejoin: () => membership.rejoining,
      onMetadata: () => {
        routes.wakeup()
        positions.validation.lookAtAll()
      },
      wake: () => routes.wakeup(),
      onAssigned: (partitions) => {
        listener.onPartitionsAssigned(partitions)
        this.given()
      },
      // Once its member has left, or is told as lost or refused, KafkaJS ends because it is turned away: that is no failure of its own.
      onCrash: (failure) => {
        if (membership.closed) this.crashed(new ConnectionError(failure))
        else this.fail(failure)
      },
    })
    const log = new LogOffsets({
      ...{ clientId, readUncommitted },
      leaderOf: (partition) => runner.leaderOf(partition),
      linkTo: (nodeId) => routes.links.controlLink(nodeId),
      refreshLeaders: () => this.refreshLeaders(),
    })
    const positions: StartPositions = new StartPositions({
      ...{ dispatcher, topics, fromBeginning, emit, signal, log },
      leaderEpochOf: (partition) => metadata.leaderEpochOf(partition),
      committedOf: (topic) => coordinator.committedOf(topic, topics.partitionsOf(topic)),
      commit: (queue) => commits.commitReset(queue),
      lookAtTopics: () => metadata.identify(),
      onChange: () => listener.onPositions(),
    })
    const routes: Routes = new Routes({
      ...{ cluster, dial, emit, clientId },
      holdMs: rebuildWithin(options.rebuildTimeoutMs, cluster.lateMs),
      requestTimeoutMs: options.requestTimeoutMs,
      maxWaitMs: options.maxWaitTimeInMs,
      fetchVersion: options.rackId === '' ? 10 : 11,
      leaderOf: (topic, partition) => runner.leaderOf({ topic, partition }),
      prefetchBudget: dispatcher.prefetchBudget,
      era: () => positions.era,
      identify: () => metadata.identify(),
      onAsked: (asked) => runner.note(asked, listener.assignment),
      diverged: (partitions) => positions.validation.diverged(partitions),
      group: (request) => membership.answer(request),
      refreshMetadata: () => runner.refreshMetadata(),
      view: (description, nodes) => metadata.view(description, nodes),
      onFetched: (nodeId, summary) => fetched.note(nodeId, summary),
    })
    const listener: RebalanceListener = new RebalanceListener({
      ...{ epoch, runner, dispatcher, positions, fetched, membership, callbacks, emit, drainTimeoutMs },
      settleTimeoutMs: Math.min(drainTimeoutMs, options.rebalanceTimeout * 0.7),
      drain: (withinMs) => this.drain(withinMs),
      wake: () => routes.wakeup(),
      onJoined: () => this.joined(),
      onFailed: (failure) => this.fail(failure),
    })
    this.membership = membership
    this.commits = commits
    this.subscription = subscription
    this.metadata = metadata
    this.fetched = fetched
    this.ends = new LogEnds({ fetched, log, assigned: () => dispatcher.assigned() })
    this.runner = runner
    this.routes = routes
    this.listener = listener
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
    // KafkaJS never says that a connect was cut short by a disconnect.
    const connected = Promise.race([runner.connect(subscription), join])
    await within(connected, connectWithinMs, 'KafkaJS did not connect and subscribe')
    runner.run().catch(this.crashed)
    const joinWithinMs = rebalanceTimeout + 10_000 // for each: what the group took is not taken from the look-up
    await within(Promise.race([given, join]), joinWithinMs, 'The group gave no assignment', 'join-timed-out')
    await within(join, joinWithinMs, 'The places to read from did not become known', 'join-timed-out')
    // Fenced at the very moment it joined: nobody would end what begins here.
    if (runner.fenced) return
    const timers = [
      setInterval(() => void this.commits.commit(requestWithinMs), commitIntervalMs),
      setInterval(() => this.lookAtTopics(), metadataMaxAge),
    ]
    const unwatch = watch({ session: this, dispatcher, emit, maxWaitMs: maxWaitTimeInMs })
    this.atFence.push(unwatch, ...timers.map((timer) => () => clearInterval(timer)))
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
  fence(): void {
    if (this.runner.fenced) return
    for (const end of this.atFence) end()
    this.runner.fence()
    this.options.emit({ type: 'session.fenced', epoch: this.epoch })
  }

  /** Commits what was handled under the old member and generation, although the session is fenced. */
  async salvage(withinMs: number): Promise<void> {
    const { dispatcher, emit } = this.options
    const queues = dispatcher.commitsMarks ? dispatcher.uncommitted().length : 0
    if (queues === 0 || !this.membership.joined) return
    await this.commit(withinMs)
    emit({ type: 'offsets.salvaged', epoch: this.epoch, partitions: queues - dispatcher.uncommitted().length })
  }

  /** Closes sockets and lets KafkaJS end. Resolves by `withinMs` at the latest. */
  async close(withinMs: number): Promise<void> {
    this.fence()
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
    const { epoch, membership, runner } = this
    if (runner.fenced) return
    if (failure.code !== superseded) this.options.emit({ type: 'session.failed', epoch, failure })
    else this.options.emit({ type: 'member.superseded', epoch, memberId: membership.memberId, failure })
  }
}
