// Requests that may go out once, and those that are not answered.
import { expect, test, vi } from 'vitest'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { int32, requestFrame } from '../bytes.ts'
import { snapshotOf } from '../fake-cluster.ts'
import { settled } from '../stage.ts'
import { cluster, dials, linkWith, there, withLines } from './link-stage.ts'

withLines()

const create = () => requestFrame(apiKeys.createTopics, 3, 0, int32(0))
const outcome = (sent: Promise<Buffer>) => sent.then(String, ({ failure }) => failure.code as string)

test('a request that may go out once is rejected when its connection ends before the answer, and not sent again', async () => {
  const link = linkWith()
  const sent = outcome(link.send(create(), 1000, { delivery: 'once' }))
  await settled()
  const line = await dials.newest.open()
  expect(line.sent).toHaveLength(1)
  line.close()
  expect(await sent).toBe('ANSWER_LOST')
  await settled()
  for (const dialled of dials.made.slice(1)) expect((await dialled.open()).sent).toEqual([])
})

test('one that has not gone out yet waits for a connection like any other', async () => {
  const link = linkWith()
  const sent = outcome(link.send(create(), 1000, { delivery: 'once' }))
  await settled()
  await dials.newest.fail({ code: 'ECONNREFUSED' })
  await pastPause()
  const line = await dials.newest.open()
  await line.sent[0]?.answer('created')
  expect(await sent).toBe('created')
})

/** A request of each kind over a connection whose node moves. */
async function moved() {
  const link = linkWith()
  const sent = outcome(link.send(create(), 1000, { delivery: 'once' }))
  const other = outcome(link.send(requestFrame(apiKeys.listOffsets, 3, 0, int32(-1)), 1000))
  await settled()
  const before = await dials.newest.open()
  cluster.book.put(1, there)
  await settled()
  return { link, sent, other, before, after: await dials.newest.open() }
}

test('when its node moves, the connection before stays for its answer, and others go on over the new one', async () => {
  const { sent, other, before, after } = await moved()
  expect(after.sent).toHaveLength(1)
  await after.sent[0]?.answer('offsets')
  expect(await other).toBe('offsets')
  expect(before.open).toBe(true)
  await before.sent[0]?.answer('created')
  expect(await sent).toBe('created')
  expect(before.open).toBe(false)
})

test.each(['falls silent', 'ends'])('where the connection before %s, the answer is lost', async (how) => {
  const { sent, before } = await moved()
  if (how === 'ends') before.close()
  else await vi.advanceTimersByTimeAsync(500)
  expect(await sent).toBe('ANSWER_LOST')
  expect(before.open).toBe(false)
})

test('where the node leaves while the connection before stays, what went out over that is lost, and the rest was not sent', async () => {
  const { link, sent, before, after } = await moved()
  await after.sent[0]?.answer('offsets')
  after.close()
  await settled()
  const unsent = outcome(link.send(create(), 1000, { delivery: 'once' }))
  cluster.book.drop(1)
  cluster.newestSnapshot = snapshotOf(Number.MAX_SAFE_INTEGER)
  await dials.newest.fail({ code: 'ECONNREFUSED' })
  await settled()
  expect(before.open).toBe(false)
  expect(await Promise.all([sent, unsent])).toEqual(['ANSWER_LOST', 'NODE_LEFT'])
})

test('a link that is closed leaves no connection behind', async () => {
  const { link, sent, before, after } = await moved()
  link.close()
  expect(await sent).toBe('CLOSED')
  expect([before.open, after.open]).toEqual([false, false])
})

test('a request that is not answered is over when it has gone out', async () => {
  const link = linkWith()
  const sent = outcome(link.send(create(), 1000, { delivery: 'unanswered' }))
  await settled()
  const line = await dials.newest.open()
  expect(await sent).toBe(String(create()))
  expect(line.posted).toHaveLength(1)
  expect([link.idle, link.slow]).toEqual([true, false])
})

/** Lets the wait before the next dial pass. */
async function pastPause(): Promise<void> {
  await vi.advanceTimersByTimeAsync(300)
  await settled()
}
