/** Who leads each partition, from what clients were told and what is looked up beside them. */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { calls, encodeCall } from '../kafkajs/calls.ts'
import { readMetadata } from '../protocol/cluster-description.ts'
import { errorCodes } from '../protocol/frames.ts'
import { coalesced } from '../time/coalesced.ts'

/** Look-ups begin at least this long after one another, in milliseconds. */
const apartMs = 20

export class Leaders {
  private readonly cluster: Cluster
  private readonly clientId: string
  /** By topic, what the last answer about it said: the leader of each partition. */
  private readonly told = new Map<string, ReadonlyMap<number, number>>()
  private readonly wanted = new Set<string>()

  constructor(cluster: Cluster, clientId: string) {
    this.cluster = cluster
    this.clientId = clientId
  }

  /** The node that leads the partition; −1 where none does, undefined where nobody has said. */
  of({ topic, partition }: TopicPartition): number | undefined {
    return this.told.get(topic)?.get(partition)
  }

  /** The last answer about the topic does not know it, or not this partition of it. */
  isDenied({ topic, partition }: TopicPartition): boolean {
    return this.told.get(topic)?.has(partition) === false
  }

  /** Partitions by the node that leads them, as far as one does. */
  group<Part extends TopicPartition>(parts: readonly Part[]): Map<number, Part[]> {
    const groups = new Map<number, Part[]>()
    for (const part of parts) {
      const leader = this.of(part) ?? -1
      if (leader < 0) continue
      const group = groups.get(leader)
      if (group) group.push(part)
      else groups.set(leader, [part])
    }
    return groups
  }

  /** Takes in an answer to Metadata (version 6). */
  note(frame: Buffer): void {
    for (const { topic, errorCode, partitions } of readMetadata(frame).topics) {
      const isKnown = partitions.length > 0 || errorCode === errorCodes.unknownTopicOrPartition
      if (isKnown) this.told.set(topic, new Map(partitions.map(({ partition, leader }) => [partition, leader])))
    }
  }

  /** Looks these topics up. Rejects with a ConnectionError where no broker answers. */
  lookUp(topics: Iterable<string>): Promise<void> {
    for (const topic of topics) this.wanted.add(topic)
    return this.next()
  }

  private readonly next = coalesced(async () => {
    const topics = [...this.wanted]
    this.wanted.clear()
    this.note(await this.cluster.ask(await encodeCall(calls.topics(topics), this.clientId)))
  }, apartMs)
}
