/**
 * The metadata view of a session: what KafkaJS sees of the cluster.
 *
 * Constant names instead of addresses; nodes that vanished stay listed, as a restarting broker must not make KafkaJS tear its fetchers down; errors of single
 * partitions are taken back, as each of them would fail the whole refresh. A topic that was deleted keeps its partitions, without leaders, for the same reason.
 * Partitions that came later are shown while the group joins and not before: KafkaJS would join by itself, once per node, in the middle of its fetches.
 */

import type { Fact } from '../../machines/fact.ts'
import type { PartitionsByTopic, TopicPartition } from '../../machines/topic-partition.ts'
import type { ClusterDescription, TopicDescription } from '../protocol/cluster-description.ts'
import { errorCodes, FrameWriter } from '../protocol/frames.ts'
import { anyPort, coordinatorNodeId, nodeName } from '../protocol/node-names.ts'
import { coalesced } from '../time/coalesced.ts'
import type { Subscription } from './subscription.ts'
import type { Topics } from './topics.ts'

/** What KafkaJS sees of one answer. */
export interface Viewed {
  readonly answer: FrameWriter
  /** A partition has no leader at the moment: ask again soon. */
  readonly leaderless: boolean
}

export interface MetadataViewOptions {
  readonly epoch: number
  readonly topics: Topics
  /** What the user subscribed to. */
  readonly subscription: Subscription
  readonly emit: (fact: Fact) => void
  /** Whether the group is joining, so that KafkaJS may see new partitions. */
  readonly isJoining: () => boolean
  /** A topic has partitions that KafkaJS does not see before the group joins again. */
  readonly onGrown: () => void
  /** A topic is not there any more: what is still asked for of it may be answered from the next one of its name. */
  readonly onMissing: () => void
  /** A topic was deleted and made again. */
  readonly onRecreated: (topic: string) => void
}

/** Of a topic that was there in an earlier life, and made again: its id was not told then. */
const unknownId = ''

const hiding: ReadonlySet<number> = new Set([
  ...[errorCodes.unknownTopicOrPartition, errorCodes.topicAuthorizationFailed, errorCodes.invalidTopic],
])

/** Each of hundreds of partitions that are looked up wants a look of its own: none begins sooner after another, in milliseconds. */
const identifyApartMs = 20

export class MetadataView {
  private readonly options: MetadataViewOptions
  /** How many partitions KafkaJS sees, by topic. */
  private readonly shown = new Map<string, number>()
  private readonly last = new Map<string, TopicDescription>()
  /** The id of each topic, as this session has seen it last: another session of this process may have seen a new one first. */
  private readonly ids = new Map<string, string>()

  /** Topics that were there, and that this user may not read any more. */
  private readonly denied = new Set<string>()
  /** Topics that the newest answer did not show: they are not there, or this user may not see them. */
  unseen: readonly string[] = []

  constructor(options: MetadataViewOptions) {
    this.options = options
  }

  /** KafkaJS is about to be given these partitions, so it has to see them. */
  reveal(assigned: PartitionsByTopic): void {
    for (const [topic, partitions] of Object.entries(assigned)) {
      this.shown.set(topic, Math.max(this.shown.get(topic) ?? 0, ...partitions.map((partition) => partition + 1)))
    }
  }

  /** Whether every partition that there is has been given to somebody. */
  isAllGiven(given: readonly PartitionsByTopic[]): boolean {
    return [...this.last].every(([topic, { partitions }]) => {
      const theirs = new Set(given.flatMap((each) => each[topic] ?? []))
      return partitions.every(({ partition }) => theirs.has(partition))
    })
  }

  /** The newest leader epoch of a partition that an answer to KafkaJS has told; −1 before the first, undefined where brokers do not tell. */
  leaderEpochOf({ topic, partition }: TopicPartition): number | undefined {
    const told = this.last.get(topic)?.partitions[partition]
    return told?.partition === partition ? told.leaderEpoch : -1
  }

  /** What KafkaJS sees of an answer. */
  view({ nodes, clusterId, controllerId, topics }: ClusterDescription, known: Iterable<number>): Viewed {
    this.see(topics)
    let leaderless = false
    let grown = false
    const answer = new FrameWriter().int32(0)
    const all = new Set([...known, coordinatorNodeId, ...nodes])
    answer.int32(all.size)
    for (const nodeId of all) answer.int32(nodeId).string(nodeName(nodeId)).int32(anyPort).string(null)
    answer.string(clusterId).int32(controllerId).int32(topics.length)
    for (const told of topics) {
      const { topic, errorCode, isInternal, partitions } = this.described(told)
      const shown = this.shownOf(topic, partitions.length)
      if (shown < partitions.length) grown = true
      answer
        .int16(errorCode)
        .string(topic)
        .int8(isInternal ? 1 : 0)
        .int32(shown)
      for (const { partition, leader, replicas, isr, offline } of partitions.slice(0, shown)) {
        if (leader < 0) leaderless = true
        answer.int16(errorCodes.none).int32(partition).int32(leader)
        for (const list of [replicas, isr, offline]) {
          answer.int32(list.length)
          for (const nodeId of list) answer.int32(nodeId)
        }
      }
    }
    if (grown) this.options.onGrown()
    return { answer, leaderless }
  }

