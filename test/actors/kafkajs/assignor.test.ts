import { AssignerProtocol, PartitionAssigners } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { roundRobin } from '../../../actors/kafkajs/assignor.ts'

const partitions: Readonly<Record<string, number>> = { a: 3, b: 2, c: 4 }

/** A cluster as an assignor sees it; it knows a topic once it is told to look at it. */
function clusterOf(known: readonly string[]) {
  const topics = new Set(known)
  return {
    addMultipleTargetTopics: async (more: readonly string[]) => {
      for (const topic of more) topics.add(topic)
    },
    findTopicPartitionMetadata: (topic: string) =>
      topics.has(topic) ? [...Array(partitions[topic] ?? 0).keys()].map((partitionId) => ({ partitionId })) : [],
  }
}

const members = (subscribed: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(subscribed).map(([memberId, topics]) => ({
    memberId,
    memberMetadata: AssignerProtocol.MemberMetadata.encode({
      version: 0,
      topics: [...topics],
      userData: Buffer.alloc(0),
    }),
  }))

async function assigned(
  assigner: typeof roundRobin,
  own: string[],
  subscribed: Readonly<Record<string, readonly string[]>>,
) {
  const { assign } = assigner({ cluster: clusterOf(own) as never, groupId: 'group', logger: {} as never })
  const decided = await assign({ members: members(subscribed), topics: own })
  return Object.fromEntries(
    decided.map(({ memberId, memberAssignment }) => [
      memberId,
      AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment,
    ]),
  )
}

describe('the assignor', () => {
  it('decides as the one of KafkaJS where all subscribe to the same', async () => {
    const same = { m2: ['a', 'b', 'c'], m1: ['a', 'b', 'c'], m3: ['a', 'b', 'c'] }
    const theirs = await assigned(PartitionAssigners.roundRobin, ['a', 'b', 'c'], same)
    expect(await assigned(roundRobin, ['a', 'b', 'c'], same)).toEqual(theirs)
  })

  it('gives a member only partitions of topics it subscribes to', async () => {
    const decided = await assigned(roundRobin, ['a', 'b'], { m1: ['a', 'b'], m2: ['b'] })
    expect(decided).toEqual({ m1: { a: [0, 1, 2], b: [1] }, m2: { b: [0] } })
  })

  it('gives away topics that the leader does not read', async () => {
    expect(await assigned(roundRobin, ['a'], { m1: ['a'], m2: ['c'] })).toEqual({
      m1: { a: [0, 1, 2] },
      m2: { c: [0, 1, 2, 3] },
    })
  })

  it('gives nothing to a member whose metadata nobody can read, and all the rest to the others', async () => {
    const { assign } = roundRobin({ cluster: clusterOf(['b']) as never, groupId: 'group', logger: {} as never })
    const strange = { memberId: 'm0', memberMetadata: Buffer.from([0, 0, 0, 0, 0, 9]) }
    const decided = await assign({ members: [strange, ...members({ m1: ['b'] })], topics: ['b'] })
    expect(decided.map(({ memberId }) => memberId)).toEqual(['m1'])
  })
})
