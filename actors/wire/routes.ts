/**
 * The routes: where each request KafkaJS writes into a wire goes, and what of the answer KafkaJS sees.
 *
 * | request | goes to | KafkaJS sees |
 * |---|---|---|
 * | ApiVersions, FindCoordinator | nobody | the versions relisten reads; the coordinator as a node of its own |
 * | Metadata | any broker | constant names, no vanished nodes, no errors of single partitions |
 * | group requests | the coordinator, wherever it is | see membership.ts |
 * | Fetch | the node's own link | passing errors and a node out of reach as "nothing new" |
 * | anything else | the node's second link | the answer as it is |
 *
 * A broker reads one request per connection until it has answered it. While it holds a join or a sync on the second link, what must not
 * wait goes over a third one, which is closed when nothing is held any more.
 */

import { setMaxListeners } from 'node:events'
import type { Fact } from '../../machines/fact.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, closedError } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import type { Backlog } from '../delivery/backlog.ts'
import {
  apiVersionsAnswer,
  emptyFetchAnswer,
  type FetchedPartition,
  type FetchSummary,
  type FetchVersion,
  findCoordinatorAnswer,
  readFetch,
} from '../protocol/answers.ts'
import { type ClusterDescription, readMetadata, readTopicIds } from '../protocol/cluster-description.ts'
import { answerHeaderBytes, apiKeyOf, apiKeys, errorCodes } from '../protocol/frames.ts'
import {
  type AskedPartition,
  maxBytesOf,
  readFetchRequest,
  setMaxBytes,
  setMaxWait,
  topicIdsRequest,
  topicsAsked,
} from '../protocol/requests.ts'
import type { Viewed } from '../topics/metadata-view.ts'
import { Link } from './link.ts'

export interface RoutesOptions {
  readonly cluster: Cluster
  readonly dial: Dial
  readonly holdMs: number
  /** How long a node may be silent beyond what a request may take. Default 30,000 milliseconds. */
  readonly requestTimeoutMs?: number | undefined
  readonly maxWaitMs: number
  readonly fetchVersion: FetchVersion
  readonly clientId: string
  /** The node that leads the partition, as far as KafkaJS knows. */
  readonly leaderOf: (topic: string, partition: number) => number | undefined
  /** Keeps what fetches may bring within bounds. */
  readonly backlog: Backlog
  /** What was asked for in an earlier era is not wanted any more. */
  readonly era: () => unknown
  /** What a fetch asks for. */
  readonly onAsked: (asked: readonly AskedPartition[]) => void
  /** Of what a fetch brought, the partitions whose log was cut below what was read. Rejects with a ConnectionError where nobody can say. */
  readonly diverged: (partitions: readonly FetchedPartition[]) => Promise<readonly FetchedPartition[]>
  readonly emit: (fact: Fact) => void
  /** Answers group requests. */
  readonly group: (request: Buffer) => Promise<Buffer>
  /** Leaders have to be looked up again; resolves when KafkaJS knows them. */
  readonly refreshMetadata: () => Promise<void>
  /** What KafkaJS sees of the cluster, with the nodes it knows already. */
  readonly view: (description: ClusterDescription, nodes: readonly number[]) => Viewed
  readonly onFetched: (nodeId: number, summary: FetchSummary) => void
}

const groupRequests: ReadonlySet<number> = new Set([
  apiKeys.joinGroup,
  apiKeys.syncGroup,
  apiKeys.heartbeat,
  apiKeys.leaveGroup,
  apiKeys.offsetFetch,
  apiKeys.offsetCommit,
])

/** How long a request waits for an answer before its connection counts as suspect, beside what the broker may wait itself. */
const slackMs = 250
/** The first look-up for a partition without a leader, and those after it. */
const leaderless = { baseMs: 150, capMs: 500 }
const failedRoundMs = 20
/** A node whose answers show old leaders again and again, and nothing else, is asked so slowly at the least. */
const staleRoundMs = 100
/** While its replicas catch up with a new leader, a broker answers fetches at once and with nothing, a thousand times a second. */
const emptyRoundMs = 10

