// Sleeps, conditions and deadlines: how each ends, and that none leaves a timer or a listener behind.
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Condition } from '../../../actors/time/condition.ts'
import { deadline, within } from '../../../actors/time/deadline.ts'
import { sleep } from '../../../actors/time/sleep.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const listenersOf = (signal: AbortSignal) => getEventListeners(signal, 'abort').length
const waits = {
  'a sleep': (signal: AbortSignal) => ({ ended: sleep(100, signal), afterTime: true }),
  'a wait for a condition': (signal: AbortSignal) => ({ ended: new Condition().wait(100, signal), afterTime: false }),
}
const cases = Object.entries(waits)

test.each(cases)('%s ends with its time', async (_, wait) => {
  const { signal } = new AbortController()
  const { ended, afterTime } = wait(signal)
  await vi.advanceTimersByTimeAsync(99)
  expect(listenersOf(signal)).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  expect([await ended, listenersOf(signal)]).toEqual([afterTime, 0])
})

test.each(cases)('%s ends with the signal, also with one that has fired', async (_, wait) => {
  const left = new AbortController()
  const { ended } = wait(left.signal)
  left.abort()
  expect([await ended, await wait(left.signal).ended]).toEqual([false, false])
  expect([vi.getTimerCount(), listenersOf(left.signal)]).toEqual([0, 0])
})

test('a wakeup ends the waits there are, and none that begins later', async () => {
  const { signal } = new AbortController()
  const condition = new Condition()
  const early = [condition.wait(100, signal), condition.wait(200)]
  condition.wakeup()
  const late = condition.wait(300)
  expect([await Promise.all(early), listenersOf(signal), vi.getTimerCount()]).toEqual([[true, true], 0, 1])
  await vi.advanceTimersByTimeAsync(300)
  expect(await late).toBe(false)
})

test('work that ends in time is what comes of it, and its deadline is over', async () => {
  const late = () => expect.unreachable('it was in time')
  expect(await deadline(Promise.resolve('done'), 100, late)).toBe('done')
  await expect(deadline(Promise.reject(new Error('refused')), 100, late)).rejects.toThrow('refused')
  expect(vi.getTimerCount()).toBe(0)
})

test('work that is late is what `late` returns or throws', async () => {
  const never = new Promise<string>(() => {})
  const given = deadline(never, 100, () => 'instead')
  const thrown = deadline(never, 100, () => {
    throw new Error('too late')
  })
  const named = within(never, 100, 'Nobody came')
  await Promise.all([
    expect(given).resolves.toBe('instead'),
    expect(thrown).rejects.toThrow('too late'),
    expect(named).rejects.toMatchObject({ failure: { kind: 'unreachable', message: 'Nobody came within 100 ms' } }),
    vi.advanceTimersByTimeAsync(100),
  ])
})
