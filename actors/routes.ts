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
 */

import type { Fact } from '../machines/fact.ts'
import {
  apiVersionsAnswer,
  emptyFetchAnswer,
  type FetchSummary,
  type FetchVersion,
  findCoordinatorAnswer,
  hideMetadata,
  readFetch,
} from './answers.ts'
import type { Cluster } from './cluster.ts'
import { ConnectionError, closedError } from './connection.ts'
import type { Dial } from './dial.ts'
import { apiKeyOf, apiKeys } from './frames.ts'
import { Link } from './link.ts'
import { setMaxWait } from './requests.ts'

export interface RoutesOptions {
  readonly cluster: Cluster
  readonly dial: Dial
  readonly holdMs: number
  /** How long a node may be silent beyond what a request may take. Default 30,000 milliseconds. */
  readonly requestTimeoutMs?: number | undefined
  readonly maxWaitMs: number
  readonly fetchVersion: FetchVersion
  /** Whether this node leads the partition, as far as KafkaJS knows. */
  readonly isLeader: (nodeId: number, topic: string, partition: number) => boolean
  readonly emit: (fact: Fact) => void
  /** Answers group requests. */
  readonly group: (request: Buffer) => Promise<Buffer>
  /** Leaders have to be looked up again; resolves when KafkaJS knows them. */
  readonly refreshMetadata: () => Promise<void>
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
const leaderlessPauseMs = 100
const failedRoundMs = 20
/** While its replicas catch up with a new leader, a broker answers fetches at once and with nothing, a thousand times a second. */
const emptyRoundMs = 10

export class Routes {
  private readonly redialled = new Set<() => void>()
  private readonly options: RoutesOptions
  private readonly fetchLinks = new Map<number, Link>()
  private readonly controlLinks = new Map<number, Link>()
  private readonly polls = new Set<() => void>()
  private readonly idlers = new Set<() => void>()
  /** Nodes KafkaJS has asked for nothing since their last turn: they lead nothing that is read, or all of it is paused. */
  private readonly idle = new Set<number>()
  private readonly stop = new AbortController()
  private refreshTimer: NodeJS.Timeout | undefined

  constructor(options: RoutesOptions) {
    this.options = options
  }

  /** Answers one request written into the wire of this node. */
  async answer(nodeId: number, request: Buffer): Promise<Buffer> {
    const apiKey = apiKeyOf(request)
    if (groupRequests.has(apiKey)) return this.options.group(request)
    if (apiKey === apiKeys.fetch) return this.fetch(nodeId, request)
    if (apiKey === apiKeys.metadata) return this.metadata(request)
    if (apiKey === apiKeys.findCoordinator) return findCoordinatorAnswer().answer()
    if (apiKey === apiKeys.apiVersions) return apiVersionsAnswer(this.options.fetchVersion).answer()
    return this.control(nodeId).send(request, 1000)
  }

  /** The link for requests that are answered at once. Long polls have a link of their own: they would hold these up. */
  control(nodeId: number): Link {
    return this.link(this.controlLinks, nodeId)
  }

  /** The link a node's fetches use; undefined before the first. */
  fetchLink(nodeId: number): Link | undefined {
    return this.fetchLinks.get(nodeId)
  }

  /**
   * Resolves with true when every link in use is connected to where the book says its node is, and with false after
   * `withinMs`. `isLeftOut` names nodes that do not count.
   */
  caughtUp(isLeftOut: (nodeId: number) => boolean, withinMs: number): Promise<boolean> {
    const isBehind = (link: Link) => link.used && !link.current && !isLeftOut(link.nodeId)
    const isDone = () => ![...this.fetchLinks.values(), ...this.controlLinks.values()].some(isBehind)
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
    for (const link of [...this.fetchLinks.values(), ...this.controlLinks.values()]) link.close()
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
    const { maxWaitMs, fetchVersion, isLeader, onFetched } = this.options
    this.idle.delete(nodeId)
    setMaxWait(request, maxWaitMs)
    let end = () => {}
    const hurried = new Promise<undefined>((resolve) => {
      end = () => resolve(undefined)
    })
    this.polls.add(end)
    const startedAt = performance.now()
    try {
      if (this.stop.signal.aborted) return emptyFetchAnswer().answer()
      const answer = await Promise.race([
        this.link(this.fetchLinks, nodeId).send(request, maxWaitMs + slackMs),
        hurried,
      ])
      if (!answer) return emptyFetchAnswer().answer()
      const summary = readFetch(answer, fetchVersion, (topic, partition) => isLeader(nodeId, topic, partition))
      onFetched(nodeId, summary)
      // Leaders moved: KafkaJS would rejoin the group for it, and ask again at once.
      if (summary.stale) await Promise.race([this.refreshed(maxWaitMs), hurried])
      const restMs = emptyRoundMs - (performance.now() - startedAt)
      if (summary.recordBytes === 0 && restMs > 0) await Promise.race([pause(restMs), hurried])
      return answer
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      await Promise.race([this.refreshed(maxWaitMs), hurried])
      return emptyFetchAnswer().answer()
    } finally {
      this.polls.delete(end)
    }
  }

  /** Looks leaders up again, for at least a moment and at most `withinMs`. */
  private async refreshed(withinMs: number): Promise<void> {
    const refreshed = this.options.refreshMetadata().catch(() => {})
    await Promise.race([Promise.all([refreshed, pause(failedRoundMs)]), pause(withinMs)])
  }

  private async metadata(request: Buffer): Promise<Buffer> {
    const { cluster, holdMs } = this.options
    const end = performance.now() + holdMs
    for (;;) {
      try {
        const frame = await cluster.ask(Buffer.from(request), this.stop.signal)
        const known = cluster.book.entries().map(({ nodeId }) => nodeId)
        const { answer, leaderless } = hideMetadata(frame, known)
        if (leaderless) this.refreshSoon()
        return answer.answer()
      } catch (error) {
        if (!(error instanceof ConnectionError) || performance.now() > end || this.stop.signal.aborted) throw error
        await pause(50 + Math.random() * 50)
      }
    }
  }

  /** Until it succeeds: a partition without a leader is not fetched, so no fetch would ask for its leader again. */
  private refreshSoon(): void {
    if (this.refreshTimer || this.stop.signal.aborted) return
    this.refreshTimer = setTimeout(() => {
      this.refreshTimer = undefined
      this.options.refreshMetadata().catch(() => this.refreshSoon())
    }, leaderlessPauseMs)
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
        onRedial: (redial) => emit({ type: 'wire.redialled', ...redial }),
        onCurrent: () => this.recheck(),
      })
      if (this.stop.signal.aborted) link.close()
      links.set(nodeId, link)
    }
    return link
  }
}

const pause = (waitMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, waitMs))