export class Routes {
  private readonly redialled = new Set<() => void>()
  private readonly options: RoutesOptions
  private readonly fetchLinks = new Map<number, Link>()
  private readonly controlLinks = new Map<number, Link>()
  /** Beside control links on which a request is held. */
  private readonly asideLinks = new Map<number, Link>()
  private readonly polls = new Set<() => void>()
  private readonly idlers = new Set<() => void>()
  private readonly pauses = new Set<() => void>()
  /** Nodes KafkaJS has asked for nothing since their last turn: they lead nothing that is read, or all of it is paused. */
  private readonly idle = new Set<number>()
  private readonly stop = new AbortController()
  private refreshTimer: NodeJS.Timeout | undefined
  private readonly leaderless = new Streak()
  private readonly unansweredMetadata = new Streak()
  /** By node: rounds of fetches in a row that failed, or were asked of the wrong node. */
  private readonly failedRounds = new Map<number, Streak>()

  constructor(options: RoutesOptions) {
    this.options = options
    // Each node's fetch may wait with it for room.
    setMaxListeners(0, this.stop.signal)
  }

  /**
   * Answers one request written into the wire of this node. A throttle time is kept by the connection it came over, and not shown: KafkaJS
   * would hold all requests of the wire for it, look-ups of leaders too, up to a time of the day's clock, which may be set back.
   */
  async answer(nodeId: number, request: Buffer): Promise<Buffer> {
    const answer = await this.routed(nodeId, request)
    if (apiKeyOf(request) !== apiKeys.apiVersions) answer.writeInt32BE(0, answerHeaderBytes)
    return answer
  }

  private async routed(nodeId: number, request: Buffer): Promise<Buffer> {
    const apiKey = apiKeyOf(request)
    if (groupRequests.has(apiKey)) return this.options.group(request)
    if (apiKey === apiKeys.fetch) return this.fetch(nodeId, request)
    if (apiKey === apiKeys.metadata) return this.metadata(request)
    if (apiKey === apiKeys.findCoordinator) return findCoordinatorAnswer().answer()
    if (apiKey === apiKeys.apiVersions) return apiVersionsAnswer(this.options.fetchVersion).answer()
    return this.control(nodeId).send(request, 1000)
  }

  /**
   * The link for all requests but fetches, whose long polls would hold these up. `mayBeHeld`: the broker may hold this one, and whatever
   * comes meanwhile goes past it.
   */
  control(nodeId: number, mayBeHeld = false): Link {
    const link = this.link(this.controlLinks, nodeId)
    return mayBeHeld || !link.holding ? link : this.link(this.asideLinks, nodeId)
  }

  /** The link a node's fetches use; undefined before the first. */
  fetchLink(nodeId: number): Link | undefined {
    return this.fetchLinks.get(nodeId)
  }

  /**
   * Resolves with true when every link in use is connected to where the book says its node is, and with false after
   * `withinMs`, or as soon as nobody waits for it. `isLeftOut` names nodes that do not count.
   */
  caughtUp(isLeftOut: (nodeId: number) => boolean, withinMs: number, signal?: AbortSignal): Promise<boolean> {
    const isBehind = (link: Link) => link.used && !link.current && !isLeftOut(link.nodeId)
    const isDone = () => !this.links().some(isBehind)
    return new Promise((resolve) => {
      const end = (caughtUp: boolean) => {
        clearTimeout(timer)
        this.redialled.delete(look)
        resolve(caughtUp)
      }
      const look = () => {
        if (isDone()) end(true)
      }
      const timer = setTimeout(() => end(isDone()), withinMs)
      this.redialled.add(look)
      signal?.addEventListener('abort', () => end(false), { once: true })
      look()
    })
  }

  /** Somebody who waits for links should look again: a node is left out now. */
  recheck(): void {
    for (const look of this.redialled) look()
  }