  /** Looks for topics that an expression newly matches, and tells them. */
  async look(): Promise<void> {
    const { subscription, emit, epoch } = this.options
    const topics = await subscription.changed().catch(() => undefined)
    if (topics) emit({ type: 'subscription.changed', epoch, topics })
  }

  /** Looks whether the topics are still those that were seen last. Rejects with a ConnectionError when nobody answers. */
  readonly identify = coalesced(async () => this.see(await this.options.subscription.describe()), identifyApartMs)

  private see(described: readonly TopicDescription[]): void {
    const { topics, emit, onMissing, onRecreated } = this.options
    this.unseen = described.filter(({ errorCode }) => hiding.has(errorCode)).map(({ topic }) => topic)
    const views = described.map(({ partitions, ...view }) => ({ ...view, partitions: partitions.length }))
    for (const { topic, kind } of topics.see(views)) {
      const partitions = topics.partitionsOf(topic)
      if (kind === 'observed') emit({ type: 'topic.observed', topic, topicId: topics.idOf(topic) ?? null, partitions })
      if (kind === 'grown') emit({ type: 'topic.grown', topic, partitions })
      if (kind === 'missing') {
        emit({ type: 'topic.missing', topic })
        onMissing()
      }
      if (kind === 'found' || kind === 'recreated')
        emit({ type: 'topic.found', topic, recreated: kind === 'recreated' })
    }
    for (const { topic, id, errorCode } of described) {
      if (errorCode === errorCodes.topicAuthorizationFailed && topics.wasThere(topic) && !this.denied.has(topic)) {
        this.denied.add(topic)
        emit({ type: 'topic.denied', topic })
      }
      if (errorCode === errorCodes.none && this.denied.delete(topic))
        emit({ type: 'topic.found', topic, recreated: false })
      // Away when this session first looks: its positions are those of the topic that was known then, so any other is a new one.
      if (errorCode === errorCodes.unknownTopicOrPartition && !this.ids.has(topic))
        this.ids.set(topic, topics.idOf(topic) ?? unknownId)
      if (id === undefined || errorCode !== errorCodes.none) continue
      const before = this.ids.get(topic)
      this.ids.set(topic, id)
      if (before !== undefined && before !== id) onRecreated(topic)
    }
  }

  /** A topic that was there and is not any more is shown as it was, without leaders: nothing is fetched of it until it is back. */
  private described(told: TopicDescription): TopicDescription {
    const before = this.last.get(told.topic) ?? this.former(told)
    if (told.errorCode === errorCodes.none && (told.partitions.length > 0 || !before)) {
      const sorted = { ...told, partitions: told.partitions.toSorted((one, other) => one.partition - other.partition) }
      this.last.set(told.topic, sorted)
      return sorted
    }
    if (!before) return told
    // A right that is missing is told by the fetch, by name.
    const isDenied = told.errorCode === errorCodes.topicAuthorizationFailed
    const partitions = before.partitions.map((each) => (isDenied ? each : { ...each, leader: -1 }))
    return { ...before, errorCode: errorCodes.none, partitions }
  }

  /** The same for one that this process, or an earlier life of it, has seen and this session has not: it is waited for, and holds up no other topic. */
  private former(told: TopicDescription): TopicDescription | undefined {
    const { topics } = this.options
    if (!hiding.has(told.errorCode) || !topics.wasThere(told.topic)) return undefined
    // How many an earlier life has seen may be unknown. Every topic has one.
    const partitions = Array.from({ length: Math.max(1, topics.partitionsOf(told.topic)) }, (_, partition) => {
      return { partition, leader: -1, replicas: [], isr: [], offline: [] }
    })
    return { ...told, partitions }
  }

  private shownOf(topic: string, partitions: number): number {
    const shown = this.shown.get(topic)
    if (shown === undefined || this.options.isJoining()) this.shown.set(topic, Math.max(shown ?? 0, partitions))
    return Math.min(partitions, this.shown.get(topic) ?? partitions)
  }
}
