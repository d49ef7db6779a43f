// Which member of the balancers' group gets the partitions.
import { expect, test } from 'vitest'
import { oneReader } from '../../../actors/balancer/one-reader.ts'
import { assignerProtocol, type PartitionAssigner } from '../../../actors/kafkajs/consumer.ts'

const cluster = { findTopicPartitionMetadata: () => [{ partitionId: 0 }, { partitionId: 1 }] }
const assignor = (isHolder: boolean) =>
  oneReader(() => isHolder)({ cluster } as unknown as Parameters<PartitionAssigner>[0])
const member = (memberId: string, isHolder = false) => {
  const { metadata } = assignor(isHolder).protocol({ topics: ['metrics'] })
  return { memberId, memberMetadata: metadata }
}

async function chosen(...members: ReturnType<typeof member>[]) {
  const found = await assignor(false).assign({ members, topics: ['metrics'] })
  return found.map(({ memberId, memberAssignment }) => [
    memberId,
    assignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment,
  ])
}

const all = { metrics: [0, 1] }

test.each([
  ['the first by its id, where none has any', [member('b'), member('a'), member('c')], 'a'],
  ['the one that has them', [member('a'), member('c', true), member('b')], 'c'],
  ['the first of two that claim them', [member('c', true), member('b', true), member('a')], 'b'],
  ['whoever can be read', [{ memberId: 'a', memberMetadata: Buffer.alloc(1) }, member('b', true)], 'b'],
])('all partitions go to %s', async (_, members, memberId) => {
  expect(await chosen(...members)).toEqual([[memberId, all]])
})

test('without members nothing is given away', async () => {
  expect(await chosen()).toEqual([])
})
