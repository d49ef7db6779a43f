// Policies as people write them: what compiles, and what does not.
import { expect, test } from 'vitest'
import type { ConsumerOptions, HandlerDecision, HandlerErrorContext } from '../../../src/index.ts'
import { resolveOptions } from '../../../src/options/options.ts'

const least = { brokers: ['b1:9092'], groupId: 'orders', topics: ['orders'], eachMessage: async () => {} }
const store = async (_value: Buffer | null | undefined) => {}

test('a policy is a decision, or a function that returns one, at once or later, with one literal or several', () => {
  const decided: HandlerDecision = 'skip'
  const mixed = ({ attempts }: HandlerErrorContext): HandlerDecision | Promise<HandlerDecision> =>
    attempts > 9 ? Promise.resolve('stop') : 'retry'
  const policies: ConsumerOptions[] = [
    {
      ...least,
      onHandlerError: async ({ message }) => {
        await store(message?.value)
        return 'skip'
      },
    },
    { ...least, onHandlerError: async ({ attempts }) => (attempts > 9 ? 'pause' : 'retry') },
    { ...least, onHandlerError: ({ attempts }) => (attempts > 9 ? 'pause' : 'retry') },
    {
      ...least,
      onHandlerError: ({ message }) => {
        void store(message?.value)
        return 'skip'
      },
    },
    { ...least, onHandlerError: () => decided },
    { ...least, onHandlerError: mixed },
    ...(['pause', 'stop', 'skip', 'retry'] as const).map((onHandlerError) => ({ ...least, onHandlerError })),
  ]
  for (const options of policies) expect(() => resolveOptions(options)).not.toThrow()
})

test('a policy that returns anything else does not compile', () => {
  const wrong: ConsumerOptions[] = [
    // @ts-expect-error a word that is no decision
    { ...least, onHandlerError: async () => 'skpi' },
    // @ts-expect-error the same, at once
    { ...least, onHandlerError: () => 'skpi' },
    // @ts-expect-error nothing is returned
    { ...least, onHandlerError: async ({ message }) => store(message?.value) },
    // @ts-expect-error in one case nothing is returned
    { ...least, onHandlerError: ({ attempts }) => (attempts > 9 ? 'skip' : undefined) },
  ]
  expect(wrong).toHaveLength(4)
})
