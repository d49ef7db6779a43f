// The pace of dials: who goes when, whose failure counts for whom, and how long everybody waits after it.

import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { DialPace } from '../../../actors/connection/dial-pace.ts'
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
function stage(pace = new DialPace(slowest)) {
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
  const pace = new DialPace(slowest)
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

test('links and the poller together dial an endpoint that is away at most 66 times in a minute', async () => {
  const pace = new DialPace(() => 0)
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
  ['also named anew each time', 66 + 60 * 7, (pace: DialPace) => pace.renew(here)],
])('an endpoint that is away and %s is dialled at most %i times in a minute', async (_title, most, beforeDial) => {
  const pace = new DialPace(() => 0)
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
  const { pace, begun, dial } = stage(new DialPace(() => 0))
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
