/** A fact: what happened, in our own words. The closed list of everything that reaches the lifecycle machine and the journal. */

import type { Failure } from './failure.ts'

/** How a hand-over is done: the wires get new sockets, or a new session with the next epoch takes over. */
export interface Plan {
  readonly kind: 'in-place' | 'replacement'
  /** Why: `moved`, `resolved-anew`, or the kind of failure that made it necessary. */
  readonly reason: string
}

/** A broker that is now found elsewhere; endpoints as `host:port`. */
export interface Move {
  readonly nodeId: number
  readonly from: string
  readonly to: string
}

/** Partitions by topic. */
export type PartitionsByTopic = Readonly<Record<string, readonly number[]>>

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Partitions, gathered by topic. */
export function byTopic(partitions: Iterable<TopicPartition>): PartitionsByTopic {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic)
    if (known) known.push(partition)
    else topics.set(topic, [partition])
  }
  return Object.fromEntries(topics)
}

/** What each fact says beside its type. Durations in milliseconds, offsets as decimal strings, no secrets. */
export interface FactData {
  // What the user asked for.
  'start.requested': object
  /** `failure`: why it has to end; without one the user wants it to. */
  'stop.requested': { readonly failure?: Failure }
  // What the cluster showed.
  /** `brokers`: endpoints as `host:port`, by node id. */
  'cluster.reached': { readonly clusterId: string; readonly brokers: Readonly<Record<number, string>> }
  'cluster.unreachable': { readonly failure: Failure; readonly sinceMs: number }
  'cluster.moved': { readonly moves: readonly Move[]; readonly reason: 'moved' | 'resolved-anew' }
  'cluster.membership-changed': { readonly joined: readonly number[]; readonly left: readonly number[] }
  'cluster.refused': { readonly expected: string; readonly got: string; readonly endpoint: string }
  'source.failed': { readonly failure: Failure }
  'source.recovered': object
  'endpoint.refused': { readonly nodeId: number; readonly endpoint: string; readonly failure: Failure }
  'endpoint.healed': { readonly nodeId: number; readonly endpoint: string }
  'link.reconnected': {
    readonly nodeId: number
    readonly endpoint: string
    readonly tookMs: number
    readonly soft: boolean
  }
  // What the session and its group membership did.
  'session.opened': { readonly epoch: number }
  'session.joined': { readonly epoch: number; readonly memberId: string; readonly generation: number }
  'session.failed': { readonly epoch: number; readonly failure: Failure }
  'session.stalled': { readonly epoch: number; readonly failure: Failure }
  'session.fenced': { readonly epoch: number }
  /** Known to the broker from here on: until it leaves, others wait for it. Recorded before it joins, so that a next life can evict it. */
  'member.named': { readonly epoch: number; readonly memberId: string }
  /** KafkaJS asks to join although its member is in the group. */
  'join.requested': { readonly epoch: number }
  'member.joined': { readonly epoch: number; readonly memberId: string; readonly generation: number }
  /** What makes the membership count as lost. */
  'member.fenced': { readonly epoch: number; readonly generation: number; readonly failure: Failure }
  /** The group turns the member away, and waiting does not change it. */
  'member.refused': { readonly epoch: number; readonly failure: Failure }
  'leave.requested': { readonly epoch: number }
  'member.lost': { readonly epoch: number; readonly memberId: string; readonly failure: Failure }
  /** Another process has joined as the same static member, and ends this one. */
  'member.superseded': { readonly epoch: number; readonly memberId: string; readonly failure: Failure }
  'member.evicted': { readonly epoch: number; readonly memberId: string }
  'group.rebalancing': { readonly epoch: number; readonly generation: number }
  'partitions.assigned': { readonly epoch: number; readonly generation: number; readonly partitions: PartitionsByTopic }
  'partitions.revoked': { readonly epoch: number; readonly generation: number; readonly partitions: PartitionsByTopic }
  'partitions.lost': { readonly epoch: number; readonly generation: number; readonly partitions: PartitionsByTopic }
  /** The group gave us partitions of topics that we did not subscribe to, and nobody reads: its members subscribe to different ones. */
  'partitions.unread': { readonly epoch: number; readonly topics: readonly string[] }
  // What became of the topics.
  /** Seen for the first time: its id (null from brokers before Kafka 2.8) and how many partitions it had. */
  'topic.observed': { readonly topic: string; readonly topicId: string | null; readonly partitions: number }
  'topic.grown': { readonly topic: string; readonly partitions: number }
  'topic.missing': { readonly topic: string }
  /** It was there, and this user may not read it any more. */
  'topic.denied': { readonly topic: string }
  /** It is there again; `recreated`: another topic of the same name, read from its start. */
  'topic.found': { readonly topic: string; readonly recreated: boolean }
  /** A regular expression matches other topics now. */
  'subscription.changed': { readonly epoch: number; readonly topics: readonly string[] }
  /** Regular expressions that match no topic yet. */
  'subscription.unmatched': { readonly epoch: number; readonly expressions: readonly string[] }
  // What the hand-over did.
  'drain.completed': { readonly epoch: number; readonly tookMs: number; readonly forced: boolean }
  'rebuild.proven': { readonly epoch: number; readonly tookMs: number; readonly gapMs: number }
  'rebuild.unproven': { readonly epoch: number; readonly failure: Failure }
  'retry.scheduled': { readonly attempt: number; readonly waitMs: number }
  'backoff.elapsed': { readonly attempt: number }
  /** It ends for good, with this failure, and is closed in order. */
  'consumer.failed': { readonly failure: Failure }
  'stop.completed': { readonly tookMs: number; readonly forced: boolean }
  // What became of offsets, batches and handlers.
  'offsets.salvaged': { readonly epoch: number; readonly partitions: number }
  'offset.reset': TopicPartition & { readonly offset: string }
  /**
   * Offsets from `from` up to, not including, `to` are gone without having been handled (none where both are the same); reading goes on at `next`. `trimmed`: the log begins later
   * now · `truncated`: it was cut, as after an unclean election · `recreated`: the topic was deleted and made again.
   */
  'offsets.lost': TopicPartition & {
    readonly from: string
    readonly to: string
    readonly next: string
    readonly reason: 'trimmed' | 'truncated' | 'recreated'
  }
  /** A callback of the user's for partitions threw, or took too long. */
  'callback.failed': {
    readonly epoch: number
    readonly callback: 'onPartitionsAssigned' | 'onPartitionsRevoked' | 'onPartitionsLost'
    readonly failure: Failure
  }
  'commit.failed': { readonly epoch: number; readonly failure: Failure }
  'batch.fenced': TopicPartition & { readonly generation: number; readonly offset: string }
  'result.fenced': TopicPartition & { readonly generation: number; readonly offset: string }
  'mark.dropped': TopicPartition & { readonly mark: string; readonly committed: string }
  'handler.failed': TopicPartition & { readonly offset: string; readonly attempt: number; readonly failure: Failure }
  'handler.gave-up': TopicPartition & { readonly offset: string; readonly decision: 'pause' | 'stop' | 'skip' }
  /** The policy threw or returned nonsense: it is asked again. */
  'policy.failed': TopicPartition & { readonly offset: string; readonly failure: Failure }
  'handler.timed-out': TopicPartition & { readonly offset: string; readonly afterMs: number }
  /** One fact for all partitions that are found at the same moment and have the same cause. `awayMs`: since when nothing came, where the leader is out of reach. */
  'partition.stalled': { readonly partitions: PartitionsByTopic; readonly reason: string; readonly awayMs?: number }
  'partition.resumed': { readonly partitions: PartitionsByTopic }
  /** Its handler has failed for one message for long, or a policy has paused it. `ageMs`: since the message was written; `lag`: messages from it to the end of the log. */
  'partition.degraded': TopicPartition & {
    readonly offset: string
    readonly reason: 'retrying' | 'paused'
    readonly attempts: number
    readonly forMs: number
    readonly ageMs: number
    readonly lag: number
  }
  'partition.recovered': TopicPartition
  'event-loop.starved': { readonly forMs: number }
  'journal.failed': { readonly failure: Failure; readonly policy: 'stop-intake' | 'degrade' }
}

export type FactType = keyof FactData

/** A fact as the machine receives it: the type and its data, flat. */
export type Fact = { [Type in FactType]: { readonly type: Type } & FactData[Type] }[FactType]

/** One kind of fact. */
export type FactOf<Type extends FactType> = Extract<Fact, { type: Type }>
