/**
 * A session: one KafkaJS consumer on wires, with its group membership, under one epoch.
 *
 *   KafkaJS ── wires ── routes ── links ── brokers
 *      │                  └─ membership ── coordinator
 *      └── batches ── hand-out ── handlers
 */

import type { Fact, TopicPartition } from '../machines/fact.ts'
import { type CommittedOffset, nodeAddress, nodeOfName } from './answers.ts'
import type { Cluster } from './cluster.ts'
import { Commits } from './commits.ts'
import { ConnectionError, closedError } from './connection.ts'
import { Coordinator } from './coordinator.ts'
import type { Dial } from './dial.ts'
import { FetchRecord } from './fetch-record.ts'
import { answerHeaderBytes, errorCodes } from './frames.ts'
import { type HandOut, partitionsIn, type Reader } from './hand-out.ts'
import {
  calls,
  encodeCall,
  type ISocketFactory,
  type KafkaJsConsumer,
  type KafkaJsOptions,
  openKafkaJs,
} from './kafka.ts'
import { failureOf, within } from './kafkajs-call.ts'
import { Membership } from './membership.ts'
import { rebuildWithin } from './round-trip.ts'
import { Routes } from './routes.ts'
import { Tenure } from './tenure.ts'
import { Wire } from './wire.ts'

export interface SessionOptions
  extends Omit<KafkaJsOptions, 'nodeNames' | 'socketFactory' | 'heartbeatInterval' | 'beforeFetch' | 'onMetadata'> {
  readonly epoch: number
  readonly topics: readonly (string | RegExp)[]
  readonly fromBeginning: boolean
  readonly heartbeatInterval: number
  /** How long a broker may wait for something to send, in milliseconds (`fetch.max.wait.ms`). */
  readonly maxWaitTimeInMs: number
  /** How often topics are looked at for new partitions, in milliseconds (`metadata.max.age.ms`). */
  readonly metadataMaxAge: number
  readonly commitIntervalMs: number
  readonly drainTimeoutMs: number
  readonly rebuildTimeoutMs: number
  readonly requestTimeoutMs?: number | undefined
  readonly cluster: Cluster
  readonly dial: Dial
  readonly handOut: HandOut
  readonly emit: (fact: Fact) => void
}

/** KafkaJS asks its wire this often whether it has to rejoin, in milliseconds. No broker is asked. */
const kafkaJsHeartbeatMs = 50
/** Batches KafkaJS may hold at a time. Lanes limit what is worked; here nothing may wait for anything. */
const batchesAtOnce = 64
const requestWithinMs = 2000
/** KafkaJS fetches a batch that was turned down again at once; while a drain lasts, that would be a loop without a pause. */
const fencedPauseMs = 50
/** How often the commit of looked-up positions is tried before the session counts as joined without it. */
const pinAttempts = 5

export class Session {
  readonly epoch: number
  readonly coordinator: Coordinator
  readonly membership: Membership
  readonly routes: Routes
  readonly commits: Commits
  readonly fetched: FetchRecord
  private readonly options: SessionOptions
  private readonly kafka: KafkaJsConsumer
  private readonly wires = new Set<Wire>()
  private readonly stop = new AbortController()
  private readonly timers: NodeJS.Timeout[] = []
  private tenure: Tenure | undefined
  private announced: Tenure | undefined
  private unplaced: Set<string> = new Set()
  private joined = () => {}
  private sealed = false

  constructor(options: SessionOptions) {
    this.options = options
    this.epoch = options.epoch
    const { cluster, dial, emit, groupId, clientId } = options
    const isHeld = (partition: TopicPartition) => options.handOut.laneOf(partition).pausedBy.size > 0
    this.fetched = new FetchRecord(options.readUncommitted, isHeld)
    this.kafka = openKafkaJs({
      ...options,
      heartbeatInterval: kafkaJsHeartbeatMs,
      // A session that is closed has no node: it is the one answer that ends KafkaJS's attempts to connect.
      nodeNames: () =>
        this.stop.signal.aborted ? [] : cluster.book.entries().map(({ nodeId }) => nodeAddress(nodeId)),
      socketFactory: this.socketFactory,
      beforeFetch: (nodeId) => this.routes.turn(nodeId),
      onMetadata: () => this.routes.wake(),
    })
    this.routes = new Routes({
      cluster,
      dial,
      emit,
      holdMs: rebuildWithin(options.rebuildTimeoutMs, cluster.lateMs),
      requestTimeoutMs: options.requestTimeoutMs,
      maxWaitMs: options.maxWaitTimeInMs,
      fetchVersion: options.rackId === '' ? 10 : 11,
      isLeader: (nodeId, topic, partition) => this.leaderOf({ topic, partition }) === nodeId,
      group: (request) => this.membership.answer(request),
      refreshMetadata: () => this.kafka.refreshMetadata(),
      onFetched: (nodeId, summary) => this.fetched.note(nodeId, summary),
    })
    this.coordinator = new Coordinator({
      groupId,
      clientId,
      cluster,
      linkTo: (nodeId) => this.routes.control(nodeId),
      signal: this.stop.signal,
    })
    this.membership = new Membership({
      epoch: this.epoch,
      groupId,
      coordinator: this.coordinator,
      heartbeatIntervalMs: options.heartbeatInterval,
      rebalanceTimeoutMs: options.rebalanceTimeout,
      emit,
      settle: () => this.settle(),
      place: (committed) => this.place(committed),
      lost: () => this.lost(),
      reset: (topic, partition) => options.handOut.reset({ topic, partition }),
      hurry: () => this.routes.hurry(),
    })
    const { epoch, membership } = this
    this.commits = new Commits({ epoch, membership, handOut: options.handOut, emit })
  }

