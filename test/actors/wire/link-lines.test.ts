// The link over lines that a test holds in its hand, on a clock that it turns: what is dialled when, what goes out over which line, and when it fails.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { held, Link, type LinkOptions } from '../../../actors/wire/link.ts'
import type { Failure } from '../../../machines/failure.ts'
import { int32, requestFrame } from '../bytes.ts'
import { FakeCluster, snapshotOf } from '../fake-cluster.ts'
import { FakeDials, type FakeLine } from '../fake-line.ts'
import { settled } from '../stage.ts'

const here = { host: 'here', port: 9092 }
const there = { host: 'there', port: 9092 }

let cluster: FakeCluster
let dials: FakeDials
let redials: unknown[]
const links: Link[] = []

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  vi.advanceTimersByTime(1000)
  vi.spyOn(Math, 'random').mockReturnValue(1)
  cluster = new FakeCluster()
  cluster.book.put(1, here)
  dials = new FakeDials()
  redials = []
})
afterEach(() => {
  for (const link of links.splice(0)) link.close()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

function linkWith(options: Partial<LinkOptions> = {}): Link {
  const link = new Link({
    nodeId: 1,
    cluster,
    dial: dials.dial,
    holdMs: 5000,
    onRedial: (redial) => redials.push(redial),
    ...options,
  })
  links.push(link)
  return link
}

const frame = (apiKey: number = apiKeys.listOffsets) => requestFrame(apiKey, 3, 0, int32(-1))
/** Sends a request, and resolves with its answer, or with why there is none. */
const ask = async (link: Link, silenceMs = 60_000, signal?: AbortSignal): Promise<string | Failure> =>
  link.send(frame(), silenceMs, signal).then(
    (answer) => String(answer),
    (error) => (error instanceof ConnectionError ? error.failure : expect.unreachable(String(error))),
  )

const pass = async (ms: number) => {
  await settled()
  await vi.advanceTimersByTimeAsync(ms)
  await settled()
}

/** A link that carries a line, and has nothing to do. */
async function connected(
  options: Partial<LinkOptions> = {},
  loginValidMs = 0,
): Promise<{ link: Link; line: FakeLine }> {
  const link = linkWith(options)
  const asked = ask(link)
  await settled()
  const line = await dials.newest.open(loginValidMs)
  await line.sent[0]?.answer('yes')
  expect(await asked).toBe('yes')
  return { link, line }
}

const failed = (reason: string, code: string) => ({
  kind: 'dial-failed',
  message: `Node 1: ${reason}`,
  code,
  nodeId: 1,
})

test('a link is used from its first dial on, and idle while nothing waits', async () => {
  const link = linkWith()
  const seen = () => [link.used, link.current, link.idle, link.holding]
  expect(seen()).toEqual([false, false, true, false])
  void ask(link)
  void ask(link, held)
  await settled()
  expect([seen(), dials.made.length]).toEqual([[true, false, false, true], 1])
  const line = await dials.newest.open()
  expect([seen(), line.sent.length]).toEqual([[true, true, false, true], 2])
  await line.sent[1]?.answer('joined')
  expect(seen()).toEqual([true, true, false, false])
  await line.sent[0]?.answer('yes')
  expect(seen()).toEqual([true, true, true, false])
})

test('what came over an earlier line is nothing that was heard over this one', async () => {
  const link = linkWith()
  expect(link.heardAt).toBe(0)
  void ask(link)
  await settled()
  const line = await dials.newest.open()
  expect(link.heardAt).toBe(0)
  await pass(10)
  await line.sent[0]?.answer('yes')
  expect(link.heardAt).toBe(performance.now())
})

test.each([
  ['names no addresses', here, [], true],
  ['has the address', here, ['10.0.0.9', '10.0.0.1'], true],
  ['has other addresses', here, ['10.0.0.9'], false],
  ['is elsewhere', there, ['10.0.0.1'], false],
])('a line is where the node is when its entry in the book %s: %#', async (_what, place, addresses, isCurrent) => {
  const { link, line } = await connected()
  vi.spyOn(cluster.book, 'entryOf').mockReturnValue({ ...place, nodeId: 1, addresses, present: true })
  expect(link.current).toBe(isCurrent)
  line.close()
  expect(link.current).toBe(false)
})

test('a node that is in no book is asked for, and dialled when the book names it', async () => {
  const link = linkWith({ nodeId: 2 })
  void ask(link)
  await pass(1)
  expect([link.current, dials.made.length, cluster.updateRequests]).toEqual([false, 0, 1])
  await pass(249)
  expect(cluster.updateRequests).toBe(2)
  cluster.book.put(2, there)
  await settled()
  expect(dials.made).toMatchObject([{ endpoint: there, options: { nodeId: 2 } }])
})

test('an urgent link asks the cluster for a line that is there already, others do not', async () => {
  const given = vi.spyOn(cluster, 'take')
  void ask(linkWith())
  void ask(linkWith({ urgent: true }))
  await settled()
  expect(dials.made.map(({ options }) => options?.ready !== undefined)).toEqual([false, true])
  await dials.newest.options?.ready?.()
  expect(given).toHaveBeenCalledWith(here)
  expect(dials.made.map(({ options }) => options?.logins)).toEqual([cluster.pace, cluster.pace])
})

test('a closed link takes nothing, ends its dial and its line, and says why', async () => {
  const link = linkWith()
  const asked = ask(link)
  await settled()
  link.close()
  expect(dials.newest.options?.signal?.aborted).toBe(true)
  expect([await asked, await ask(link)]).toEqual(Array(2).fill(failed('the link is closed', 'CLOSED')))
  const late = await dials.newest.open()
  expect([late.open, late.sent.length, dials.made.length]).toEqual([false, 0, 1])
  const { link: other, line } = await connected()
  other.close()
  expect([line.open, cluster.updateRequests]).toEqual([false, 0])
  cluster.book.put(1, there)
  await pass(10_000)
  expect(dials.made).toHaveLength(2)
})

test('a request that nobody wants is not sent, also not again', async () => {
  const { link, line } = await connected()
  const aborted = AbortSignal.abort()
  expect(await ask(link, 60_000, aborted)).toEqual(failed('the request is no longer wanted', 'ABORT_ERR'))
  const given = new AbortController()
  void ask(link, 60_000, given.signal)
  const kept = ask(link)
  expect(line.sent).toHaveLength(3)
  given.abort()
  expect([link.idle, line.open]).toEqual([false, true])
  line.close()
  await settled()
  const next = await dials.newest.open()
  expect(next.sent).toHaveLength(1)
  await next.sent[0]?.answer('again')
  expect(await kept).toBe('again')
})

test('a request that is given up after its answer ends nothing', async () => {
  const { link, line } = await connected()
  const given = new AbortController()
  const asked = ask(link, held, given.signal)
  await line.sent[1]?.answer('joined')
  given.abort()
  expect([await asked, line.open]).toEqual(['joined', true])
})

test('a change of the book that is about others is none, and one of this node ends the dial of its old place', async () => {
  void ask(linkWith())
  await settled()
  const { signal } = dials.newest.options ?? {}
  cluster.book.put(2, there)
  cluster.book.drop(1)
  await settled()
  expect([signal?.aborted, dials.made.length]).toEqual([false, 1])
  cluster.book.put(1, there)
  expect(signal?.aborted).toBe(true)
  await dials.made[0]?.fail({ code: 'ABORT_ERR' })
  await pass(1)
  expect(dials.made.map(({ endpoint }) => endpoint)).toEqual([here, there])
  expect([cluster.reports, cluster.updateRequests]).toEqual([[], 0])
})

test('where a node moves its link is dialled anew without a request, and the old line serves until then', async () => {
  let currents = 0
  const { link, line } = await connected({ onCurrent: () => void currents++ })
  expect([currents, redials]).toEqual([1, []])
  cluster.book.put(1, there)
  await pass(40)
  expect([line.open, link.current]).toEqual([true, false])
  const asked = ask(link)
  expect(line.sent).toHaveLength(2)
  const next = await dials.newest.open()
  expect([line.open, next.sent.length, currents]).toEqual([false, 1, 2])
  await next.sent[0]?.answer('there')
  expect(await asked).toBe('there')
  expect(redials).toEqual([{ nodeId: 1, endpoint: 'there:9092', tookMs: 0, soft: true }])
  expect(cluster.reports).toEqual(['healed here:9092', 'healed there:9092'])
})

test('how long a node was out of reach is told with its new line', async () => {
  const { link, line } = await connected()
  const asked = ask(link)
  line.close()
  expect(cluster.updateRequests).toBe(1)
  await pass(300)
  const next = await dials.newest.open()
  await next.sent[0]?.answer('again')
  expect(await asked).toBe('again')
  expect(redials).toEqual([{ nodeId: 1, endpoint: 'here:9092', tookMs: 300, soft: false }])
  next.close()
  await pass(1000)
  // Nobody waited for that one.
  expect([redials.length, link.used]).toEqual([1, false])
})

test('a line that ended while the link was idle is made when it is wanted, an urgent one at once', async () => {
  const { line } = await connected()
  line.close()
  await pass(1000)
  expect(dials.made).toHaveLength(1)
  const { line: urgent } = await connected({ urgent: true })
  urgent.close()
  await settled()
  expect(dials.made).toHaveLength(3)
})

test.each<[string, Partial<Failure>, string[]]>([
  ['failed', { code: 'ECONNREFUSED' }, ['dead here:9092']],
  ['led to another node', { code: 'WRONG_NODE' }, []],
  ['was turned down', { kind: 'identity-refused' }, ['identity-refused here:9092', 'dead here:9092']],
])('a dial that %s is told, and made again after its wait', async (_what, failure, reports) => {
  void ask(linkWith())
  await settled()
  await dials.newest.fail(failure)
  expect([cluster.reports, cluster.updateRequests, cluster.observed.length]).toEqual([reports, 1, 1])
  expect(dials.made).toHaveLength(1)
  await pass(2000)
  expect(dials.made).toHaveLength(2)
})

test('a dial that came too soon is made again after a moment, and is nobody’s death', async () => {
  void ask(linkWith())
  await settled()
  await dials.newest.fail({ code: 'TOO_SOON' })
  await pass(249)
  expect([dials.made.length, cluster.reports, cluster.updateRequests]).toEqual([1, [], 0])
  await pass(1)
  expect(dials.made).toHaveLength(2)
})

test('a node that left fails its requests once a dial has failed, and is waited for while it may be there', async () => {
  const link = linkWith()
  const asked = ask(link)
  await settled()
  cluster.book.drop(1)
  cluster.newestSnapshot = snapshotOf(Number.MAX_SAFE_INTEGER)
  await dials.newest.fail({ kind: 'identity-refused' })
  await pass(1)
  // Whoever refuses its identity may well be there.
  expect(link.idle).toBe(false)
  await pass(1500)
  expect(link.idle).toBe(false)
  await dials.newest.fail({ code: 'ECONNREFUSED' })
  expect(await asked).toEqual(failed('the node left the cluster', 'NODE_LEFT'))
  expect(link.idle).toBe(true)
})

test('a snapshot that was asked for before the break does not say that the node left', async () => {
  const link = linkWith()
  void ask(link)
  await settled()
  cluster.book.drop(1)
  cluster.newestSnapshot = snapshotOf(0)
  await dials.newest.fail({ code: 'ECONNREFUSED' })
  await pass(10)
  expect(link.idle).toBe(false)
})

test('a node that is out of reach fails its requests when its time is over and a dial has failed', async () => {
  const link = linkWith()
  const asked = ask(link)
  await settled()
  await pass(5001)
  // The dial is still under way.
  expect(link.idle).toBe(false)
  await dials.newest.fail({ code: 'ETIMEDOUT' })
  expect(await asked).toEqual(failed('the node was out of reach for 5000 ms', 'ETIMEDOUT'))
})

test('a break long ago does not fail a request before it was dialled for', async () => {
  const { link, line } = await connected()
  const first = ask(link)
  line.close()
  await settled()
  await pass(5001)
  await dials.newest.fail({ code: 'ECONNREFUSED' })
  expect(await first).toMatchObject({ code: 'ETIMEDOUT' })
  const second = ask(link)
  await pass(100)
  expect(link.idle).toBe(false)
  const next = await dials.newest.open()
  await next.sent[0]?.answer('again')
  expect(await second).toBe('again')
})

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

test('a node that hangs up on a request five times is told what it does not answer', async () => {
  const link = linkWith()
  const asked = ask(link)
  for (let ends = 0; ends < 5; ends++) {
    await pass(2000)
    expect(dials.made).toHaveLength(ends + 1)
    ;(await dials.newest.open()).close()
  }
  const why =
    'it ended 5 connections without an answer to ListOffsets v3. Either it does not know this request, see the Kafka versions in the README, or something on the way to it cuts connections.'
  expect(await asked).toEqual(failed(why, 'HUNG_UP'))
  expect(link.idle).toBe(true)
})

test('a line that has answered something may end as often as it likes', async () => {
  let { link, line } = await connected()
  const asked = ask(link)
  for (let ends = 0; ends < 7; ends++) {
    line.close()
    await settled()
    expect(dials.made).toHaveLength(ends + 2)
    line = await dials.newest.open()
    void ask(link)
    await line.sent.at(-1)?.answer('yes')
  }
  await line.sent[0]?.answer('at last')
  expect(await asked).toBe('at last')
})
