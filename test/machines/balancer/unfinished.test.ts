// What facts say of an earlier life: steps without an end, throttles that are not restored.
import { expect, test } from 'vitest'
import { nothingUnfinished, reduceUnfinished, throttleKey } from '../../../machines/balancer/unfinished.ts'
import type { FactData } from '../../../machines/fact.ts'

type Told = { readonly [Type in keyof FactData]: readonly [type: Type, data: FactData[Type]] }[keyof FactData]
const after = (...facts: readonly Told[]) =>
  facts.reduce((fold, [type, data]) => reduceUnfinished(fold, { type, data }), nothingUnfinished)

const step = { ...{ round: 3, topic: 'orders', partition: 1, from: 1, to: 2 }, kind: 'replica' as const }
const begun: Told = ['step.begun', { ...step, replicas: [3, 2], bytes: 10 }]
const ended = (own: Partial<FactData['step.ended']> = {}): Told => [
  'step.ended',
  { ...step, result: 'done', bytes: 10, reason: null, ...own },
]
const rate = { ...{ on: 'broker' as const, name: '1' }, config: 'leader.replication.throttled.rate' }
const set = (before: string | null, value: string): Told => ['throttle.set', { ...rate, before, value }]

test('a round is unfinished from its begin to its end', () => {
  expect(after().round).toBeNull()
  expect(after(['execution.begun', { round: 3 }]).round).toBe(3)
  expect(
    after(['execution.begun', { round: 3 }], ['execution.ended', { round: 3, moved: 1, failed: 0 }]).round,
  ).toBeNull()
  expect(after(['execution.begun', { round: 3 }], ['round.begun', { round: 4 }]).round).toBe(3)
})

test('a step is unfinished until it ends, however it ends', () => {
  expect([...after(begun).steps]).toEqual([['orders/1', { ...step, replicas: [3, 2], bytes: 10 }]])
  for (const result of ['done', 'cancelled', 'failed'] as const)
    expect(after(begun, ended({ result })).steps.size).toBe(0)
  expect(after(begun, ended({ partition: 2 })).steps.size).toBe(1)
  expect([...after(begun, ended(), begun).steps.keys()]).toEqual(['orders/1'])
})

test('a step that is unfinished stays so when its round ends', () => {
  const fold = after(begun, ['execution.ended', { round: 3, moved: 0, failed: 0 }])
  expect([fold.round, fold.steps.size]).toEqual([null, 1])
})

test('a throttle is held with what was there before the first value, and all values since', () => {
  const fold = after(set('5', '3'), set('3', '4'), set('5', '6'))
  expect([...fold.throttles]).toEqual([[throttleKey(rate), { ...rate, before: '5', values: ['3', '4', '6'] }]])
  expect(after(set(null, '3'), set('3', '4')).throttles.get(throttleKey(rate))?.before).toBeNull()
})

test('throttles are apart by what they are set on, its name, and the setting', () => {
  const others = [
    { ...rate, name: '2' },
    { ...rate, on: 'topic' as const },
    { ...rate, config: 'follower.replication.throttled.rate' },
  ]
  const all = others.map((other): Told => ['throttle.set', { ...other, before: null, value: '1' }])
  expect(after(set(null, '1'), ...all).throttles.size).toBe(4)
  expect(after(set(null, '1'), ...all, ['throttle.restored', { ...rate, value: null }]).throttles.size).toBe(3)
})

test('a throttle is held no longer when it was restored, or when somebody else has changed it', () => {
  expect(after(set(null, '3'), ['throttle.restored', { ...rate, value: null }]).throttles.size).toBe(0)
  expect(after(set(null, '3'), ['throttle.left', { ...rate, reason: 'changed' }]).throttles.size).toBe(0)
  expect(after(set(null, '3'), ['throttle.left', { ...rate, reason: 'unreachable' }]).throttles.size).toBe(1)
})

test('what is set after it was restored has a new value of before', () => {
  const fold = after(set('5', '3'), ['throttle.restored', { ...rate, value: '5' }], set(null, '7'))
  expect(fold.throttles.get(throttleKey(rate))).toMatchObject({ before: null, values: ['7'] })
})

test('a throttle of somebody else is not held, and other facts change nothing', () => {
  const held = after(set(null, '3'))
  expect(reduceUnfinished(held, { type: 'round.closed', data: { round: 1, result: 'still' } })).toBe(held)
  expect(after(['throttle.found', { ...rate, value: '3' }])).toBe(nothingUnfinished)
})
