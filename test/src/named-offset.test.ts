// What a caller of `commit` is rejected with.
import { expect, test } from 'vitest'
import { ConnectionError } from '../../actors/connection/connection.ts'
import { CommitRejection } from '../../actors/group/commit-rejection.ts'
import { commitError } from '../../src/named-offset.ts'

const named = { topic: 'orders', partition: 0, offset: 5n }

test.each(['not-assigned', 'fenced', 'out-of-range'] as const)(
  'an offset that is %s is told with its cause and the next step',
  (code) => {
    const error = commitError(new CommitRejection(code, named, 'it is so'))
    expect(error).toMatchObject({
      name: 'RelistenError',
      code,
      what: 'Offset 5 of orders/0 is not committed: it is so',
    })
    expect((error as Error).message).toMatch(/ Likely cause: .+\. Next step: .+\.$/)
  },
)

test('a commit that the coordinator refuses speaks of the commit, and not of a join', () => {
  const failure = {
    kind: 'group-refused',
    message: 'The coordinator refused a commit with Kafka’s error 3',
    code: '3',
  } as const
  const error = commitError(new ConnectionError(failure)) as Error
  expect(error).toMatchObject({ code: 'group-refused', failure })
  expect(error.message).toMatch(/^The coordinator refused a commit with .+ Likely cause: the topic was deleted/)
})

test('one that nobody answers has the advice of its failure', () => {
  const error = commitError(new ConnectionError({ kind: 'unreachable', message: 'no coordinator' }))
  expect(error).toMatchObject({ code: 'unreachable', message: expect.stringContaining('No broker answered') })
})

test('whatever else is thrown is left as it is', () => {
  const error = new Error('a bug')
  expect(commitError(error)).toBe(error)
})
