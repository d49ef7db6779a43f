/** KafkaJS's metadata requests: any broker answers them, and what it says is shown as KafkaJS may see it. */

import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { type ClusterDescription, readMetadata, readTopicIds } from '../protocol/cluster-description.ts'
import { apiKeys } from '../protocol/frames.ts'
import { topicIdsRequest, topicsAsked } from '../protocol/requests.ts'
import { sleep } from '../time/sleep.ts'
import type { Viewed } from '../topics/metadata-view.ts'

export interface MetadataRequestsOptions {
  readonly cluster: Cluster
  readonly clientId: string
  /** How long a request waits for a broker that answers, in milliseconds. */
  readonly holdMs: number
  /** What KafkaJS sees of the cluster, with the nodes it knows already. */
  readonly view: (description: ClusterDescription, nodes: readonly number[]) => Viewed
  /** Leaders have to be looked up again; resolves when KafkaJS knows them. */
  readonly refreshMetadata: () => Promise<void>
}

/** The wait before looking up leaders again while a partition has none. */
const leaderless = { baseMs: 150, capMs: 500 }

export class MetadataRequests {
  private readonly options: MetadataRequestsOptions
  private readonly signal: AbortSignal
  private isRefreshing = false
  /** Look-ups in a row that showed a partition without a leader. */
  private readonly leaderless = new Streak()
  private readonly unanswered = new Streak()

  /** `signal`: nothing is asked or waited for any more. */
  constructor(options: MetadataRequestsOptions, signal: AbortSignal) {
    this.options = options
    this.signal = signal
  }

  async answer(request: Buffer): Promise<Buffer> {
    const { cluster, holdMs, view } = this.options
    const end = performance.now() + holdMs
    for (;;) {
      try {
        const known = cluster.book.entries().map(({ nodeId }) => nodeId)
        const { answer, leaderless } = view(await this.describe(request), known)
        this.unanswered.succeeded()
        if (leaderless) void this.refreshSoon()
        else this.leaderless.succeeded()
        return answer.answer()
      } catch (error) {
        if (!(error instanceof ConnectionError) || performance.now() > end || this.signal.aborted) throw error
        if (this.unanswered.waitMs === 0) this.unanswered.failed(bounds.question)
        await sleep(this.unanswered.waitMs, this.signal)
      }
    }
  }

  /** Asks in the version whose answer has the ids of topics, where brokers speak it. */
  private async describe(request: Buffer): Promise<ClusterDescription> {
    const { cluster, clientId } = this.options
    if (!cluster.speaks(apiKeys.metadata, 11)) return readMetadata(await cluster.ask(Buffer.from(request), this.signal))
    const { topics, creates } = topicsAsked(request)
    return readTopicIds(await cluster.ask(topicIdsRequest(topics, creates, clientId), this.signal))
  }

  /** Until it succeeds: a partition without a leader is not fetched, so no fetch would ask for its leader again. */
  private async refreshSoon(): Promise<void> {
    if (this.isRefreshing) return
    this.isRefreshing = true
    this.leaderless.failed(leaderless)
    const isDue = await sleep(this.leaderless.waitMs, this.signal)
    this.isRefreshing = false
    if (isDue) this.options.refreshMetadata().catch(() => this.refreshSoon())
  }
}
