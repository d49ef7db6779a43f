/** Answers to group requests on their way to KafkaJS: read, changed, or made up. Each has one layout: KafkaJS speaks one version of each, see versions.ts. */

import type { PartitionsByTopic, TopicPartition } from '../../machines/topic-partition.ts'
import { errorCodes, FrameReader, FrameWriter, requestBodyOffset } from './frames.ts'
import { anyPort, coordinatorNodeId, nodeName } from './node-names.ts'

/** The coordinator is a node of its own for KafkaJS: its requests go wherever the coordinator is. */
export const findCoordinatorAnswer = (): FrameWriter =>
  new FrameWriter()
    .int32(0)
    .int16(errorCodes.none)
    .string(null)
    .int32(coordinatorNodeId)
    .string(nodeName(coordinatorNodeId))
    .int32(anyPort)

/** LeaveGroup's answer: it has left. */
export const leaveGroupAnswer = (): FrameWriter => new FrameWriter().int32(0).int16(errorCodes.none).int32(0)

/** What KafkaJS wants to commit, and the answer. It does so only to give up a position that is out of range. */
export function readOffsetCommit(request: Buffer): {
  readonly partitions: TopicPartition[]
  readonly answer: FrameWriter
} {
  const reader = new FrameReader(request, requestBodyOffset(request))
  reader.string() // group
  reader.skip(4) // generation
  reader.string() // member
  const partitions: TopicPartition[] = []
  reader.partitions((topic) => {
    partitions.push({ topic, partition: reader.int32() })
    reader.skip(8) // offset
    reader.string() // metadata
  })
  const answer = new FrameWriter().int32(0)
  answer.partitions(partitions, ({ partition }) => answer.int32(partition).int16(errorCodes.none))
  return { partitions, answer }
}

/** The error code of an answer that begins with throttle time and error: join, sync, heartbeat, leave. */
export const groupErrorOf = (frame: Buffer): number => frame.readInt16BE(12)

/** The error code of an offset fetch, which is its last field. */
export const offsetFetchErrorOf = (frame: Buffer): number => frame.readInt16BE(frame.length - 2)

/** A join's answer. */
export function readJoin(frame: Buffer): { errorCode: number; generation: number; leaderId: string; memberId: string } {
  const reader = new FrameReader(frame)
  reader.int32()
  const errorCode = reader.int16()
  const generation = reader.int32()
  reader.string() // protocol
  return { errorCode, generation, leaderId: reader.string() ?? '', memberId: reader.string() ?? '' }
}

/** The partitions in a sync's answer; none where it has an error or gives nothing. */
export function readSync(frame: Buffer): PartitionsByTopic {
  const reader = new FrameReader(frame)
  reader.skip(4 + 2) // throttle, error
  const bytes = reader.int32()
  return bytes <= 0 ? {} : readAssignment(frame.subarray(reader.at, reader.at + bytes))
}

/** The partitions in an assignment as members write it; none in an empty one. */
export function readAssignment(assignment: Buffer): PartitionsByTopic {
  const assigned: Record<string, number[]> = {}
  if (assignment.length === 0) return assigned
  const reader = new FrameReader(assignment, 0)
  reader.skip(2) // version
  reader.array(() => {
    const partitions: number[] = []
    assigned[reader.string() ?? ''] = partitions
    reader.array(() => partitions.push(reader.int32()))
  })
  return assigned
}

/** What the group has committed of one partition; the offset is −1 where nothing was committed. */
export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly metadata: string | null
  readonly errorCode: number
}

/** The committed offsets of an offset fetch. */
export function readOffsetFetch(frame: Buffer): CommittedOffset[] {
  const reader = new FrameReader(frame)
  reader.int32()
  const found: CommittedOffset[] = []
  reader.partitions((topic) => {
    const partition = reader.int32()
    const offset = reader.int64()
    found.push({ topic, partition, offset, metadata: reader.string(), errorCode: reader.int16() })
  })
  return found
}

/** The partitions an offset fetch asks for. */
export function readOffsetFetchRequest(request: Buffer): TopicPartition[] {
  const reader = new FrameReader(request, requestBodyOffset(request))
  reader.string() // group
  const asked: TopicPartition[] = []
  reader.partitions((topic) => asked.push({ topic, partition: reader.int32() }))
  return asked
}

/** The answer to an offset fetch. Reading begins where it says, so this is where positions are set; KafkaJS asks again for what is left out. */
export function offsetFetchAnswer(positions: readonly (TopicPartition & { readonly offset: bigint })[]): FrameWriter {
  const answer = new FrameWriter().int32(0)
  const write = ({ partition, offset }: (typeof positions)[number]) =>
    answer.int32(partition).int64(offset).string(null).int16(errorCodes.none)
  return answer.partitions(positions, write).int16(errorCodes.none)
}
