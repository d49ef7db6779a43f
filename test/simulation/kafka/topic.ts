// Topics and their partitions. A partition has a number of its own over all topics, which oracles and sightings use.

import { Log, type Message } from './log.ts'
import { ProducerStates } from './producer-states.ts'

/** Numbers of the first topic's partitions begin at 0, those of the second at 1000, and so on. */
const perTopic = 1000

export const partitionNumber = (topicIndex: number, partition: number): number => topicIndex * perTopic + partition

export class Partition {
  readonly number: number
  /** Its number within the topic. */
  readonly index: number
  log = new Log()
  /** What idempotent producers have written last. It goes with the log, so every leader has it. */
  readonly producers = new ProducerStates()
  leader: number
  /** Counts the elections: each leader writes its own into the batches it takes. */
  epoch = 0
  /** It was there when the group had its first assignment. */
  readonly isOriginal: boolean

  constructor(topicIndex: number, index: number, leader: number, isOriginal: boolean) {
    this.number = partitionNumber(topicIndex, index)
    this.index = index
    this.leader = leader
    this.isOriginal = isOriginal
  }

  /** Elects this node; −1: nobody. */
  lead(nodeId: number): void {
    if (nodeId === this.leader) return
    this.leader = nodeId
    this.epoch++
  }

  append(
    messages: readonly Message[],
    marks: { isPacked?: boolean; producerId?: number; isDoomed?: boolean } = {},
  ): void {
    this.log.append(messages, { ...marks, leaderEpoch: this.epoch })
  }
}

export class Topic {
  readonly name: string
  readonly index: number
  /** How often it was made; part of its id. */
  makes = 1
  partitions: Partition[] = []
  isThere = true

  constructor(name: string, index: number, partitions: number) {
    this.name = name
    this.index = index
    this.grow(partitions, true)
  }

  /** 16 bytes, others each time it is made. */
  get id(): Buffer {
    const id = Buffer.alloc(16, this.index + 1)
    id.writeInt32BE(this.makes, 12)
    return id
  }

  grow(count: number, isOriginal = false): Partition[] {
    const added = Array.from({ length: count }, (_, more) => {
      const index = this.partitions.length + more
      return new Partition(this.index, index, (index % 3) + 1, isOriginal)
    })
    this.partitions.push(...added)
    return added
  }

  /** It is gone with all it held; `make` gives it back, empty and under another id. */
  remove(): void {
    this.isThere = false
  }

  make(): void {
    const former = this.partitions
    this.isThere = true
    this.makes++
    this.partitions = []
    for (const partition of this.grow(former.length)) {
      partition.log = former[partition.index]?.log.renewed() ?? partition.log
    }
  }
}
