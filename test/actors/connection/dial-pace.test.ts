// The pace of trying again: who goes when, whose failure counts for whom, and how long everybody waits after it.

import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { bounds, RetryPace, Streak } from '../../../actors/connection/dial-pace.ts'
import type { Endpoint } from '../../../machines/endpoint.ts'
import type { FailureKind } from '../../../machines/failure.ts'

const here: Endpoint = { host: 'a', port: 1 }
const elsewhere: Endpoint = { host: 'b', port: 1 }
let now = 0
const slowest = () => 0.999999

beforeEach(() => {
  now = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})
afterEach(() => void vi.restoreAllMocks())

const failure = (code: string, kind: FailureKind = 'dial-failed') => new ConnectionError({ kind, message: code, code })

/** Dials that are told how they end, in the order in which they began. */
function stage(pace = new RetryPace(slowest)) {
  const begun: { name: string; succeed: () => void; fail: (code?: string, kind?: FailureKind) => void }[] = []
  const ended: string[] = []
  const dial = (
    name: string,
    where = here,
    { nodeId = 1, urgent = false, signal = new AbortController().signal } = {},
  ) => {
    const work = () =>
      new Promise<void>((resolve, reject) => {
        begun.push({ name, succeed: resolve, fail: (code = 'ECONNREFUSED', kind) => reject(failure(code, kind)) })
      })
    pace.run(where, { nodeId, urgent, signal }, work).then(
      () => ended.push(`${name} connected`),
      (error: Error) => ended.push(`${name} ${error.message}`),
    )
  }
  return { pace, begun, ended, dial }
}

test('eight dials of an endpoint run at a time, one more after each that succeeds, and never more than 32', async () => {
  const { begun, dial } = stage()
  for (let index = 0; index < 200; index += 1) dial(`dial ${index}`)
  expect(begun).toHaveLength(8)
  const running: number[] = []
  for (let index = 0; index < 100; index += 1) {
    begun[index]?.succeed()
    await turn()
    running.push(begun.length - index - 1)
  }
  expect(running.slice(0, 3)).toEqual([9, 10, 11])
  expect(Math.max(...running)).toBe(32)
})

test('each kind of failure grows by itself: the first refused login after many failed dials is tried again in 5 to 7.5 s', () => {
  const pace = new RetryPace(slowest)
  for (let times = 0; times < 10; times += 1) pace.failed(here, failure('ECONNREFUSED'))
  pace.failed(here, failure('SASL_AUTHENTICATION_FAILED', 'login-refused'))
  expect(pace.waitMs(here)).toBeCloseTo(7500, 0)
  // A dial that ran beside it ends nothing.
  pace.failed(here, failure('ECONNRESET'))
  expect(pace.waitMs(here)).toBeCloseTo(7500, 0)
  expect(pace.isRefused(here)).toBe(true)
  now += 7501
  pace.failed(here, failure('SASL_AUTHENTICATION_FAILED', 'login-refused'))
  expect(pace.waitMs(here)).toBeCloseTo(15_000, 0)
})

test('an urgent dial goes before those that wait, and one that nobody waits for any more is left out', async () => {
  const { begun, ended, dial } = stage()
  const gone = new AbortController()
  for (let index = 0; index < 9; index += 1) dial(`dial ${index}`, here, { signal: gone.signal })
  dial('late')
  dial('urgent', here, { urgent: true })
  gone.abort()
  begun[0]?.succeed()
  begun[1]?.succeed()
  await turn()
  expect(
    begun
      .slice(8)
      .map(({ name }) => name)
      .slice(0, 2),
  ).toEqual(['urgent', 'late'])
  expect(ended).toContain('dial 8 The dial is no longer wanted.')
})

test('a failure counts for all who wait, and once; then nobody dials before the wait is over, and one tries', async () => {
  const { pace, begun, ended, dial } = stage()
  for (let index = 0; index < 10; index += 1) dial(`dial ${index}`)
  begun[0]?.fail()
  await turn()
  expect(ended.toSorted()).toEqual(['dial 0 ECONNREFUSED', 'dial 8 ECONNREFUSED', 'dial 9 ECONNREFUSED'])
  for (const { fail } of begun.slice(1)) fail()
  await turn()
  expect([pace.failuresAt(here), pace.isFree(here), Math.round(pace.waitMs(here))]).toEqual([1, false, 30])
  now += 30
  expect(pace.isFree(here)).toBe(true)
  dial('probe')
  dial('second')
  dial('third')
  expect([begun.slice(8).map(({ name }) => name), pace.isFree(here)]).toEqual([['probe'], false])
  begun.at(-1)?.succeed()
  await turn()
  expect(begun.slice(9).map(({ name }) => name)).toEqual(['second', 'third'])
})

/** How often something that always fails is tried within a time, when it is tried as soon as it may be. */
function triesWithin(limitMs: number, waitMs: () => number, fail: () => void): number {
  const end = now + limitMs
  let tries = 0
  for (; now < end; now += waitMs()) {
    tries += 1
    fail()
  }
  return tries
}