  /**
   * Resolves when KafkaJS should see what there is to fetch from this node. At once, unless the last time there was nothing: then at
   * the next `wake`, or after `maxWaitMs`. KafkaJS by itself sleeps for so long, and a new leader waits for the end of it.
   */
  async turn(nodeId: number): Promise<void> {
    if (this.idle.has(nodeId) && !this.stop.signal.aborted) await this.woken()
    this.idle.add(nodeId)
  }

  /** There may be something to fetch from nodes that had nothing: leaders are known anew, or reading goes on. */
  wake(): void {
    this.idle.clear()
    for (const end of this.idlers) end()
  }

  /** Ends all long polls now with "nothing new", so that KafkaJS looks at what else there is to do. */
  hurry(): void {
    for (const end of this.polls) end()
    this.wake()
  }

  /** Closes every link. From here on nothing of KafkaJS's reaches a broker. */
  close(): void {
    this.stop.abort(closedError('This session'))
    clearTimeout(this.refreshTimer)
    this.hurry()
    for (const end of this.pauses) end()
    for (const link of this.links()) link.close()
  }

  private links(): Link[] {
    return [this.fetchLinks, this.controlLinks, this.asideLinks].flatMap((links) => [...links.values()])
  }

  /** A link beside a held request ends with it, and not before what it was sent is answered. */
  private tidy(nodeId: number): void {
    const aside = this.asideLinks.get(nodeId)
    if (!aside?.idle || this.controlLinks.get(nodeId)?.holding) return
    this.asideLinks.delete(nodeId)
    aside.close()
  }

