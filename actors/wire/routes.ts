/**
 * The routes: where each request KafkaJS writes into a wire goes, and what of the answer KafkaJS sees.
 *
 * | request | goes to | KafkaJS sees |
 * |---|---|---|
 * | ApiVersions, FindCoordinator | nobody | the versions relisten reads; the coordinator as a node of its own |
 * | Metadata | any broker | constant names, no vanished nodes, no errors of single partitions |
 * | group requests | the coordinator, wherever it is | see membership.ts |
 * | Fetch | the node's own link for fetches | passing errors and a node out of reach as "nothing new" |
 * | anything else | the node's control link | the answer as it is |
 */

import { setMaxListeners } from 'node:events'
import { closedError } from '../connection/connection.ts'
import { answerHeaderBytes, apiKeyOf, apiKeys } from '../protocol/frames.ts'
import { findCoordinatorAnswer } from '../protocol/group-answers.ts'
import { apiVersionsAnswer } from '../protocol/versions.ts'
import { type FetchLongPollOptions, FetchLongPolls } from './fetch-long-poll.ts'
import { FetchTurns } from './fetch-turns.ts'
import { LinkPool, type LinkPoolOptions } from './link-pool.ts'
import { MetadataRequests, type MetadataRequestsOptions } from './metadata-requests.ts'
import { TopicIdentity } from './topic-identity.ts'

export interface RoutesOptions extends LinkPoolOptions, FetchLongPollOptions, MetadataRequestsOptions {
  /** Looks whether the topics are still those that are read. Rejects with a ConnectionError where nobody can say. */
  readonly identify: () => Promise<void>
  /** Answers group requests. */
  readonly group: (request: Buffer) => Promise<Buffer>
}

const groupRequests: ReadonlySet<number> = new Set([
  apiKeys.joinGroup,
  apiKeys.syncGroup,
  apiKeys.leaveGroup,
  apiKeys.offsetFetch,
  apiKeys.offsetCommit,
])

export class Routes {
  readonly links: LinkPool
  private readonly options: RoutesOptions
  private readonly turns: FetchTurns
  private readonly polls: FetchLongPolls
  private readonly metadata: MetadataRequests
  private readonly stop = new AbortController()

  constructor(options: RoutesOptions) {
    const { signal } = this.stop
    // Each node's fetch may wait with it.
    setMaxListeners(0, signal)
    this.options = options
    const topics = new TopicIdentity(options.identify)
    this.links = new LinkPool(options, (nodeId) => topics.look(nodeId))
    this.turns = new FetchTurns(options.maxWaitMs, signal)
    this.polls = new FetchLongPolls(options, this.links, topics, signal)
    this.metadata = new MetadataRequests(options, signal)
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

  /** Resolves when KafkaJS should see what there is to fetch from this node. */
  awaitFetchTurn(nodeId: number): Promise<void> {
    return this.turns.awaitTurn(nodeId)
  }

  /** There may be something to fetch from nodes that had nothing: leaders are known anew, or reading goes on. */
  wakeup(): void {
    this.turns.wakeup()
    this.polls.shorten()
  }

  /** Ends all long polls now with "nothing new", so that KafkaJS looks at what else there is to do. */
  interruptPolls(): void {
    this.polls.interrupt()
    this.turns.wakeup()
  }

  /** Closes every link. From here on nothing of KafkaJS's reaches a broker. */
  close(): void {
    this.stop.abort(closedError('This session'))
    this.interruptPolls()
    this.links.close()
  }

  private async routed(nodeId: number, request: Buffer): Promise<Buffer> {
    const apiKey = apiKeyOf(request)
    if (groupRequests.has(apiKey)) return this.options.group(request)
    if (apiKey === apiKeys.fetch) {
      this.turns.noteFetch(nodeId)
      return this.polls.fetch(nodeId, request)
    }
    if (apiKey === apiKeys.metadata) return this.metadata.answer(request)
    if (apiKey === apiKeys.findCoordinator) return findCoordinatorAnswer().answer()
    if (apiKey === apiKeys.apiVersions) return apiVersionsAnswer(this.options.fetchVersion).answer()
    return this.links.controlLink(nodeId).send(request, 1000)
  }
}
