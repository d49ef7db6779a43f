import { afterEach, expect, test, vi } from 'vitest'
import { LoopDelay } from '../../../src/opentelemetry/event-loop.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('a delay of the event loop is seen before any timer runs, by everybody who asks, for a minute', () => {
  let now = 1000
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const delay = new LoopDelay()
  const pass = (seconds: number) => {
    for (const end = now + seconds * 1000; now < end; vi.advanceTimersByTime(20)) now += 20
  }
  pass(1)
  expect(delay.longest()).toBe(0)
  now += 500
  expect(delay.longest()).toBe(480)
  expect(delay.longest()).toBe(480)
  pass(30)
  now += 200
  pass(29)
  expect(delay.longest()).toBe(500)
  pass(2)
  expect(delay.longest()).toBe(200)
  pass(60)
  expect(delay.longest()).toBe(0)
  delay.close()
})
