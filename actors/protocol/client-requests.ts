/** Requests of KafkaJS's own clients, as the wire has to read them: whose group they are of, what they change. */

import { apiKeyOf, apiKeys, errorCodes, FrameReader, FrameWriter, passingErrors, requestBodyOffset } from './frames.ts'

const bodyOf = (request: Buffer): FrameReader => new FrameReader(request, requestBodyOffset(request))

/** The group of a request that has one: its first string, or behind the transactional id. */
export function groupOf(request: Buffer): string {
  const reader = bodyOf(request)
  if (apiKeyOf(request) === apiKeys.txnOffsetCommit) reader.string()
  return reader.string() ?? ''
}

/** The transactional id of a request about a transaction, which begins with it; null where an idempotent producer asks for its id. */
export const transactionOf = (request: Buffer): string | null => bodyOf(request).string()

/** The id and epoch of the producer that ends a transaction, as EndTxn names them. */
export function producerOf(endTxn: Buffer): { readonly producerId: bigint; readonly producerEpoch: number } {
  const reader = bodyOf(endTxn)
  reader.string() // transactional id
  return { producerId: reader.int64(), producerEpoch: reader.int16() }
}

/** How long the members of a group have to join, in milliseconds (JoinGroup 1 and later). */
export function rebalanceTimeoutOf(join: Buffer): number {
  const reader = bodyOf(join)
  reader.string() // group
  reader.skip(4) // session timeout
  return reader.int32()
}

/** The groups a request names as an array: DescribeGroups, DeleteGroups. */
export function groupsOf(request: Buffer): string[] {
  const reader = bodyOf(request)
  const groups: string[] = []
  reader.array(() => groups.push(reader.string() ?? ''))
  return groups
}

/** The same request for one of them. */
export function forGroup(request: Buffer, group: string): Buffer {
  const reader = bodyOf(request)
  const from = reader.at
  reader.array(() => reader.string())
  const body = new FrameWriter().int32(1).string(group).answer().subarray(8)
  const frame = Buffer.concat([request.subarray(0, from), body, request.subarray(reader.at)])
  frame.writeInt32BE(frame.length - 4, 0)
  return frame
}

/** Answers with a throttle time and an array, put together as one. */
export function joined(answers: readonly Buffer[]): Buffer {
  const parts = answers.map((frame) => {
    const reader = new FrameReader(frame)
    return { throttleMs: reader.int32(), count: reader.int32(), rest: frame.subarray(reader.at) }
  })
  const throttleMs = Math.max(0, ...parts.map((part) => part.throttleMs))
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  const answer = new FrameWriter().int32(throttleMs).int32(count)
  for (const { rest } of parts) answer.bytes(rest)
  return answer.answer()
}

/** The error of the one group in an answer to DescribeGroups (version 1 or 2). */
export const describeErrorOf = (frame: Buffer): number => {
  const reader = new FrameReader(frame)
  reader.skip(4) // throttle
  return reader.int32() > 0 ? reader.int16() : errorCodes.none
}

/** The error of the one group in an answer to DeleteGroups, and where it is. */
export function deleteErrorIn(frame: Buffer): { readonly errorCode: number; readonly errorAt: number } {
  const reader = new FrameReader(frame)
  reader.skip(4 + 4) // throttle, count
  reader.string() // group
  const errorAt = reader.at
  return { errorCode: reader.int16(), errorAt }
}

/** The error about the coordinator in an answer to OffsetCommit (version 3 and later), which has one for each partition. */
export function commitErrorOf(frame: Buffer): number {
  const reader = new FrameReader(frame)
  reader.skip(4) // throttle
  let found: number = errorCodes.none
  reader.partitions(() => {
    reader.skip(4) // partition
    const code = reader.int16()
    if (passingErrors.has(code) || code === errorCodes.concurrentTransactions) found = code
  })
  return found
}

/** Whether KafkaJS awaits an answer: not for a Produce with `acks: 0`. */
export function isAnswered(request: Buffer): boolean {
  if (apiKeyOf(request) !== apiKeys.produce) return true
  const reader = bodyOf(request)
  reader.string() // transactional id (version 3 and later)
  return reader.int16() !== 0
}

