/** A subscription: which topics the names and regular expressions of the options mean. Expressions are matched against all topics of the cluster. */

import type { Cluster } from '../cluster/cluster.ts'
import { readMetadata, readTopicIds, type TopicDescription } from '../protocol/cluster-description.ts'
import { apiKeys, FrameWriter } from '../protocol/frames.ts'
import { topicIdsRequest } from '../protocol/requests.ts'
import type { Topics } from './topics.ts'

export interface SubscriptionOptions {
  readonly subscribed: readonly (string | RegExp)[]
  readonly cluster: Cluster
  readonly clientId: string
  readonly topics: Topics
  readonly signal: AbortSignal
}

export class Subscription {
  private readonly options: SubscriptionOptions
  private resolved: readonly string[] = []
  /** Expressions that matched no topic when it was resolved. */
  unmatched: readonly string[] = []

  constructor(options: SubscriptionOptions) {
    this.options = options
  }

  /** The topics that are meant now, sorted. Asks the cluster only where there is an expression; rejects with a ConnectionError when nobody answers. */
  async resolve(): Promise<readonly string[]> {
    this.resolved = await this.match()
    return this.resolved
  }

  /** The topics that are meant now, when there are more than when it was resolved; otherwise undefined. A topic that is gone may come back, and is waited for. */
  async changed(): Promise<readonly string[] | undefined> {
    if (this.options.subscribed.every((each) => typeof each === 'string')) return undefined
    const matched = await this.match()
    return matched.every((topic) => this.resolved.includes(topic)) ? undefined : matched
  }

  /**
   * The topics that are meant, as they are now, with their ids; none where brokers do not know ids (before Kafka 2.8). Asked beside
   * KafkaJS, which would ask again and again until all of them have leaders. Rejects with a ConnectionError when nobody answers.
   */
  async describe(): Promise<readonly TopicDescription[]> {
    const { cluster, clientId, signal } = this.options
    if (!cluster.speaks(apiKeys.metadata, 11)) return []
    return readTopicIds(await cluster.ask(topicIdsRequest(this.resolved, false, clientId), signal)).topics
  }

  private async match(): Promise<readonly string[]> {
    const { subscribed, topics } = this.options
    const names = subscribed.filter((each) => typeof each === 'string')
    // A flag that keeps a place between two tests would let every other topic out.
    const expressions = subscribed
      .filter((each) => typeof each !== 'string')
      .map(({ source, flags }) => new RegExp(source, flags.replace(/[gy]/g, '')))
    if (expressions.length > 0) {
      const all = await this.all()
      topics.list(all)
      names.push(...all.filter((topic) => expressions.some((expression) => expression.test(topic))))
      this.unmatched = expressions.filter((expression) => !all.some((topic) => expression.test(topic))).map(String)
    }
    return [...new Set(names)].sort()
  }

  private async all(): Promise<string[]> {
    const { cluster, clientId, signal } = this.options
    const frame = new FrameWriter().int32(-1).int8(0).request(apiKeys.metadata, 6, clientId)
    const { topics } = readMetadata(await cluster.ask(frame, signal))
    return topics.filter(({ errorCode }) => errorCode === 0).map(({ topic }) => topic)
  }
}
