/**
 * Changes of topics: created, deleted, given more partitions. They go to the controller, and out again only after a look whether the
 * one before took effect, as its answer may have been lost with its connection.
 */

import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError } from '../connection/connection.ts'
import { calls, encodeCall } from '../kafkajs/calls.ts'
import {
  deletingOnly,
  readTopicChange,
  readTopicResults,
  type TopicChange,
  type TopicResult,
  type TopicState,
  topicResultsAnswer,
} from '../protocol/client-requests.ts'
import { readMetadata, readTopicIds, type TopicDescription } from '../protocol/cluster-description.ts'
import { apiKeyOf, apiKeys, errorCodes } from '../protocol/frames.ts'
import { topicIdsRequest } from '../protocol/requests.ts'
import { sleep } from '../time/sleep.ts'
import type { Link } from '../wire/link.ts'

export interface TopicChangesOptions {
  readonly cluster: Cluster
  readonly clientId: string
  readonly linkTo: (nodeId: number) => Link
  /** How long a request may take, in milliseconds. */
  readonly requestTimeoutMs: number
  /** The wire is there. */
  readonly signal: AbortSignal
}

type States = ReadonlyMap<string, TopicState>

/** How much longer than the broker may take an answer may take, in milliseconds. */
const slackMs = 1000
/** How long a broker may take to learn of a change it handed on, in milliseconds, and how often it is asked. */
const knownWithinMs = 2000
const lookMs = 20
/** The wait before the controller is looked up again, in milliseconds. */
const pauseMs = 100

export class TopicChanges {
  private readonly options: TopicChangesOptions

  constructor(options: TopicChangesOptions) {
    this.options = options
  }

  static isOne(request: Buffer): boolean {
    const apiKey = apiKeyOf(request)
    return apiKey === apiKeys.createTopics || apiKey === apiKeys.deleteTopics || apiKey === apiKeys.createPartitions
  }

  /** `nodeId`: where the client sends it. */
  async answer(request: Buffer, nodeId: number | undefined): Promise<Buffer> {
    const { requestTimeoutMs, linkTo, signal } = this.options
    const apiKey = apiKeyOf(request)
    const change = readTopicChange(request)
    const end = performance.now() + requestTimeoutMs
    const before = await this.look(change.topics)
    let controller = nodeId ?? (await this.controller())
    let isLost = false
    let done: readonly string[] = []
    for (;;) {
      try {
        const left = change.topics.filter((topic) => !done.includes(topic))
        if (left.length === 0) return topicResultsAnswer(apiKey, 0, done.map(succeeded))
        const frame = done.length > 0 ? deletingOnly(request, left) : Buffer.from(request)
        const frameAnswer = await linkTo(controller).send(frame, change.timeoutMs + slackMs, {
          delivery: 'once',
        })
        const { throttleMs, results } = readTopicResults(apiKey, frameAnswer)
        if (results.every(({ errorCode }) => errorCode !== errorCodes.notController)) {
          const created = results.filter(({ errorCode }) => errorCode === errorCodes.none).map(({ topic }) => topic)
          if (apiKey === apiKeys.createTopics && !change.validatesOnly) await this.known(created, controller)
          if (!isLost) return frameAnswer
          const now = await this.look(change.topics)
          const judged = results.map((result) => judge(apiKey, change, result, before, now))
          return topicResultsAnswer(apiKey, throttleMs, [...done.map(succeeded), ...judged])
        }
      } catch (error) {
        if (!(error instanceof ConnectionError) || signal.aborted || performance.now() > end) throw error
        isLost ||= error.failure.code === 'ANSWER_LOST'
        if (isLost && apiKey === apiKeys.deleteTopics) done = await this.gone(change.topics, before, end)
      }
      if (performance.now() > end) throw late(apiKey)
      await sleep(pauseMs, signal)
      controller = await this.controller()
    }
  }

  /** Those of these topics that are not the ones any more that there were. */
  private async gone(topics: readonly string[], before: States, end: number): Promise<string[]> {
    for (;;) {
      try {
        const now = await this.look(topics)
        return topics.filter((topic) => before.has(topic) && now.get(topic)?.id !== before.get(topic)?.id)
      } catch (error) {
        const { signal } = this.options
        if (!(error instanceof ConnectionError) || performance.now() > end || signal.aborted) throw error
        await sleep(pauseMs, signal)
      }
    }
  }

  /** A broker hands a change on to the controller, and learns of it a moment later. KafkaJS takes a topic that it does not know yet for an error. */
  private async known(topics: readonly string[], nodeId: number): Promise<void> {
    const { clientId, linkTo, signal } = this.options
    const request = await encodeCall(calls.topics(topics), clientId)
    const until = performance.now() + knownWithinMs
    while (topics.length > 0 && performance.now() < until && !signal.aborted) {
      const answer = await linkTo(nodeId)
        .send(Buffer.from(request), slackMs)
        .catch(() => undefined)
      const isUnknown = answer && readMetadata(answer).topics.some(isMissing)
      if (answer && !isUnknown) return
      await sleep(lookMs, signal)
    }
  }

  private async controller(): Promise<number> {
    const { cluster, clientId } = this.options
    return readMetadata(await cluster.ask(await encodeCall(calls.metadata(), clientId))).controllerId
  }

  /** The topics that there are, of these. */
  private async look(topics: readonly string[]): Promise<States> {
    const { cluster, clientId } = this.options
    const hasIds = cluster.speaks(apiKeys.metadata, 11)
    const request = hasIds ? topicIdsRequest(topics, false, clientId) : await encodeCall(calls.topics(topics), clientId)
    const answer = await cluster.ask(request)
    const { topics: found } = hasIds ? readTopicIds(answer) : readMetadata(answer)
    const there = found.filter((topic) => !isMissing(topic))
    return new Map(there.map(({ topic, id, partitions }) => [topic, { id: id ?? '', partitions: partitions.length }]))
  }
}

const isMissing = ({ errorCode }: TopicDescription): boolean => errorCode === errorCodes.unknownTopicOrPartition

const succeeded = (topic: string): TopicResult => ({ topic, errorCode: errorCodes.none, message: null })

/** What came of a topic where the request went out more than once: what it was refused for the second time may be its own work. */
function judge(apiKey: number, change: TopicChange, result: TopicResult, before: States, now: States): TopicResult {
  const { topic, errorCode } = result
  const isOwn =
    (apiKey === apiKeys.createTopics && errorCode === errorCodes.topicAlreadyExists && !before.has(topic)) ||
    (apiKey === apiKeys.deleteTopics && errorCode === errorCodes.unknownTopicOrPartition && before.has(topic)) ||
    (apiKey === apiKeys.createPartitions &&
      errorCode === errorCodes.invalidPartitions &&
      (before.get(topic)?.partitions ?? 0) < (change.counts.get(topic) ?? 0) &&
      now.get(topic)?.partitions === change.counts.get(topic))
  return isOwn ? succeeded(topic) : result
}

function late(apiKey: number): ConnectionError {
  const message = `No controller has answered the request with api key ${apiKey} in time`
  return new ConnectionError({ kind: 'unreachable', message, code: 'ETIMEDOUT' })
}