  private woken(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.idlers.delete(end)
        resolve()
      }
      const timer = setTimeout(end, this.options.maxWaitMs)
      this.idlers.add(end)
    })
  }

  private async fetch(nodeId: number, request: Buffer): Promise<Buffer> {
    const { maxWaitMs, backlog } = this.options
    this.idle.delete(nodeId)
    setMaxWait(request, maxWaitMs)
    let end = () => {}
    const hurried = new Promise<undefined>((resolve) => {
      end = () => resolve(undefined)
    })
    this.polls.add(end)
    const startedAt = performance.now()
    const { signal } = this.stop
    const nodes = this.fetchLinks.size
    const room = await Promise.race([backlog.reserve(maxBytesOf(request), nodes, maxWaitMs, signal), hurried])
    try {
      if (signal.aborted || !room) return emptyFetchAnswer().answer()
      setMaxBytes(request, room.bytes)
      const answer = await this.fetched(nodeId, request, hurried)
      if (!answer) return emptyFetchAnswer().answer()
      const restMs = emptyRoundMs - (performance.now() - startedAt)
      if (answer.recordBytes === 0 && restMs > 0) await Promise.race([this.pause(restMs), hurried])
      return answer.frame
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      await Promise.race([this.refreshed(nodeId, false), hurried])
      return emptyFetchAnswer().answer()
    } finally {
      room?.release()
      this.polls.delete(end)
    }
  }

  /** What a fetch brought, as KafkaJS may see it; undefined when it was ended early, or asked for in an era that is over. */
  private async fetched(
    nodeId: number,
    request: Buffer,
    hurried: Promise<undefined>,
  ): Promise<{ readonly frame: Buffer; readonly recordBytes: number } | undefined> {
    const { maxWaitMs, fetchVersion, leaderOf, onFetched, onAsked, era, diverged } = this.options
    const before = era()
    onAsked(readFetchRequest(request))
    const link = this.link(this.fetchLinks, nodeId)
    const frame = await Promise.race([link.send(request, maxWaitMs + slackMs), hurried])
    if (!frame || era() !== before) return undefined
    const summary = readFetch(frame, fetchVersion, nodeId, leaderOf)
    onFetched(nodeId, summary)
    // KafkaJS gives up the position of a partition that is out of range, and asks where to go on.
    const cut = await diverged(summary.partitions)
    if (era() !== before) return undefined
    for (const { errorAt } of cut) frame.writeInt16BE(errorCodes.offsetOutOfRange, errorAt)
    // Leaders moved: KafkaJS would rejoin the group for it, and ask again at once.
    if (summary.stale) await Promise.race([this.refreshed(nodeId, summary.recordBytes > 0), hurried])
    else this.failedRounds.get(nodeId)?.succeeded()
    return { frame, recordBytes: summary.recordBytes }
  }

  /** Looks leaders up again, for at least a moment and at most `maxWaitMs`; not again before the wait of this node's failed rounds is over. */
  private async refreshed(nodeId: number, hasRecords: boolean): Promise<void> {
    const { maxWaitMs, refreshMetadata } = this.options
    const streak = this.failedRounds.get(nodeId) ?? new Streak()
    this.failedRounds.set(nodeId, streak)
    if (streak.waitMs > 0) return this.pause(hasRecords ? failedRoundMs : Math.min(streak.waitMs, staleRoundMs))
    streak.failed(bounds.lookUp)
    const refreshed = refreshMetadata().catch(() => {})
    await Promise.race([Promise.all([refreshed, this.pause(failedRoundMs)]), this.pause(maxWaitMs)])
  }

  private async metadata(request: Buffer): Promise<Buffer> {
    const { cluster, holdMs, view } = this.options
    const end = performance.now() + holdMs
    for (;;) {
      try {
        const known = cluster.book.entries().map(({ nodeId }) => nodeId)
        const { answer, leaderless } = view(await this.describe(request), known)
        this.unansweredMetadata.succeeded()
        if (leaderless) this.refreshSoon()
        else this.leaderless.succeeded()
        return answer.answer()
      } catch (error) {
        if (!(error instanceof ConnectionError) || performance.now() > end || this.stop.signal.aborted) throw error
        if (this.unansweredMetadata.waitMs === 0) this.unansweredMetadata.failed(bounds.question)
        await this.pause(this.unansweredMetadata.waitMs)
      }
    }
  }

  /** Asks in the version whose answer has the ids of topics, where brokers speak it. */
  private async describe(request: Buffer): Promise<ClusterDescription> {
    const { cluster, clientId } = this.options
    const { signal } = this.stop
    if (!cluster.speaks(apiKeys.metadata, 11)) return readMetadata(await cluster.ask(Buffer.from(request), signal))
    const { topics, creates } = topicsAsked(request)
    return readTopicIds(await cluster.ask(topicIdsRequest(topics, creates, clientId), signal))
  }

  /** Until it succeeds: a partition without a leader is not fetched, so no fetch would ask for its leader again. */
  private refreshSoon(): void {
    if (this.refreshTimer || this.stop.signal.aborted) return
    this.leaderless.failed(leaderless)
    this.refreshTimer = setTimeout(() => {
      this.refreshTimer = undefined
      this.options.refreshMetadata().catch(() => this.refreshSoon())
    }, this.leaderless.waitMs)
  }

  /** Ends early when the session is closed: nothing of it is left then. */
  private pause(waitMs: number): Promise<void> {
    if (this.stop.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.pauses.delete(end)
        resolve()
      }
      const timer = setTimeout(end, waitMs)
      this.pauses.add(end)
    })
  }

  private link(links: Map<number, Link>, nodeId: number): Link {
    const { cluster, dial, holdMs, requestTimeoutMs, emit } = this.options
    let link = links.get(nodeId)
    if (!link) {
      link = new Link({
        nodeId,
        cluster,
        dial,
        holdMs,
        requestTimeoutMs,
        urgent: links === this.fetchLinks,
        onRedial: (redial) => emit({ type: 'link.reconnected', ...redial }),
        onCurrent: () => this.recheck(),
        onIdle: () => this.tidy(nodeId),
      })
      if (this.stop.signal.aborted) link.close()
      links.set(nodeId, link)
    }
    return link
  }
}
