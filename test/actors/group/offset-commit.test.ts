// What a diagnostics channel is told of commits.
import { expect, test } from 'vitest'
import type { CommitMessage } from '../../../actors/diagnostics/channels.ts'
import type { Coordinator } from '../../../actors/group/coordinator.ts'
import { commitOffsets } from '../../../actors/group/offset-commit.ts'
import { heard } from '../diagnostics/heard.ts'

const member = { groupId: 'readers', memberId: 'me', generation: 3 }
const offsets = [
  { topic: 'orders', partitions: [0, 1].map((partition) => ({ partition, offset: '7', metadata: null })) },
]
const answering = (codes: readonly number[] | Error) =>
  ({
    call: async () => {
      if (codes instanceof Error) throw codes
      const partitions = codes.map((errorCode, partition) => ({ partition, errorCode }))
      return { responses: [{ topic: 'orders', partitions }] }
    },
  }) as unknown as Coordinator

test.each<[string, readonly number[] | Error, unknown]>([
  ['accepted', [0, 0], undefined],
  ['refused in part', [0, 29], { kind: 'not-authorized', code: '29' }],
  ['without a response', new Error('gone'), { message: 'gone' }],
])('a commit %s is told with its partitions, its time and its failure', async (_, codes, failure) => {
  using told = heard<CommitMessage>('relisten:commit')
  const committed = commitOffsets(answering(codes), member, offsets, 1000)
  if (codes instanceof Error) await expect(committed).rejects.toThrow('gone')
  else await expect(committed).resolves.toEqual(codes)
  expect(told.messages).toEqual([
    {
      ...{ groupId: 'readers', partitions: 2, tookMs: expect.any(Number) },
      failure: failure && expect.objectContaining(failure),
    },
  ])
})
