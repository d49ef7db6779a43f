// The callbacks for partitions by themselves: in turn, by a deadline, and what becomes of one that fails.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Assignment } from '../../../actors/delivery/assignment.ts'
import { type RebalanceCallbackOptions, RebalanceCallbacks } from '../../../actors/session/rebalance-callback.ts'
import type { Fact } from '../../../machines/fact.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const assignment = new Assignment(3, 7, { orders: [0, 2], bills: [1] })

function callbacksWith(options: Partial<RebalanceCallbackOptions>) {
  const facts: Fact[] = []
  const limits = { drainTimeoutMs: 1000, rebalanceTimeout: 60_000 }
  return { facts, callbacks: new RebalanceCallbacks({ ...limits, emit: (fact) => facts.push(fact), ...options }) }
}

const never = () => new Promise<void>(() => {})

test('a callback is given its partitions one by one, and is waited for', async () => {
  const onPartitionsAssigned = vi.fn(async () => {})
  const { callbacks, facts } = callbacksWith({ onPartitionsAssigned })
  expect(await callbacks.call('onPartitionsAssigned', assignment)).toBeUndefined()
  expect(await callbacks.call('onPartitionsRevoked', assignment)).toBeUndefined()
  const partitions = [
    { topic: 'orders', partition: 0 },
    { topic: 'orders', partition: 2 },
    { topic: 'bills', partition: 1 },
  ]
  expect(onPartitionsAssigned.mock.calls).toEqual([[partitions]])
  expect(facts).toEqual([])
})

test('one is over before the next begins', async () => {
  const log: string[] = []
  const { callbacks } = callbacksWith({
    onPartitionsAssigned: async () => {
      log.push('assigned begins')
      await new Promise((resolve) => setTimeout(resolve, 500))
      log.push('assigned ends')
    },
    onPartitionsRevoked: () => log.push('revoked'),
  })
  const calls = [callbacks.call('onPartitionsAssigned', assignment), callbacks.call('onPartitionsRevoked', assignment)]
  await vi.advanceTimersByTimeAsync(500)
  await Promise.all(calls)
  expect(log).toEqual(['assigned begins', 'assigned ends', 'revoked'])
})

test.each([
  ['drainTimeoutMs', {}, undefined, 1000],
  ['a fifth of the rebalance timeout', { rebalanceTimeout: 2000 }, undefined, 400],
  ['what is left of a stop', {}, 50, 50],
])('one that hangs is waited for by %s, and told', async (_what, options, withinMs, waitMs) => {
  const { callbacks, facts } = callbacksWith({ ...options, onPartitionsRevoked: never })
  const call = callbacks.call('onPartitionsRevoked', assignment, withinMs)
  await vi.advanceTimersByTimeAsync(waitMs - 1)
  expect(facts).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(await call).toBeUndefined()
  const failure = { kind: 'callback-failed', message: `onPartitionsRevoked did not end within ${waitMs} ms` }
  expect(facts).toEqual([{ type: 'callback.failed', epoch: 3, callback: 'onPartitionsRevoked', failure }])
})

test.each([
  ['throws', () => Promise.reject(new Error('no store'))],
  [
    'throws at once',
    () => {
      throw new Error('no store')
    },
  ],
])('one that %s says so, and the next one comes', async (_what, onPartitionsLost) => {
  const onPartitionsAssigned = vi.fn()
  const { callbacks, facts } = callbacksWith({ onPartitionsLost, onPartitionsAssigned })
  const failure = { kind: 'callback-failed', message: 'onPartitionsLost threw: no store' }
  expect(await callbacks.call('onPartitionsLost', assignment)).toEqual(failure)
  expect(facts).toEqual([{ type: 'callback.failed', epoch: 3, callback: 'onPartitionsLost', failure }])
  await callbacks.call('onPartitionsAssigned', assignment)
  expect(onPartitionsAssigned).toHaveBeenCalledOnce()
})
