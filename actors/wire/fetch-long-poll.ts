/** Fetch long polls: a broker holds a fetch until there is something to send. KafkaJS sees passing errors and nodes out of reach as "nothing new". */

import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'
import { ConnectionError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import type { PrefetchBudget } from '../delivery/prefetch-budget.ts'
import {
  emptyFetchAnswer,
  type FetchedPartition,
  type FetchSummary,
  type FetchVersion,
  readFetch,
} from '../protocol/fetch-answers.ts'
import { errorCodes } from '../protocol/frames.ts'
import { type AskedPartition, maxBytesOf, readFetchRequest, setMaxBytes, setMaxWait } from '../protocol/requests.ts'
import { deferred } from '../time/deferred.ts'
import { standstillSince } from '../time/event-loop.ts'
import { sleep } from '../time/sleep.ts'
import type { LinkPool } from './link-pool.ts'
import type { TopicIdentity } from './topic-identity.ts'

export interface FetchLongPollOptions {
  /** How long a broker may wait for something to send, in milliseconds. */
  readonly maxWaitMs: number
  readonly fetchVersion: FetchVersion
  /** The node that leads the partition, as far as KafkaJS knows. */
  readonly leaderOf: (topic: string, partition: number) => number | undefined
  /** Keeps what fetches may bring within bounds. */
  readonly prefetchBudget: PrefetchBudget
  /** Changes when what was asked for before is no longer wanted. */
  readonly era: () => unknown
  /** What a fetch asks for. */
  readonly onAsked: (asked: readonly AskedPartition[]) => void
  readonly onFetched: (nodeId: number, summary: FetchSummary) => void
  /** Of what a fetch brought, the partitions whose log was cut below what was read. Rejects with a ConnectionError where nobody can say. */
  readonly diverged: (partitions: readonly FetchedPartition[]) => Promise<readonly FetchedPartition[]>
  /** Leaders have to be looked up again; resolves when KafkaJS knows them. */
  readonly refreshMetadata: () => Promise<void>
}

/** How much longer than the broker may wait an answer may take before its connection is suspected, in milliseconds. */
const slackMs = 250
/** A round that failed takes at least this long, in milliseconds. */
const failedRoundMs = 20
/** The longest wait between two rounds of a node whose answers go on to show old leaders and nothing else, in milliseconds. */
const staleRoundMs = 100
/** A round that brings nothing takes at least this long, in milliseconds: while replicas catch up with a new leader, it would go on a thousand times a second. */
const emptyRoundMs = 10
/**
 * A topic that goes ends the fetches that wait at the broker. A partition that nothing waited for in so long, in milliseconds, may have been made again
 * unseen: its queue was full, or the process stood still.
 */
const unwatchedMs = 200

interface Watch {
  readonly fromAt: number
  readonly toAt: number
}

export class FetchLongPolls {
  private readonly options: FetchLongPollOptions
  private readonly links: LinkPool
  private readonly topics: TopicIdentity
  private readonly signal: AbortSignal
  private readonly polls = new Set<{ readonly request: Buffer; readonly end: (nothing: undefined) => void }>()
  /** When each partition's last fetch went out and was over. */
  private readonly watched = new Map<string, Watch>()
  /** The session looks at its topics when it begins. */
  private readonly begun: Watch = { fromAt: performance.now(), toAt: performance.now() }
  /** By node: rounds of fetches in a row that failed, or were asked of the wrong node. */
  private readonly failedRounds = new Map<number, Streak>()

  /** `signal`: from here on no fetch goes out, and nothing is waited for. */
  constructor(options: FetchLongPollOptions, links: LinkPool, topics: TopicIdentity, signal: AbortSignal) {
    this.options = options
    this.links = links
    this.topics = topics
    this.signal = signal
  }

  async fetch(nodeId: number, request: Buffer): Promise<Buffer> {
    const { maxWaitMs, prefetchBudget } = this.options
    setMaxWait(request, maxWaitMs)
    const { promise: interrupted, resolve: end } = deferred<undefined>()
    // Sent again to where the node is now, those that nobody waits for would keep a slow node from the one that somebody does.
    const unwanted = new AbortController()
    void interrupted.then(() => unwanted.abort())
    const poll = { request, end }
    this.polls.add(poll)
    const startedAt = performance.now()
    const { signal, links } = this
    const reserving = prefetchBudget.reserve(maxBytesOf(request), links.fetchNodes, maxWaitMs, signal)
    const room = await Promise.race([reserving, interrupted])
    try {
      if (signal.aborted || !room) return emptyFetchAnswer().answer()
      setMaxBytes(request, room)
      const answer = await this.fetched(nodeId, request, interrupted, unwanted.signal)
      if (!answer) return emptyFetchAnswer().answer()
      const restMs = emptyRoundMs - (performance.now() - startedAt)
      if (answer.recordBytes === 0 && restMs > 0) await Promise.race([sleep(restMs, signal), interrupted])
      return answer.frame
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      await Promise.race([this.refreshed(nodeId, false), interrupted])
      return emptyFetchAnswer().answer()
    } finally {
      // Room that comes after an interrupt goes back as well.
      void reserving.then((bytes) => prefetchBudget.release(bytes))
      this.polls.delete(poll)
    }
  }

  /** Ends all polls now with "nothing new". */
  interrupt(): void {
    for (const { end } of this.polls) end(undefined)
  }

  /**
   * There may be more to fetch than the polls ask for. A broker that has one already holds it as long as it was told; one that goes out from
   * here on, or once more, as its node was out of reach, is answered at once.
   */
  shorten(): void {
    for (const { request } of this.polls) setMaxWait(request, 0)
  }

  /** What a fetch brought, as KafkaJS may see it; undefined when it was interrupted, or asked for in an era that is over. */
  private async fetched(nodeId: number, request: Buffer, interrupted: Promise<undefined>, unwanted: AbortSignal) {
    const { maxWaitMs, fetchVersion, leaderOf, onFetched, onAsked, era, diverged } = this.options
    const before = era()
    const asked = readFetchRequest(request)
    onAsked(asked)
    if (asked.some((partition) => this.isUnwatched(partition))) this.topics.look(nodeId)
    const link = this.links.openFetchLink(nodeId)
    const fromAt = performance.now()
    const frame = await Promise.race([link.send(request, maxWaitMs + slackMs, { unwanted }), interrupted])
    for (const each of asked) this.watched.set(partitionKey(each), { fromAt, toAt: performance.now() })
    if (frame) await this.topics.confirmed(nodeId)
    if (!frame || era() !== before) return undefined
    const summary = readFetch(frame, fetchVersion, nodeId, leaderOf)
    onFetched(nodeId, summary)
    // Leaders moved. KafkaJS would rejoin the group because of it and ask again at once.
    if (summary.stale) await Promise.race([this.refreshed(nodeId, summary.recordBytes > 0), interrupted])
    else this.failedRounds.get(nodeId)?.succeeded()
    // Last: what is judged goes to KafkaJS at once, before another leader's answer is judged by the position.
    const cut = await diverged(summary.partitions)
    if (era() !== before) return undefined
    // KafkaJS gives up the position of a partition that is out of range, and asks where to go on.
    for (const { errorAt } of cut) frame.writeInt16BE(errorCodes.offsetOutOfRange, errorAt)
    return { frame, recordBytes: summary.recordBytes }
  }

  private isUnwatched(partition: TopicPartition): boolean {
    const last = this.watched.get(partitionKey(partition)) ?? this.begun
    // What a process reads after it stood still may have been answered at any time of that.
    return performance.now() - last.toAt + standstillSince(last.fromAt) > unwatchedMs
  }

  /** Looks leaders up again, for at least a moment and at most `maxWaitMs`; not again before the wait of this node's failed rounds is over. */
  private async refreshed(nodeId: number, hasRecords: boolean): Promise<void> {
    const { maxWaitMs, refreshMetadata } = this.options
    const { signal } = this
    const streak = this.failedRounds.get(nodeId) ?? new Streak()
    this.failedRounds.set(nodeId, streak)
    if (streak.waitMs > 0) {
      await sleep(hasRecords ? failedRoundMs : Math.min(streak.waitMs, staleRoundMs), signal)
      return
    }
    streak.failed(bounds.lookUp)
    const refreshed = refreshMetadata().catch(() => {})
    await Promise.race([Promise.all([refreshed, sleep(failedRoundMs, signal)]), sleep(maxWaitMs, signal)])
  }
}
