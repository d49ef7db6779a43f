/** What the Kafka sampler asks brokers: of their logs, and of what groups have committed. Each question has a deadline and rejects at it. */

import { setMaxListeners } from 'node:events'
import type { Batches, LogPlace } from '../../machines/balancer/log-rates.ts'
import { type Failure, FailureError } from '../../machines/failure.ts'
import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { type Call, callOf, calls, encodeCall } from '../kafkajs/calls.ts'
import { loadCalls } from '../kafkajs/load-calls.ts'
import { readMetadata, readTopicIds, type TopicDescription } from '../protocol/cluster-description.ts'
import { answerHeaderBytes, apiKeys, errorCodes } from '../protocol/frames.ts'
import { topicIdsRequest } from '../protocol/requests.ts'
import { deadline } from '../time/deadline.ts'
import { timeLimit } from '../time/time-limit.ts'
import { LinkPool, type LinkPoolOptions } from '../wire/link-pool.ts'

/** Partitions as `topic/partition`. */
export interface LogSource {
  /** Brokers that are there now. */
  nodes(): readonly number[]
  topics(): Promise<readonly TopicDescription[]>
  /** Where the logs begin or end, or the first offset of this time or later (milliseconds since 1970), −1 where there is none; asked of their leader. */
  offsets(
    leader: number,
    places: readonly TopicPartition[],
    at: 'start' | 'end' | number,
  ): Promise<ReadonlyMap<string, bigint>>
  /** The bytes of each replica of this broker. */
  sizes(nodeId: number): Promise<ReadonlyMap<string, number>>
  /** The groups that this broker coordinates. */
  groups(nodeId: number): Promise<readonly string[]>
  /** What this group has committed, asked of its coordinator. */
  committed(nodeId: number, groupId: string): Promise<ReadonlyMap<string, bigint>>
  /** The headers of batches at these places of one leader. */
  batches(leader: number, places: readonly LogPlace[]): Promise<ReadonlyMap<string, Batches>>
  /** Which of these topics are not compacted, as far as brokers say. */
  uncompacted(topics: readonly string[]): Promise<ReadonlySet<string>>
  /** Ends its connections; what waits is rejected. */
  close(): void
}

export interface LogSourceOptions extends Pick<LinkPoolOptions, 'cluster' | 'dial'> {
  readonly cluster: Cluster
  readonly clientId: string
}

/** How long a question may take, in milliseconds. */
const askMs = 5000
/** A node may be silent for so long before its connection is suspected, in milliseconds. */
const silenceMs = 1000
/** Bytes that are fetched of a partition for the headers in them. */
const fetchedBytes = 16_384
/** Most partitions of one fetch, and most topics of one question. */
const mostAtOnce = 200

export class KafkaLogSource implements LogSource {
  private readonly options: LogSourceOptions
  private readonly links: LinkPool
  private readonly closing = new AbortController()

  constructor(options: LogSourceOptions) {
    this.options = options
    // Every question listens to it.
    setMaxListeners(0, this.closing.signal)
    this.links = new LinkPool({ ...options, holdMs: askMs, emit: () => {} }, () => {})
  }

  nodes(): readonly number[] {
    const present = this.options.cluster.book.entries().filter((entry) => entry.present)
    return present.map(({ nodeId }) => nodeId)
  }

  async topics(): Promise<readonly TopicDescription[]> {
    const { cluster, clientId } = this.options
    const limit = timeLimit(askMs, this.closing.signal)
    await cluster.ready(limit.signal)
    const hasIds = cluster.speaks(apiKeys.metadata, 11)
    // KafkaJS asks for all topics where none is named.
    const everyTopic = { topics: [], allowAutoTopicCreation: false }
    const frame = hasIds
      ? topicIdsRequest(null, false, clientId)
      : await encodeCall(callOf('Metadata', 6, everyTopic), clientId)
    const answer = await this.inTime(cluster.ask(frame, limit.signal), limit)
    return (hasIds ? readTopicIds(answer) : readMetadata(answer)).topics
  }

