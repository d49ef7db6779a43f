/** What the doctor sees of a topic: its partitions and their leaders, where their logs begin and end, and where the group is in them. */

import type { HeldConnection } from '../../actors/connection/connection.ts'
import { calls } from '../../actors/kafkajs/calls.ts'
import { errorCodes } from '../../actors/protocol/frames.ts'
import { messageOf } from '../../machines/failure.ts'
import { type Finding, finding } from './finding.ts'
import { asked } from './question.ts'

export interface PartitionView {
  readonly partition: number
  /** −1 where it has none. */
  readonly leader: number
  /** First offset and next one of its log; null where it was not found out. */
  readonly start: string | null
  readonly end: string | null
  /** What the group has committed; null where it has not, or no group was given. */
  readonly committed: string | null
}

export interface TopicView {
  readonly topic: string
  readonly partitions: readonly PartitionView[]
  readonly findings: readonly Finding[]
}

interface Lookers {
  /** To brokers, by node id. */
  readonly connections: ReadonlyMap<number, HeldConnection>
  /** The group, and a connection to its coordinator. */
  readonly group: { readonly groupId: string; readonly coordinator: HeldConnection } | undefined
}

/** Never rejects. */
export async function lookAtTopic(topic: string, lookers: Lookers): Promise<TopicView> {
  try {
    return await looked(topic, lookers)
  } catch (error) {
    return { topic, partitions: [], findings: [finding('unanswered', `topic ${topic}: ${messageOf(error)}`)] }
  }
}

async function looked(topic: string, { connections, group }: Lookers): Promise<TopicView> {
  const [any] = connections.values()
  if (!any) throw new Error('no broker can be asked')
  const [known] = (await asked(any, calls.topics([topic]))).topicMetadata
  const errorCode = known?.topicErrorCode ?? errorCodes.unknownTopicOrPartition
  if (errorCode === errorCodes.topicAuthorizationFailed)
    return { topic, partitions: [], findings: [denied(topic, 'DESCRIBE')] }
  if (errorCode === errorCodes.unknownTopicOrPartition || errorCode === errorCodes.invalidTopic) {
    const message = `the cluster has no topic ${topic} that this user may see`
    const failure = { kind: 'topic-missing', message } as const
    return { topic, partitions: [], findings: [finding('topic-missing', message, failure)] }
  }
  const leaders = new Map((known?.partitionMetadata ?? []).map(({ partitionId, leader }) => [partitionId, leader]))
  const findings: Finding[] = []
  const leaderless = [...leaders].filter(([, leader]) => leader < 0).map(([partition]) => partition)
  if (leaderless.length > 0)
    findings.push(finding('no-leader', `topic ${topic} has no leader for partition ${leaderless.join(', ')}`))
  const edges = new Map<number, { start: string; end: string }>()
  for (const nodeId of new Set(leaders.values())) {
    const connection = connections.get(nodeId)
    if (!connection) continue
    const led = [...leaders].filter(([, leader]) => leader === nodeId).map(([partition]) => partition)
    const seen = await edgesAt(connection, topic, led)
    for (const [partition, edge] of seen.edges) edges.set(partition, edge)
    if (seen.isStranger) findings.push(finding('leads-elsewhere', stranger(nodeId, topic, led)))
    const [[first, edge] = []] = seen.edges
    if (first === undefined || !edge || findings.some(({ code }) => code === 'topic-denied')) continue
    if (await isReadDenied(connection, topic, first, edge.end)) findings.push(denied(topic, 'READ'))
  }
  const committed = group ? await commitsOf(group.coordinator, group.groupId, topic, [...leaders.keys()]) : new Map()
  const partitions = [...leaders]
    .toSorted(([one], [other]) => one - other)
    .map(([partition, leader]): PartitionView => {
      const { start = null, end = null } = edges.get(partition) ?? {}
      return { partition, leader, start, end, committed: committed.get(partition) ?? null }
    })
  return { topic, partitions, findings: [...findings, ...offsetFindings(topic, partitions)] }
}

async function edgesAt(connection: HeldConnection, topic: string, led: readonly number[]) {
  const asks = [{ topic, partitions: led.map((partition) => ({ partition })) }]
  const [starts, ends] = await Promise.all([
    asked(connection, calls.listOffsets(asks, '-2')),
    asked(connection, calls.listOffsets(asks, '-1')),
  ])
  const edges = new Map<number, { start: string; end: string }>()
  let strangers = 0
  for (const { partition, offset: start, errorCode } of starts.responses[0]?.partitions ?? []) {
    const end = ends.responses[0]?.partitions.find((one) => one.partition === partition)
    if (errorCode === errorCodes.none && end?.errorCode === errorCodes.none)
      edges.set(partition, { start, end: end.offset })
    if (errorCode === errorCodes.notLeader) strangers++
  }
  return { edges, isStranger: strangers > 0 && strangers === led.length }
}

async function isReadDenied(
  connection: HeldConnection,
  topic: string,
  partition: number,
  end: string,
): Promise<boolean> {
  const [answer] = (await asked(connection, calls.fetchOnce(topic, partition, end))).responses
  return answer?.partitions[0]?.errorCode === errorCodes.topicAuthorizationFailed
}

async function commitsOf(coordinator: HeldConnection, groupId: string, topic: string, partitions: readonly number[]) {
  const asks = [{ topic, partitions: partitions.map((partition) => ({ partition })) }]
  const { responses } = await asked(coordinator, calls.offsetFetch(groupId, asks))
  const known = (responses[0]?.partitions ?? []).filter(
    ({ offset, errorCode }) => errorCode === 0 && BigInt(offset) >= 0n,
  )
  return new Map(known.map(({ partition, offset }) => [partition, offset]))
}

function offsetFindings(topic: string, partitions: readonly PartitionView[]): Finding[] {
  const found: Finding[] = []
  const known = partitions.flatMap(({ partition, start, end, committed }) =>
    start === null || end === null || committed === null
      ? []
      : [{ partition, start: BigInt(start), end: BigInt(end), committed: BigInt(committed) }],
  )
  for (const { partition, start, end, committed } of known) {
    const where = `${topic}/${partition}: offset ${committed} is committed`
    if (committed < start) found.push(finding('offset-below-log', `${where}, and its log begins at ${start}`))
    if (committed > end) found.push(finding('offset-above-log', `${where}, and its log ends at ${end}`))
  }
  return found
}

const denied = (topic: string, operation: string): Finding =>
  finding('topic-denied', `this user may not ${operation} topic ${topic}`)

const stranger = (nodeId: number, topic: string, led: readonly number[]): string =>
  `who is at the address of node ${nodeId} does not lead ${topic}/${led.join(', ')}, which node ${nodeId} leads`
