/**
 * The assignor: KafkaJS's round robin, which gives each member only partitions of topics it subscribes to. KafkaJS's own gives all topics of whoever leads the
 * group to all members: where subscriptions differ, some partitions go to members that do not read them, and topics the leader does not read go to nobody.
 * It has the same name and the same protocol, so it leads groups with KafkaJS's members in them; where all subscribe to the same it decides the same.
 */

import { assignerProtocol, type PartitionAssigner } from './consumer.ts'

const name = 'RoundRobinAssigner'
const version = 0
const userData = Buffer.alloc(0)

/** What of KafkaJS's cluster it needs. */
interface Known {
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>
  findTopicPartitionMetadata(topic: string): { readonly partitionId: number }[]
}

export const roundRobin: PartitionAssigner = ({ cluster }) => {
  const known = cluster as unknown as Known
  return {
    name,
    version,
    protocol: ({ topics }) => ({
      name,
      metadata: assignerProtocol.MemberMetadata.encode({ version, topics, userData }),
    }),
    async assign({ members, topics: own }) {
      const subscribed = new Map(
        members
          .map(({ memberId, memberMetadata }) => [memberId, topicsIn(memberMetadata)] as const)
          .sort(([one], [other]) => (one < other ? -1 : 1)),
      )
      const others = [...new Set([...subscribed.values()].flatMap((topics) => [...topics]))]
      const topics = [...own, ...others.filter((topic) => !own.includes(topic)).sort()]
      // A topic that only others read and that is gone keeps nobody from the rest.
      if (topics.length > own.length) await known.addMultipleTargetTopics(topics).catch(() => {})
      const assigned = new Map<string, Record<string, number[]>>()
      let turn = 0
      for (const topic of topics) {
        const readers = [...subscribed].filter(([, list]) => list.has(topic)).map(([memberId]) => memberId)
        for (const { partitionId } of known.findTopicPartitionMetadata(topic)) {
          const memberId = readers[turn++ % readers.length]
          if (memberId === undefined) continue
          const partitions = assigned.get(memberId) ?? {}
          assigned.set(memberId, partitions)
          partitions[topic] ??= []
          partitions[topic].push(partitionId)
        }
      }
      return [...assigned].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: assignerProtocol.MemberAssignment.encode({ version, assignment, userData }),
      }))
    },
  }
}

/** The topics in a member's metadata; none where somebody else's member wrote what nobody can read. */
function topicsIn(metadata: Buffer): ReadonlySet<string> {
  try {
    return new Set(assignerProtocol.MemberMetadata.decode(metadata)?.topics)
  } catch {
    return new Set()
  }
}
