// Plans that are carried out on a cluster in memory: what is asked of it, and what is not.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ExecutorSettings } from '../../../actors/balancer/execution-settings.ts'
import type { Step } from '../../../machines/balancer/plan.ts'
import { nothingUnfinished } from '../../../machines/balancer/unfinished.ts'
import { executionOn, stepTo } from '../../balancer/execution-stage.ts'
import { FakeControls } from '../../balancer/fake-controls.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const never = new AbortController().signal

function staged(settings: Partial<ExecutorSettings> = {}) {
  const controls = new FakeControls()
  for (const partition of [0, 1, 2]) controls.put('orders', partition, [1, 2])
  const execution = executionOn(controls, settings)
  const begin = (steps: readonly Step[], signal = never) => execution.executor.carryOut(steps, signal)
  return { controls, ...execution, begin }
}

const move = stepTo('orders', 0, 'replica', 2, 3, [1, 3], 100)
const lead = stepTo('orders', 1, 'leader', 1, 2, [2, 1])

test('a leader moves by a reorder and an election, before bytes are moved', async () => {
  const { controls, ends, begin } = staged()
  const result = begin([move, lead])
  await pass(150)
  expect(controls.asked).toEqual(['reassign orders/1 2,1', 'elect orders/1'])
  await pass(300)
  expect(controls.asked.at(-1)).toBe('reassign orders/0 1,3')
  controls.copy('orders/0')
  await pass(200)
  expect(await result).toEqual({ moved: 2, failed: 0 })
  expect(ends()).toEqual(['1 leader done', '0 replica done'])
})

test('a leader that does not follow its election in time has not moved', async () => {
  const { controls, ends, begin } = staged({ electMs: 1000 })
  controls.failing.set('elect', 'refused')
  const result = begin([lead])
  await pass(1500)
  expect(await result).toEqual({ moved: 0, failed: 1 })
  expect(ends()).toEqual(['1 leader failed not-elected'])
})

test('a request whose answer is lost is not repeated when the cluster shows that it was carried out', async () => {
  const { controls, begin } = staged()
  controls.failing.set('reassign', 'lost')
  const result = begin([move])
  await pass(1000)
  expect(controls.asked).toEqual(['reassign orders/0 1,3'])
  controls.copy('orders/0')
  await pass(200)
  expect(await result).toEqual({ moved: 1, failed: 0 })
})

test('a request that did not reach the cluster is repeated five times at most, each time later', async () => {
  const { controls, ends, begin } = staged()
  controls.failing.set('reassign', 'refused')
  const result = begin([move])
  await pass(500)
  expect(controls.asked).toHaveLength(3)
  await pass(2000)
  expect(await result).toEqual({ moved: 0, failed: 1 })
  expect(controls.asked).toHaveLength(5)
  expect(ends()).toEqual(['0 replica failed not-accepted'])
})

test('an error that asking again does not change ends the step', async () => {
  const { controls, ends, begin } = staged()
  controls.errors.set('reassign', 39)
  const result = begin([move])
  await pass(500)
  expect(await result).toEqual({ moved: 0, failed: 1 })
  expect([controls.asked.length, ends()]).toEqual([1, ['0 replica failed error 39']])
})

test('a step that is done already is not asked for', async () => {
  const { controls, begin } = staged()
  controls.put('orders', 0, [1, 3])
  const result = begin([move])
  await pass(200)
  expect(await result).toEqual({ moved: 1, failed: 0 })
  expect(controls.asked).toEqual([])
})

test('a reassignment that somebody else began is left alone, also where it replaces ours', async () => {
  const { controls, ends, begin } = staged({ stallMs: 500 })
  const foreign = { topic: 'orders', partition: 0, adding: [4], removing: [1] }
  controls.moves.set('orders/0', foreign)
  controls.put('orders', 0, [1, 2, 4], { isr: [1, 2] })
  const result = begin([move, stepTo('orders', 2, 'replica', 2, 3, [1, 3])])
  await pass(200)
  controls.moves.set('orders/2', { topic: 'orders', partition: 2, adding: [4], removing: [1] })
  await pass(3000)
  expect(await result).toEqual({ moved: 0, failed: 2 })
  expect(controls.asked).toEqual(['reassign orders/2 1,3'])
  expect(ends()).toEqual(['0 replica failed foreign', '2 replica failed foreign'])
  expect([...controls.moves.keys()]).toEqual(['orders/0', 'orders/2'])
})

