// The pace of logins: who goes alone, who goes beside others, and who shares a refusal.

import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { DialPace } from '../../../actors/connection/dial-pace.ts'
import type { Endpoint } from '../../../machines/endpoint.ts'
import type { FailureKind } from '../../../machines/failure.ts'

const here: Endpoint = { host: 'a', port: 1 }
const elsewhere: Endpoint = { host: 'b', port: 1 }
let now = 0

beforeEach(() => {
  now = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})
afterEach(() => void vi.restoreAllMocks())

const failure = (code: string, kind: FailureKind = 'dial-failed') => new ConnectionError({ kind, message: code, code })
const refused = () => Promise.reject(failure('SASL_AUTHENTICATION_FAILED', 'login-refused'))

test('a login that was never accepted is tried once in 5 to 60 s over all endpoints, and those that wait share its failure', async () => {
  const pace = new DialPace(() => 0)
  let tried = 0
  const attempt = async () => {
    tried += 1
    return refused()
  }
  const ends = await Promise.allSettled([here, elsewhere, here].map((where) => pace.login(where, attempt)))
  expect([tried, ends.map(({ status }) => status)]).toEqual([1, ['rejected', 'rejected', 'rejected']])
  expect([pace.waitMs(here), pace.waitMs(elsewhere)]).toEqual([5000, 5000])
  const times = [now]
  while (times.length < 6) {
    now += pace.waitMs(here)
    times.push(now)
    await pace.login(here, attempt).catch(() => {})
  }
  expect(times.map((time, index) => time - (times[index - 1] ?? time))).toEqual([
    0, 5000, 10_000, 20_000, 40_000, 40_000,
  ])
})

test('once a login was accepted the first at an endpoint goes alone, and those behind it run side by side', async () => {
  const pace = new DialPace()
  await pace.login(elsewhere, async () => {})
  expect(pace.isLoginProven).toBe(true)
  const running: string[] = []
  const ends: (() => void)[] = []
  const begin = (name: string, where: Endpoint) =>
    pace.login(where, () => {
      running.push(name)
      return new Promise<void>((resolve) => ends.push(resolve))
    })
  const all = [begin('one', here), begin('two', here), begin('three', here), begin('other', elsewhere)]
  await turn()
  expect(running).toEqual(['one', 'other'])
  ends[0]?.()
  await turn()
  expect(running.slice(2)).toEqual(['two', 'three'])
  for (const end of ends) end()
  await Promise.all(all)
})

test('logins go side by side at an endpoint that accepted one a moment ago, as links follow the poller to a new place', async () => {
  const pace = new DialPace()
  let running = 0
  const ends: (() => void)[] = []
  const begin = () =>
    pace.run(here, {}, () =>
      pace.login(here, () => {
        running += 1
        return new Promise<void>((resolve) => ends.push(resolve))
      }),
    )
  const round = async (count: number) => {
    running = 0
    const all = Array.from({ length: count }, begin)
    await turn()
    const first = running
    while (running < count || ends.length > 0) {
      for (const end of ends.splice(0)) end()
      await turn()
    }
    await Promise.all(all)
    return first
  }
  expect(await round(1)).toBe(1)
  now += 1000
  expect(await round(3)).toBe(3)
  now += 5000
  expect(await round(3)).toBe(1)
})

test('a login that an endpoint refuses is tried there by one of many, and elsewhere as ever', async () => {
  const pace = new DialPace(() => 0)
  await pace.login(elsewhere, async () => {})
  let tried = 0
  const attempt = async () => {
    tried += 1
    return refused()
  }
  const dials = [1, 2, 3].map((nodeId) => pace.run(here, { nodeId }, () => pace.login(here, attempt)))
  await Promise.allSettled(dials)
  await expect(pace.login(here, attempt)).rejects.toThrow()
  expect([tried, pace.waitMs(here), pace.waitMs(elsewhere)]).toEqual([1, 5000, 0])
  await pace.login(elsewhere, async () => {})
  now += 5000
  await pace.run(here, {}, () => pace.login(here, attempt)).catch(() => {})
  expect([tried, pace.waitMs(here)]).toEqual([2, 10_000])
})

test('logins that go side by side end with the first that is refused, before they tell the same again', async () => {
  const pace = new DialPace(() => 0)
  await pace.login(here, async () => {})
  const begun: (() => void)[] = []
  const attempt = () =>
    new Promise<void>((_, reject) => begun.push(() => reject(failure('SASL_AUTHENTICATION_FAILED', 'login-refused'))))
  const dials = [1, 2, 3].map((nodeId) => pace.run(here, { nodeId }, () => pace.login(here, attempt)))
  await turn()
  expect(begun).toHaveLength(3)
  begun[1]?.()
  const ends = await Promise.allSettled(dials)
  expect(ends.map((end) => end.status === 'rejected' && end.reason.failure.kind)).toEqual(
    Array(3).fill('login-refused'),
  )
  expect([pace.failuresAt(here), pace.waitMs(here)]).toEqual([1, 5000])
})

test('a login whose connection broke says nothing of the credentials', async () => {
  const pace = new DialPace()
  await expect(pace.login(here, () => Promise.reject(failure('ECONNRESET')))).rejects.toThrow()
  let tried = false
  await pace.login(here, async () => {
    tried = true
  })
  expect([tried, pace.waitMs(here)]).toEqual([true, 0])
})
