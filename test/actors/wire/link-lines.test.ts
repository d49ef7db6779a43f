// The link over lines that a test holds in its hand: what is dialled when, and what goes out over which line.
import { expect, test, vi } from 'vitest'
import { held } from '../../../actors/wire/in-flight-requests.ts'
import { settled } from '../stage.ts'
import {
  ask,
  cluster,
  connected,
  dials,
  failed,
  here,
  linkWith,
  pass,
  redials,
  there,
  withLines,
} from './link-stage.ts'

withLines()

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