test.each([
  ['dial', 66, 60],
  ['refusal', 60, 60],
  ['login', 6, 2],
  ['lookUp', 185, 181],
  ['question', 66, 60],
  ['denial', 14, 12],
] as const)(
  '%s: tried as soon as it may be, at most %i times in the first minute and %i in each later one',
  (name, first, later) => {
    const streak = new Streak(() => 0)
    const tries = () =>
      triesWithin(
        60_000,
        () => streak.waitMs,
        () => streak.failed(bounds[name]),
      )
    expect(tries()).toBeLessThanOrEqual(first)
    tries()
    expect(tries()).toBeLessThanOrEqual(later)
  },
)

test('links and the poller together dial an endpoint that is away at most 66 times in a minute', async () => {
  const pace = new RetryPace(() => 0)
  let dials = 0
  const away = async () => {
    dials += 1
    throw failure('ECONNREFUSED')
  }
  for (const end = now + 60_000; now < end; now += 1) {
    if (pace.waitMs(here) > 0) continue
    await Promise.allSettled([1, 2, 3].map((nodeId) => pace.run(here, { nodeId }, away)))
  }
  // The first ones began together.
  expect(dials).toBeLessThanOrEqual(66 + 2)
})

test('a dial that its owner gave up says nothing about the endpoint', async () => {
  const { pace, begun, ended, dial } = stage()
  for (let index = 0; index < 9; index += 1) dial(`dial ${index}`)
  begun[0]?.fail('ABORT_ERR')
  await turn()
  expect([ended, pace.waitMs(here), begun.at(-1)?.name]).toEqual([['dial 0 ABORT_ERR'], 0, 'dial 8'])
})

test('another endpoint has turns and waits of its own, and one that is named anew may be dialled at once', async () => {
  const { pace, begun, dial } = stage()
  dial('first')
  begun[0]?.fail()
  await turn()
  dial('other', elsewhere)
  expect(begun.at(-1)?.name).toBe('other')
  expect([pace.waitMs(elsewhere), pace.isFree(here)]).toEqual([0, false])
  pace.renew(here)
  expect(pace.isFree(here)).toBe(true)
})

test('a node that is not where it was looked for is not looked for there again soon; others are', async () => {
  const { pace, begun, dial } = stage()
  dial('one')
  begun[0]?.fail('WRONG_NODE')
  await turn()
  expect([pace.waitMs(here, 1) > 0, pace.waitMs(here, 2), pace.isFree(here)]).toEqual([true, 0, true])
})

test('an endpoint that nobody wants any more keeps its wait, and is forgotten a minute after it', async () => {
  const { pace, begun, dial } = stage()
  dial('one')
  begun[0]?.fail('REFUSED', 'login-refused')
  await turn()
  pace.keep(new Set())
  pace.renew(here)
  expect(Math.round(pace.waitMs(here))).toBe(7500)
  now += 7500 + 59_000
  pace.keep(new Set())
  expect(pace.failuresAt(here)).toBe(1)
  now += 1001
  pace.keep(new Set())
  expect(pace.failuresAt(here)).toBe(0)
})

test.each([
  ['asked by some rounds of the poller only', 66, () => {}],
  ['also named anew each time', 66 + 60 * 7, (pace: RetryPace) => pace.renew(here)],
])('an endpoint that is away and %s is dialled at most %i times in a minute', async (_title, most, beforeDial) => {
  const pace = new RetryPace(() => 0)
  let dials = 0
  const away = async () => {
    dials += 1
    throw failure('ECONNREFUSED')
  }
  for (const end = now + 60_000; now < end; now += 50) {
    pace.keep(new Set())
    beforeDial(pace)
    if (pace.isFree(here)) await pace.run(here, {}, away).catch(() => {})
  }
  expect(dials).toBeLessThanOrEqual(most)
})

const refused = () => Promise.reject(failure('SASL_AUTHENTICATION_FAILED', 'login-refused'))

test('a login that was never accepted is tried once in 5 to 60 s over all endpoints, and those that wait share its failure', async () => {
  const pace = new RetryPace(() => 0)
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
  const pace = new RetryPace()
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
  const pace = new RetryPace()
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
  const pace = new RetryPace(() => 0)
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
  const pace = new RetryPace(() => 0)
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

test('a login that is refused at an endpoint that was named anew meanwhile waits as ever', async () => {
  const { pace, begun, dial } = stage()
  dial('earlier')
  begun[0]?.fail()
  await turn()
  now += 30
  dial('refused')
  pace.renew(here)
  begun[1]?.fail('REFUSED', 'login-refused')
  await turn()
  expect(Math.round(pace.waitMs(here))).toBe(7500)
})

test.each([
  ['before', 0],
  ['after', 1],
])('a login that is refused %s another dial fails that ran beside it waits as ever', async (_when, refusedAs) => {
  const { pace, begun, dial } = stage(new RetryPace(() => 0))
  dial('one')
  dial('other')
  for (const [index, { fail }] of begun.entries()) {
    if (index === refusedAs) fail('REFUSED', 'login-refused')
    else fail()
    await turn()
  }
  pace.renew(here)
  expect(pace.waitMs(here)).toBeGreaterThanOrEqual(5000)
})

test('a login whose connection broke says nothing of the credentials', async () => {
  const pace = new RetryPace()
  await expect(pace.login(here, () => Promise.reject(failure('ECONNRESET')))).rejects.toThrow()
  let tried = false
  await pace.login(here, async () => {
    tried = true
  })
  expect([tried, pace.waitMs(here)]).toEqual([true, 0])
})
