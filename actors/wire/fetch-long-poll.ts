/** Fetch long polls: a broker holds a fetch until there is something to send. KafkaJS sees passing errors and nodes out of reach as "nothing new". */

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

export class FetchLongPolls {
  private readonly options: FetchLongPollOptions
  private readonly links: LinkPool
  private readonly topics: TopicIdentity
  private readonly signal: AbortSignal
  /** What ends each poll. */
  private readonly polls = new Set<(nothing: undefined) => void>()
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
    this.polls.add(end)
    const startedAt = performance.now()
    const { signal, links } = this
    const reserving = prefetchBudget.reserve(maxBytesOf(request), links.fetchNodes, maxWaitMs, signal)
    const room = await Promise.race([reserving, interrupted])
    try {
      if (signal.aborted || !room) return emptyFetchAnswer().answer()
      setMaxBytes(request, room)
      const answer = await this.fetched(nodeId, request, interrupted)
      if (!answer) return emptyFetchAnswer().answer()
      const restMs = emptyRoundMs - (performance.now() - startedAt)
      if (answer.recordBytes === 0 && restMs > 0) await Promise.race([sleep(restMs, signal), interrupted])
      return answer.frame
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      await Promise.race([this.refreshed(nodeId, false), interrupted])
      return emptyFetchAnswer().answer()
    } finally {
      if (room) prefetchBudget.release(room)
      this.polls.delete(end)
    }
  }

  /** Ends all polls now with "nothing new". */
  interrupt(): void {
    for (const end of this.polls) end(undefined)
  }

  /** What a fetch brought, as KafkaJS may see it; undefined when it was interrupted, or asked for in an era that is over. */
  private async fetched(nodeId: number, request: Buffer, interrupted: Promise<undefined>) {
    const { maxWaitMs, fetchVersion, leaderOf, onFetched, onAsked, era, diverged } = this.options
    const before = era()
    onAsked(readFetchRequest(request))
    const link = this.links.openFetchLink(nodeId)
    const frame = await Promise.race([link.send(request, maxWaitMs + slackMs), interrupted])
    if (frame) await this.topics.confirmed(nodeId)
    if (!frame || era() !== before) return undefined
    const summary = readFetch(frame, fetchVersion, nodeId, leaderOf)
    onFetched(nodeId, summary)
    // KafkaJS gives up the position of a partition that is out of range, and asks where to go on.
    const cut = await diverged(summary.partitions)
    if (era() !== before) return undefined
    for (const { errorAt } of cut) frame.writeInt16BE(errorCodes.offsetOutOfRange, errorAt)
    // Leaders moved. KafkaJS would rejoin the group because of it and ask again at once.
    if (summary.stale) await Promise.race([this.refreshed(nodeId, summary.recordBytes > 0), interrupted])
    else this.failedRounds.get(nodeId)?.succeeded()
    return { frame, recordBytes: summary.recordBytes }
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