  async offsets(leader: number, places: readonly TopicPartition[], at: 'start' | 'end' | number) {
    const timestamp = at === 'start' ? '-2' : at === 'end' ? '-1' : String(at)
    const { responses } = await this.ask(leader, calls.listOffsets(byTopic(places), timestamp))
    return new Map(
      each(responses)
        .filter(({ errorCode }) => errorCode === errorCodes.none)
        .map((one) => [partitionKey(one), BigInt(one.offset)]),
    )
  }

  async sizes(nodeId: number) {
    const { errorCode, replicas } = await this.ask(nodeId, loadCalls.replicaSizes())
    if (replicas.length === 0) refuse(errorCode, 'the sizes of its replicas')
    return new Map(replicas.map((replica) => [partitionKey(replica), replica.size]))
  }

  async groups(nodeId: number) {
    const { errorCode, groups } = await this.ask(nodeId, loadCalls.groups())
    refuse(errorCode, 'its groups')
    return groups
      .filter(({ protocolType }) => protocolType === '' || protocolType === 'consumer')
      .map(({ groupId }) => groupId)
  }

  async committed(nodeId: number, groupId: string) {
    const { errorCode, responses } = await this.ask(nodeId, loadCalls.committed(groupId))
    refuse(errorCode, `the offsets of group ${groupId}`)
    return new Map(
      each(responses)
        .filter((one) => one.errorCode === errorCodes.none && !one.offset.startsWith('-'))
        .map((one) => [partitionKey(one), BigInt(one.offset)]),
    )
  }

  async batches(leader: number, places: readonly LogPlace[]) {
    const found = new Map<string, Batches>()
    const fetch = async (some: readonly LogPlace[], bytesEach: number) => {
      for (const one of await this.ask(leader, loadCalls.batches(byTopic(some), bytesEach)))
        if (one.offsets > 0) found.set(partitionKey(one), { bytes: one.bytes, offsets: one.offsets })
    }
    for (const some of chunks(places)) await fetch(some, fetchedBytes)
    // A batch that is larger comes only to whoever asks for one partition (KIP-74).
    for (const place of places) if (!found.has(partitionKey(place))) await fetch([place], 1)
    return found
  }

  async uncompacted(topics: readonly string[]) {
    const found = new Set<string>()
    for (const some of chunks(topics)) {
      const [nodeId] = this.nodes()
      if (nodeId === undefined) throw failed('no broker is known')
      for (const { errorCode, resourceName, configEntries } of (await this.ask(nodeId, loadCalls.cleanupPolicies(some)))
        .resources)
        if (errorCode === errorCodes.none && configEntries.some(({ configValue }) => configValue === 'delete'))
          found.add(resourceName)
    }
    return found
  }

  close(): void {
    this.closing.abort()
    this.links.close()
  }

  private async ask<Answer>(nodeId: number, call: Call<Answer>): Promise<Answer> {
    const frame = await encodeCall(call, this.options.clientId)
    const limit = timeLimit(askMs, this.closing.signal)
    const { signal } = limit
    const answer = await this.inTime(this.links.controlLink(nodeId).send(frame, silenceMs, { signal }), limit)
    return call.decode(answer.subarray(answerHeaderBytes))
  }

  private async inTime(answer: Promise<Buffer>, limit: AbortController): Promise<Buffer> {
    try {
      return await deadline(answer, askMs, late, this.closing.signal)
    } finally {
      limit.abort()
    }
  }
}

const late = (): never => {
  throw failed(`it did not answer within ${askMs} ms, or the sampler has ended`)
}

function byTopic<Place extends TopicPartition>(places: readonly Place[]) {
  const topics = new Map<string, Place[]>()
  for (const place of places) {
    const list = topics.get(place.topic) ?? []
    topics.set(place.topic, list)
    list.push(place)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}

const each = <Part>(responses: readonly { readonly topic: string; readonly partitions: readonly Part[] }[]) =>
  responses.flatMap(({ topic, partitions }) => partitions.map((part) => ({ topic, ...part })))

function* chunks<Item>(items: readonly Item[]) {
  for (let at = 0; at < items.length; at += mostAtOnce) yield items.slice(at, at + mostAtOnce)
}

function refuse(errorCode: number, what: string): void {
  if (errorCode !== errorCodes.none) throw failed(`asking for ${what} gave Kafka's error ${errorCode}`)
}

const failed = (message: string): FailureError => new FailureError({ kind: 'unreachable', message } satisfies Failure)