  /** Connects, subscribes, joins. Resolves when the group has given an assignment; rejects with a ConnectionError by its deadline. */
  async open(): Promise<void> {
    const { topics, fromBeginning, rebalanceTimeout, metadataMaxAge, commitIntervalMs, emit } = this.options
    const { consumer } = this.kafka
    let crashed = (_error: unknown) => {}
    const join = new Promise<void>((resolve, reject) => {
      this.joined = resolve
      crashed = reject
    })
    join.catch(() => {}) // it may end before anybody waits for it
    this.stop.signal.addEventListener('abort', () => crashed(this.stop.signal.reason), { once: true })
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (this.sealed) return
      this.assigned(payload.memberAssignment)
    })
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      // KafkaJS steps over a batch without messages by itself.
      if (batchSize === 0 && !this.sealed) this.options.handOut.pass({ topic, partition }, lastOffset, this.tenure)
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      const failure = failureOf(payload.error)
      crashed(new ConnectionError(failure))
      if (!this.sealed) emit({ type: 'session.failed', epoch: this.epoch, failure })
    })
    const connecting = async () => {
      await consumer.connect()
      await consumer.subscribe({ topics: [...topics], fromBeginning })
    }
    const rebuildWithinMs = rebuildWithin(this.options.rebuildTimeoutMs, this.options.cluster.lateMs)
    const connectWithinMs = rebuildWithinMs + requestWithinMs
    await within(connecting(), connectWithinMs, 'KafkaJS did not connect and subscribe')
    const running = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: batchesAtOnce,
      eachBatch: async ({ batch, resolveOffset, isStale }) => {
        const last = batch.messages.at(-1)
        // The position runs ahead of the mark: KafkaJS fetches on while the lane works.
        const { handOut } = this.options
        // Stale: fetched before a seek, so it is not what was asked for any more.
        if (this.sealed || isStale()) return
        if (!(await handOut.offer(batch, this.tenure))) await pause(fencedPauseMs)
        else if (last) resolveOffset(last.offset)
      },
    })
    running.catch(crashed)
    await within(join, rebalanceTimeout + 10_000, 'The group gave no assignment', 'join-timed-out')
    // Sealed at the very moment it joined: nobody would clear what begins here.
    if (this.sealed) return
    this.timers.push(setInterval(() => void this.commits.commit(requestWithinMs), commitIntervalMs))
    this.timers.push(setInterval(() => this.refreshLeaders(), metadataMaxAge))
  }

  /** True when the coordinator accepts this member's heartbeat, asked now. */
  async confirmed(withinMs: number): Promise<boolean> {
    const code = await this.membership.heartbeat(withinMs)
    return code === errorCodes.none || code === errorCodes.rebalanceInProgress
  }

  /** Ends the tenure: handlers settle by `withinMs`, progress is committed. True when a handler had to be given up. */
  async drain(withinMs: number): Promise<boolean> {
    const forced = await this.options.handOut.close(withinMs)
    await this.commits.commitAll(Math.min(withinMs, requestWithinMs))
    return forced
  }

  /** From here on nothing of this session's KafkaJS reaches a broker, and no batch of it is taken in. */
  seal(): void {
    if (this.sealed) return
    this.sealed = true
    for (const timer of this.timers) clearInterval(timer)
    this.kafka.freezeNodes()
    this.options.emit({ type: 'session.sealed', epoch: this.epoch })
  }

  /** Commits what was handled under the old member and generation, although the session is sealed. */
  async salvage(withinMs: number): Promise<void> {
    const lanes = this.options.handOut.uncommitted().length
    if (lanes === 0 || !this.membership.joined) return
    await this.commits.commitAll(withinMs)
    this.options.emit({
      type: 'offsets.salvaged',
      epoch: this.epoch,
      partitions: lanes - this.options.handOut.uncommitted().length,
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
    const ended = this.kafka.consumer.disconnect().catch(() => {})
    await within(ended, withinMs, 'KafkaJS did not end').catch(() => {})
    for (const wire of this.wires) wire.fail(closedError('This session'))
  }

  /** Looks the leaders up again; a failure shows in what is read, and comes to nothing here. */
  refreshLeaders(): void {
    this.kafka.refreshMetadata().catch(() => {})
  }

  /** The leader of a partition as KafkaJS knows it; once it has ended, which it may do by itself, it knows none. */
  leaderOf({ topic, partition }: TopicPartition): number | undefined {
    try {
      return this.kafka.leaderOf(topic, partition)
    } catch {
      return undefined
    }
  }

  private readonly socketFactory: ISocketFactory = ({ host, onConnect }) => {
    // KafkaJS takes a connection that it has made for a success, and would begin anew after each request that fails on it.
    if (this.stop.signal.aborted) throw closedError('This session')
    const nodeId = nodeOfName(host) ?? -1
    const wire: Wire = new Wire({
      onConnect,
      answer: async (request) => {
        if (this.sealed) throw closedError('This session')
        return this.routes.answer(nodeId, request)
      },
      onEnd: () => this.wires.delete(wire),
    })
    this.wires.add(wire)
    return wire.socket
  }

  private readonly reader: Reader = {
    pause: ({ topic, partition }) => ifRunning(() => this.kafka.consumer.pause([{ topic, partitions: [partition] }])),
    resume: ({ topic, partition }) => {
      ifRunning(() => this.kafka.consumer.resume([{ topic, partitions: [partition] }]))
      this.routes.wake()
    },
    seek: (where, offset) => ifRunning(() => this.kafka.consumer.seek({ ...where, offset })),
    offsetAt: (where, edge) => this.offsetAt(where, edge),
  }

  private assigned(partitions: Record<string, number[]>): void {
    const { emit, handOut } = this.options
    const { epoch } = this
    const { generation } = this.membership
    this.fetched.clear()
    this.tenure = new Tenure(epoch, generation, partitions)
    handOut.begin(this.tenure, this.reader)
    this.unplaced = new Set(partitionsIn(partitions).map(({ topic, partition }) => `${topic}/${partition}`))
    emit({ type: 'partitions.assigned', epoch, generation, partitions })
    if (this.unplaced.size === 0) this.announce(this.tenure)
  }

  private async settle(): Promise<void> {
    const { tenure } = this
    if (!tenure) return
    const { rebalanceTimeout, drainTimeoutMs, emit } = this.options
    await this.drain(Math.min(drainTimeoutMs, rebalanceTimeout * 0.7))
    const { epoch, generation, partitions } = tenure
    emit({ type: 'partitions.revoked', epoch, generation, partitions })
  }

  private lost(): void {
    const { tenure } = this
    if (!tenure) return
    const { epoch, generation, partitions } = tenure
    this.options.emit({ type: 'partitions.lost', epoch, generation, partitions })
  }

  /** Positions of an assignment. The session has joined once all of them are known: from then on nothing new is missed. */
  private async place(committed: readonly CommittedOffset[]): Promise<void> {
    const { tenure } = this
    const pinned = await this.options.handOut.place(committed, this.reader)
    // Durable before it is joined: the next owner would otherwise begin at a later end, and miss what came between.
    for (let attempt = 0; pinned && tenure?.open && attempt < pinAttempts; attempt++) {
      await this.commits.commitAll(requestWithinMs)
      if (this.options.handOut.uncommitted().length === 0) break
    }
    if (!tenure?.open) return
    for (const { topic, partition } of committed) this.unplaced.delete(`${topic}/${partition}`)
    if (this.unplaced.size === 0 && tenure === this.tenure) this.announce(tenure)
  }

  private announce(tenure: Tenure): void {
    if (this.announced === tenure || this.sealed) return
    this.announced = tenure
    const { memberId, generation } = this.membership
    this.options.emit({ type: 'session.joined', epoch: this.epoch, memberId, generation })
    this.joined()
  }

  private async offsetAt({ topic, partition }: TopicPartition, edge: 'start' | 'end'): Promise<bigint> {
    const leader = this.leaderOf({ topic, partition })
    if (leader === undefined) throw noOffset(`${topic}/${partition} has no leader`)
    const call = calls.listOffsets(
      [{ topic, partitions: [{ partition, timestamp: edge === 'start' ? -2 : -1 }] }],
      this.options.readUncommitted,
    )
    const answer = await this.routes
      .control(leader)
      .send(await encodeCall(call, this.options.clientId), requestWithinMs)
    const found = (await call.decode(answer.subarray(answerHeaderBytes))).responses[0]?.partitions[0]
    if (!found || found.errorCode !== errorCodes.none) {
      throw noOffset(`asking for the ${edge} of ${topic}/${partition} gave error ${found?.errorCode}`)
    }
    return BigInt(found.offset)
  }
}

/** KafkaJS refuses these calls once it has ended. The hand-out remembers them, and the next session begins with what it says. */
function ifRunning(call: () => void): void {
  try {
    call()
  } catch {}
}

const pause = (waitMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, waitMs))

const noOffset = (message: string): ConnectionError => new ConnectionError({ kind: 'unreachable', message })
