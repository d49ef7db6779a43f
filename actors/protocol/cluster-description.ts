/** A cluster description: a metadata answer with its topics, read in whichever version it was asked for. */

import { FrameReader } from './frames.ts'

interface PartitionDescription {
  readonly partition: number
  readonly leader: number
  /** Counts the leaders; undefined where the answer does not say (before Kafka 2.8). */
  readonly leaderEpoch?: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly offline: readonly number[]
}

export interface TopicDescription {
  readonly topic: string
  readonly id: string | undefined
  readonly errorCode: number
  readonly isInternal: boolean
  readonly partitions: readonly PartitionDescription[]
}

/** A metadata answer, in whichever version it was asked for. */
export interface ClusterDescription {
  readonly nodes: readonly number[]
  readonly clusterId: string | null
  readonly controllerId: number
  readonly topics: readonly TopicDescription[]
}

/** Reads a metadata answer of version 6. Throws RangeError where it ends too early. */
export function readMetadata(frame: Buffer): ClusterDescription {
  const reader = new FrameReader(frame)
  reader.int32() // throttle
  const nodes: number[] = []
  reader.array(() => {
    nodes.push(reader.int32())
    reader.string()
    reader.int32()
    reader.string()
  })
  const clusterId = reader.string()
  const controllerId = reader.int32()
  const topics: TopicDescription[] = []
  const list = () => {
    const found: number[] = []
    reader.array(() => found.push(reader.int32()))
    return found
  }
  reader.array(() => {
    const errorCode = reader.int16()
    const topic = reader.string() ?? ''
    const isInternal = reader.int8() !== 0
    const partitions: PartitionDescription[] = []
    reader.array(() => {
      reader.int16()
      const partition = reader.int32()
      partitions.push({ partition, leader: reader.int32(), replicas: list(), isr: list(), offline: list() })
    })
    topics.push({ topic, id: undefined, errorCode, isInternal, partitions })
  })
  return { nodes, clusterId, controllerId, topics }
}

/** Reads a metadata answer of version 11 (KIP-516), which has the ids of topics. */
export function readTopicIds(frame: Buffer): ClusterDescription {
  const reader = new FrameReader(frame)
  reader.tags()
  reader.int32() // throttle
  const nodes: number[] = []
  reader.compactArray(() => {
    nodes.push(reader.int32())
    reader.compactString()
    reader.int32()
    reader.compactString()
    reader.tags()
  })
  const clusterId = reader.compactString()
  const controllerId = reader.int32()
  const topics: TopicDescription[] = []
  const list = () => {
    const found: number[] = []
    reader.compactArray(() => found.push(reader.int32()))
    return found
  }
  reader.compactArray(() => {
    const errorCode = reader.int16()
    const topic = reader.compactString() ?? ''
    const id = reader.uuid()
    const isInternal = reader.int8() !== 0
    const partitions: PartitionDescription[] = []
    reader.compactArray(() => {
      reader.int16()
      const partition = reader.int32()
      const leader = reader.int32()
      const leaderEpoch = reader.int32()
      partitions.push({ partition, leader, leaderEpoch, replicas: list(), isr: list(), offline: list() })
      reader.tags()
    })
    reader.int32() // what the caller may do with it
    reader.tags()
    topics.push({ topic, id, errorCode, isInternal, partitions })
  })
  return { nodes, clusterId, controllerId, topics }
}