/** How a topic is before or after a change. */
export interface TopicState {
  readonly id: string | undefined
  readonly partitions: number
}

/** A request that changes topics. */
export interface TopicChange {
  readonly topics: readonly string[]
  /** How long the broker may take, in milliseconds. */
  readonly timeoutMs: number
  /** Nothing is changed, only checked. */
  readonly validatesOnly: boolean
  /** Of CreatePartitions: how many each topic is to have. */
  readonly counts: ReadonlyMap<string, number>
}

/** Reads CreateTopics, DeleteTopics and CreatePartitions (version 1 and later of the first, 0 and later of the others). */
export function readTopicChange(request: Buffer): TopicChange {
  const reader = bodyOf(request)
  const apiKey = apiKeyOf(request)
  const topics: string[] = []
  const counts = new Map<string, number>()
  reader.array(() => {
    const topic = reader.string() ?? ''
    topics.push(topic)
    if (apiKey === apiKeys.createTopics) {
      reader.skip(4 + 2) // partitions, replicas
      reader.array(() => {
        reader.skip(4) // partition
        reader.array(() => reader.skip(4)) // replicas
      })
      reader.array(() => {
        reader.string() // name
        reader.string() // value
      })
    } else if (apiKey === apiKeys.createPartitions) {
      counts.set(topic, reader.int32())
      reader.array(() => reader.array(() => reader.skip(4))) // replicas of each new partition
    }
  })
  const timeoutMs = reader.int32()
  const validatesOnly = apiKey !== apiKeys.deleteTopics && reader.int8() !== 0
  return { topics, timeoutMs, validatesOnly, counts }
}

/** DeleteTopics for some of the topics it names. */
export function deletingOnly(request: Buffer, topics: readonly string[]): Buffer {
  const reader = bodyOf(request)
  const from = reader.at
  reader.array(() => reader.string())
  const body = new FrameWriter().int32(topics.length)
  for (const topic of topics) body.string(topic)
  const frame = Buffer.concat([request.subarray(0, from), body.answer().subarray(8), request.subarray(reader.at)])
  frame.writeInt32BE(frame.length - 4, 0)
  return frame
}

/** One topic in an answer to a change. */
export interface TopicResult {
  readonly topic: string
  readonly errorCode: number
  readonly message: string | null
}

/** Reads an answer to CreateTopics (version 2, 3), DeleteTopics (1) or CreatePartitions (0, 1). The last has no messages. */
export function readTopicResults(apiKey: number, frame: Buffer): { throttleMs: number; results: TopicResult[] } {
  const reader = new FrameReader(frame)
  const throttleMs = reader.int32()
  const results: TopicResult[] = []
  reader.array(() => {
    const topic = reader.string() ?? ''
    const errorCode = reader.int16()
    results.push({ topic, errorCode, message: apiKey === apiKeys.deleteTopics ? null : reader.string() })
  })
  return { throttleMs, results }
}

/** Writes what `readTopicResults` reads. */
export function topicResultsAnswer(apiKey: number, throttleMs: number, results: readonly TopicResult[]): Buffer {
  const answer = new FrameWriter().int32(throttleMs).int32(results.length)
  for (const { topic, errorCode, message } of results) {
    answer.string(topic).int16(errorCode)
    if (apiKey !== apiKeys.deleteTopics) answer.string(message)
  }
  return answer.answer()
}

/** How long the broker may take, in milliseconds, where the request says so and it is no change of topics; undefined where it answers at once. */
export function timeoutOf(request: Buffer): number | undefined {
  if (apiKeyOf(request) !== apiKeys.produce) return undefined
  const reader = bodyOf(request)
  reader.string() // transactional id
  reader.skip(2) // acks
  return reader.int32()
}

/** Kafka's number for a broker among the things that have a configuration. */
const brokerResource = 4

/** Whether it is about the configuration of a broker, which only that one knows. */
export function isOfBroker(request: Buffer): boolean {
  const apiKey = apiKeyOf(request)
  if (apiKey !== apiKeys.describeConfigs && apiKey !== apiKeys.alterConfigs) return false
  const reader = bodyOf(request)
  return reader.int32() > 0 && reader.int8() === brokerResource
}
