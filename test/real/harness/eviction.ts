/** An eviction: a LeaveGroup request for somebody else's member, as an operator's tool would send it. */
import { Reader, request, text } from '../../cluster/broker-request.ts'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'

const LEAVE_GROUP = 13

/** Takes the member out of the group, through the listener that never moves. Throws when the coordinator refuses. */
export async function evict(cluster: KafkaCluster, groupId: string, memberId: string): Promise<void> {
  const coordinator = await cluster.coordinatorOf(groupId)
  const endpoint = cluster.internal[cluster.nodeIds.indexOf(coordinator)] as string
  const body = Buffer.concat([text(groupId), text(memberId)])
  const answer = new Reader(await request(endpoint, { apiKey: LEAVE_GROUP, version: 1, body }))
  answer.int32() // throttle time
  const error = answer.int16()
  if (error !== 0) throw new Error(`The coordinator refused to let ${memberId} leave ${groupId} (error ${error})`)
}
