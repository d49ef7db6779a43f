// The link over lines that a test holds in its hand: logins that are renewed before they end.
import { expect, test } from 'vitest'
import { settled } from '../stage.ts'
import { ask, connected, dials, pass, redials, withLines } from './link-stage.ts'

withLines()

test.each([
  [10_000, 8000],
  [100, 1000],
])('a login that is valid for %i ms is renewed after %i ms', async (validMs, afterMs) => {
  const { line } = await connected({}, validMs)
  await pass(afterMs - 1)
  expect(dials.made).toHaveLength(1)
  await pass(1)
  expect(dials.made).toHaveLength(2)
  expect(line.open).toBe(true)
  await dials.newest.open()
  expect([line.open, redials]).toEqual([false, [{ nodeId: 1, endpoint: 'here:9092', tookMs: 0, soft: true }]])
})

test('without a login there is nothing to renew', async () => {
  await connected()
  await pass(2_000_000_000)
  expect(dials.made).toHaveLength(1)
})

test('a renewed login waits for what was sent before, and for the end of its line at most', async () => {
  const { link, line } = await connected({}, 10_000)
  const given = new AbortController()
  void ask(link, 60_000, given.signal)
  await pass(8000)
  const next = await dials.newest.open()
  expect([line.open, next.open]).toEqual([true, true])
  given.abort()
  await settled()
  expect([line.open, next.sent.length]).toEqual([false, 0])
})

test('a login that is renewed for a line that ends meanwhile carries what waits', async () => {
  const { link, line } = await connected({}, 10_000)
  const asked = ask(link)
  await pass(8000)
  const next = await dials.newest.open()
  line.close()
  await settled()
  await next.sent[0]?.answer('over the next')
  expect(await asked).toBe('over the next')
})