test('moves of others that leave no room hold new steps, and end the round when they stay', async () => {
  const { controls, begin } = staged({ holdMs: 3000 })
  for (const partition of [0, 1, 2, 3, 4]) {
    controls.put('other', partition, [1, 2, 3], { isr: [1, 2] })
    controls.moves.set(`other/${partition}`, { topic: 'other', partition, adding: [3], removing: [2] })
  }
  const result = begin([move])
  await pass(4000)
  expect(await result).toEqual({ moved: 0, failed: 1, reason: 'held' })
  expect(controls.asked).toEqual([])
})

test('a partition whose replicas are others than the plan knows is not moved', async () => {
  const { controls, ends, begin } = staged()
  controls.put('orders', 0, [1, 4])
  const result = begin([move])
  await pass(500)
  expect(await result).toEqual({ moved: 0, failed: 1 })
  expect([controls.asked, ends()]).toEqual([[], ['0 replica failed changed']])
})

test('one reading by a broker that lags behind ends no step', async () => {
  const { controls, begin } = staged()
  const result = begin([move])
  await pass(50)
  controls.moves.delete('orders/0')
  await pass(100)
  controls.put('orders', 0, [1, 3])
  await pass(200)
  expect(await result).toEqual({ moved: 1, failed: 0 })
})

test('nothing is moved to a broker that is not there, where Kafka would wait for ever', async () => {
  const { controls, ends, begin } = staged()
  controls.brokers = controls.brokers.filter(({ id }) => id !== 3)
  const result = begin([move])
  await pass(500)
  expect(await result).toEqual({ moved: 0, failed: 1 })
  expect([controls.asked, ends()]).toEqual([[], ['0 replica failed absent']])
})

test('a move that does not grow is cancelled, and the cancellation is waited for', async () => {
  const { controls, ends, begin, executor } = staged({ stallMs: 1000 })
  controls.copied.set('orders/0', 30)
  const result = begin([move])
  await pass(900)
  expect(executor.progress().bytes).toEqual({ copied: 30, total: 100 })
  controls.copied.set('orders/0', 60)
  await pass(1000)
  expect(controls.asked).toHaveLength(1)
  await pass(500)
  expect(controls.asked.at(-1)).toBe('reassign orders/0 null')
  expect(await result).toEqual({ moved: 0, failed: 1 })
  expect(ends()).toEqual(['0 replica cancelled stalled'])
})

test('a move is not cancelled while too few of its replicas of before are in sync', async () => {
  const { controls, ends, begin } = staged({ stallMs: 500, cancelMs: 2000, holdMs: 60_000 })
  controls.values.set('topic orders min.insync.replicas', '2')
  const result = begin([move])
  await pass(100)
  const place = controls.places.get('orders/0')
  if (place) place.isr = [1]
  await pass(1500)
  expect(controls.asked).toEqual(['reassign orders/0 1,3'])
  if (place) place.isr = [1, 2]
  await pass(500)
  expect(await result).toEqual({ moved: 0, failed: 1 })
  expect(ends()).toEqual(['0 replica cancelled stalled'])
})

test('a cancellation that never may be is given up at its deadline', async () => {
  const { controls, ends, begin } = staged({ stallMs: 500, cancelMs: 1000, holdMs: 60_000 })
  controls.values.set('topic orders min.insync.replicas', '3')
  const result = begin([move])
  await pass(2500)
  expect(await result).toEqual({ moved: 0, failed: 1 })
  expect(controls.asked).toEqual(['reassign orders/0 1,3'])
  expect(ends()).toEqual(['0 replica failed not-cancelled'])
})

test('replicas out of sync hold new steps, and end the round when they stay so', async () => {
  const { controls, begin } = staged({ holdMs: 5000 })
  controls.put('other', 0, [1, 2], { isr: [1] })
  const result = begin([move])
  await pass(3000)
  expect(controls.asked).toEqual([])
  await pass(3000)
  expect(await result).toEqual({ moved: 0, failed: 1, reason: 'under-replicated' })
})

