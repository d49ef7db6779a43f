// Which messages a tail shows, and when it is over.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { EachMessagePayload } from '../../../src/options/payload.ts'
import { Reading } from '../../../src/tail/reading.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const at = (partition: number, offset: number) =>
  ({ partition, message: { offset: String(offset) } }) as EachMessagePayload

function reading(starts: Record<number, bigint>, ends?: Record<number, bigint>) {
  const shown: string[] = []
  const places = (of: Record<number, bigint>) =>
    new Map(Object.entries(of).map(([name, offset]) => [Number(name), offset]))
  const show = ({ partition, message }: EachMessagePayload) => void shown.push(`${partition}:${message.offset}`)
  const one = new Reading(show, places(starts), ends && places(ends))
  let ended = 0
  one.onEnd = () => {
    ended++
  }
  return { one, shown, ended: () => ended }
}

test('it shows each message once, from its start to its end, and ends with the last partition', async () => {
  const { one, shown, ended } = reading({ 0: 5n, 1: 0n }, { 0: 7n, 1: 1n })
  for (const offset of [5, 5, 6, 7]) await one.take(at(0, offset))
  expect([shown, ended()]).toEqual([['0:5', '0:6'], 0])
  await one.take(at(1, 0))
  expect([shown.at(-1), ended(), one.positions.get(0)]).toEqual(['1:0', 1, 8n])
})

test('without an end it never ends', async () => {
  const { one, ended } = reading({ 0: 0n })
  await one.take(at(0, 0))
  vi.advanceTimersByTime(60_000)
  expect([one.isQuiet(), ended()]).toEqual([false, 0])
})

test('it ends where nothing comes any more, and not before it has begun', async () => {
  const { one } = reading({ 0: 0n }, { 0: 9n })
  vi.advanceTimersByTime(60_000)
  expect(one.isQuiet()).toBe(false)
  await one.take(at(0, 3))
  vi.advanceTimersByTime(2900)
  expect(one.isQuiet()).toBe(false)
  vi.advanceTimersByTime(200)
  expect(one.isQuiet()).toBe(true)
})
