/**
 * The assignor of balancers: one member of the group gets all partitions, as what a topic of metrics says is one picture. It is the one that has
 * them already, so that a member which joins takes nothing over; where none has, the first by its id.
 */

import { assignerProtocol, type PartitionAssigner } from '../kafkajs/consumer.ts'

const name = 'RelistenOneReader'
const version = 0
const holds = Buffer.from([1])
const holdsNot = Buffer.alloc(0)

/** What of KafkaJS's cluster it needs. */
interface Known {
  findTopicPartitionMetadata(topic: string): { readonly partitionId: number }[]
}

/** `isHolder` says, when this member joins, whether it had the partitions until now. */
export function oneReader(isHolder: () => boolean): PartitionAssigner {
  return ({ cluster }) => ({
    name,
    version,
    protocol: ({ topics }) => ({
      name,
      metadata: assignerProtocol.MemberMetadata.encode({ version, topics, userData: isHolder() ? holds : holdsNot }),
    }),
    async assign({ members, topics }) {
      const known = cluster as unknown as Known
      const candidates = members.toSorted((one, other) => (one.memberId < other.memberId ? -1 : 1))
      const chosen = candidates.find(({ memberMetadata }) => isHolding(memberMetadata)) ?? candidates[0]
      if (!chosen) return []
      const assignment = Object.fromEntries(
        topics.map((topic) => [topic, known.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)]),
      )
      const memberAssignment = assignerProtocol.MemberAssignment.encode({ version, assignment, userData: holdsNot })
      return [{ memberId: chosen.memberId, memberAssignment }]
    },
  })
}

function isHolding(metadata: Buffer): boolean {
  try {
    return assignerProtocol.MemberMetadata.decode(metadata)?.userData.equals(holds) === true
  } catch {
    // Somebody else's member wrote what nobody can read.
    return false
  }
}
