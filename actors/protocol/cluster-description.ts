/** A cluster description: a metadata answer with its topics, in whichever version it was asked for. */

import { FrameReader } from './frames.ts'

interface PartitionDescription {
  readonly partition: number
  readonly leader: number
  /** Counts the leaders; undefined where the answer does not say (before Kafka 2.8). */
  readonly leaderEpoch?: number | undefined
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

export interface ClusterDescription {
  readonly nodes: readonly number[]
  readonly clusterId: string | null
  readonly controllerId: number
  readonly topics: readonly TopicDescription[]
}

/** Reads a metadata answer of version 6. Throws RangeError where it ends too early. */
export const readMetadata = (frame: Buffer): ClusterDescription => read(frame, false)

/** Reads a metadata answer of version 11 (KIP-516), which has the ids of topics. */
export const readTopicIds = (frame: Buffer): ClusterDescription => read(frame, true)

/** Version 11 is a flexible one (KIP-482). */
function read(frame: Buffer, isVersion11: boolean): ClusterDescription {
  const reader = new FrameReader(frame)
  const string = () => (isVersion11 ? reader.compactString() : reader.string())
  const array = (each: () => void) => (isVersion11 ? reader.compactArray(each) : reader.array(each))
  const tags = () => isVersion11 && reader.tags()
  const numbers = () => {
    const found: number[] = []
    array(() => found.push(reader.int32()))
    return found
  }
  tags()
  reader.skip(4) // throttle
  const nodes: number[] = []
  array(() => {
    nodes.push(reader.int32())
    string() // host
    reader.skip(4) // port
    string() // rack
    tags()
  })
  const clusterId = string()
  const controllerId = reader.int32()
  const topics: TopicDescription[] = []
  array(() => {
    const errorCode = reader.int16()
    const topic = string() ?? ''
    const id = isVersion11 ? reader.uuid() : undefined
    const isInternal = reader.int8() !== 0
    const partitions: PartitionDescription[] = []
    array(() => {
      reader.skip(2) // error
      const partition = reader.int32()
      const leader = reader.int32()
      const leaderEpoch = isVersion11 ? reader.int32() : undefined
      partitions.push({ partition, leader, leaderEpoch, replicas: numbers(), isr: numbers(), offline: numbers() })
      tags()
    })
    if (isVersion11) reader.skip(4) // what the caller may do with it
    tags()
    topics.push({ topic, id, errorCode, isInternal, partitions })
  })
  return { nodes, clusterId, controllerId, topics }
}
