/** Who leads each partition, from what clients were told and what is looked up beside them. */

import type { TopicPartition } from '../../machines/fact.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { calls, encodeCall } from '../kafkajs/calls.ts'
import { readMetadata } from '../protocol/cluster-description.ts'
import { coalesced } from '../time/coalesced.ts'

/** Look-ups begin at least this long after one another, in milliseconds. */
const apartMs = 20

export class Leaders {
  private readonly cluster: Cluster
  private readonly clientId: string
  private readonly known = new Map<string, number>()
  private readonly wanted = new Set<string>()

  constructor(cluster: Cluster, clientId: string) {
    this.cluster = cluster
    this.clientId = clientId
  }

  /** The node that leads the partition; −1 where none does, undefined where nobody has said. */
  of({ topic, partition }: TopicPartition): number | undefined {
    return this.known.get(`${topic}/${partition}`)
  }

  /** Takes in an answer to Metadata (version 6). */
  note(frame: Buffer): void {
    for (const { topic, partitions } of readMetadata(frame).topics)
      for (const { partition, leader } of partitions) this.known.set(`${topic}/${partition}`, leader)
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