test('a broker that comes back in time holds new steps and ends nothing', async () => {
  const { controls, begin } = staged({ lostMs: 2000 })
  const all = controls.brokers
  const result = begin([lead, move])
  await pass(50)
  controls.brokers = all.filter(({ id }) => id !== 4)
  await pass(1500)
  expect(controls.asked).not.toContain('reassign orders/0 1,3')
  controls.brokers = all
  await pass(300)
  controls.copy('orders/0')
  await pass(200)
  expect(await result).toEqual({ moved: 2, failed: 0 })
})

test.each([
  ['broker-lost', ['a', 'a', 'a', 'a']],
  ['broker-lost', [null, null, null, null]],
  ['rack-lost', ['a', 'a', 'b', 'b']],
] as const)('a round ends as %s where racks are %s; moves to what is lost are cancelled', async (reason, racks) => {
  const { controls, ends, begin } = staged({ lostMs: 2000 })
  controls.brokers = racks.map((rack, index) => ({ id: index + 1, rack }))
  const result = begin([move, stepTo('orders', 0, 'replica', 1, 4, [4, 3])])
  await pass(50)
  controls.brokers = controls.brokers.slice(0, 2)
  await pass(3000)
  expect(await result).toEqual({ moved: 0, failed: 2, reason })
  expect(ends()).toEqual(['0 replica cancelled broker-lost'])
  expect(controls.asked).toEqual(['reassign orders/0 1,3', 'reassign orders/0 null'])
})

test.each([
  ['cancel', ['0 replica cancelled stopped'], { moved: 0, failed: 2, reason: 'stopped' }],
  ['finish', ['0 replica done'], { moved: 1, failed: 1, reason: 'stopped' }],
] as const)(
  'a stop begins nothing more, and what is under way does as it was chosen: %s',
  async (onStop, over, expected) => {
    const { controls, ends, begin } = staged({ onStop })
    const stop = new AbortController()
    const result = begin([move, stepTo('orders', 0, 'replica', 1, 4, [4, 3])], stop.signal)
    await pass(150)
    stop.abort()
    await pass(20)
    if (onStop === 'finish') controls.copy('orders/0')
    await pass(500)
    expect(await result).toEqual(expected)
    expect(ends()).toEqual(over)
  },
)

test('what goes on after a stop is cancelled at a deadline', async () => {
  const { ends, begin } = staged({ onStop: 'finish', finishMs: 2000 })
  const stop = new AbortController()
  const result = begin([move], stop.signal)
  await pass(150)
  stop.abort()
  await pass(3000)
  expect(await result).toEqual({ moved: 0, failed: 1, reason: 'stopped' })
  expect(ends()).toEqual(['0 replica cancelled stopped'])
})

test('a cluster that can not be read for a while is waited for, and ends the round at a deadline', async () => {
  const { controls, begin } = staged({ blindMs: 5000 })
  controls.failing.set('topology', 'lost')
  const result = begin([move])
  await pass(4000)
  controls.failing.delete('topology')
  await pass(500)
  expect(controls.asked).toEqual(['reassign orders/0 1,3'])
  controls.failing.set('topology', 'lost')
  await pass(6000)
  expect(await result).toEqual({ moved: 0, failed: 1, reason: 'unreachable' })
})

test('steps of an earlier life are read from the cluster: done, waited for, or closed without being asked for', async () => {
  const { controls, executor, ends } = staged()
  controls.put('orders', 1, [2, 1])
  controls.put('orders', 0, [1, 3, 2], { isr: [1, 2] })
  controls.moves.set('orders/0', { topic: 'orders', partition: 0, adding: [3], removing: [2] })
  const steps = [move, lead, stepTo('orders', 2, 'replica', 2, 3, [1, 3])].map((step) => ({ round: 1, ...step }))
  const unfinished = {
    ...nothingUnfinished,
    round: 1,
    steps: new Map(steps.map((each) => [`orders/${each.partition}`, each])),
  }
  const result = executor.takeUp(unfinished, never)
  await pass(3000)
  expect(ends()).toEqual(['2 replica failed not-begun', '1 leader done'])
  controls.copy('orders/0')
  await pass(200)
  expect(await result).toEqual({ moved: 2, failed: 1, reason: 'restarted' })
  expect(controls.asked).toEqual([])
})
