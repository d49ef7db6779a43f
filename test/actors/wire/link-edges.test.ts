// The link between two states: a dial that ends too late, a node that leaves meanwhile, a login that is renewed while requests wait.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { Link, type LinkOptions } from '../../../actors/wire/link.ts'
import { int32, requestFrame } from '../bytes.ts'
import { FakeCluster, snapshotOf } from '../fake-cluster.ts'
import { FakeDials } from '../fake-line.ts'
import { settled } from '../stage.ts'

const here = { host: 'here', port: 9092 }
const there = { host: 'there', port: 9092 }

let cluster: FakeCluster
let dials: FakeDials
let link: Link
const redials: Parameters<NonNullable<LinkOptions['onRedial']>>[0][] = []

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  vi.advanceTimersByTime(1000)
  cluster = new FakeCluster()
  cluster.book.put(1, here)
  dials = new FakeDials()
  redials.length = 0
  link = new Link({
    nodeId: 1,
    cluster,
    dial: dials.dial,
    holdMs: 5000,
    onRedial: (redial) => void redials.push(redial),
  })
})
afterEach(() => {
  link.close()
  vi.useRealTimers()
})

/** Sends a request; resolves with its answer, or with the code of its failure. */
const ask = (signal?: AbortSignal): Promise<string> =>
  link
    .send(requestFrame(apiKeys.listOffsets, 3, 0, int32(-1)), 60_000, { signal })
    .then(String, ({ failure }) => failure.code)

const pass = async (ms: number) => {
  await settled()
  await vi.advanceTimersByTimeAsync(ms)
  await settled()
}

test('a link that was never used is not dialled because its node moves', async () => {
  cluster.book.put(1, there)
  await pass(1000)
  expect([dials.made.length, link.used]).toEqual([0, false])
})

test('a line to where the node was, ready when it has moved, carries nothing', async () => {
  const asked = ask()
  await settled()
  cluster.book.put(1, there)
  const late = await dials.made[0]?.open()
  await settled()
  expect([late?.open, late?.sent.length]).toEqual([false, 0])
  expect(dials.newest.endpoint).toEqual(there)
  const next = await dials.newest.open()
  await next.sent[0]?.answer('there')
  expect(await asked).toBe('there')
})

test.each(['TOO_SOON', 'ABORT_ERR'])('a dial that ends with %s has not shown that a node left', async (code) => {
  void ask()
  await settled()
  cluster.book.drop(1)
  cluster.newestSnapshot = snapshotOf(Number.MAX_SAFE_INTEGER)
  await dials.newest.fail({ code })
  await pass(250)
  expect([link.idle, dials.made.length]).toEqual([false, 2])
})

test('requests are held for the whole of their time', async () => {
  const asked = ask()
  await pass(5000)
  await dials.newest.fail({ code: 'ECONNREFUSED' })
  expect(link.idle).toBe(false)
  await pass(1)
  await pass(5000)
  expect(await asked).toBe('ETIMEDOUT')
})

test('how long a dial took is told also where nobody waited for the line that ended', async () => {
  const first = ask()
  await settled()
  const line = await dials.newest.open()
  await line.sent[0]?.answer('yes')
  await first
  line.close()
  await pass(1000)
  void ask()
  await pass(200)
  await dials.newest.open()
  expect(redials).toMatchObject([{ soft: false, tookMs: 200 }])
})

test('a connection that was silent until nobody waited any more is left, and one that may still answer is kept', async () => {
  const commit = (signal: AbortSignal) => void link.send(requestFrame(apiKeys.offsetCommit, 5, 0), 500, { signal })
  const first = new AbortController()
  commit(first.signal)
  await settled()
  const line = await dials.newest.open()
  await pass(400)
  first.abort()
  await pass(0)
  expect(line.open).toBe(true)
  const second = new AbortController()
  commit(second.signal)
  await pass(600)
  second.abort()
  await pass(0)
  expect(line.open).toBe(false)
  expect(link.used).toBe(false)
})

test('a renewed login waits for all that was sent before, also where one of them is given up', async () => {
  const given = new AbortController()
  void ask(given.signal)
  const asked = ask()
  await settled()
  const line = await dials.newest.open(10_000)
  await pass(8000)
  await dials.newest.open()
  given.abort()
  await settled()
  expect(line.open).toBe(true)
  await line.sent[1]?.answer('yes')
  expect(await asked).toBe('yes')
  await settled()
  expect(line.open).toBe(false)
})
