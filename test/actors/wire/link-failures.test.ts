// The link over lines that a test holds in its hand: lines and dials that end, nodes that leave, and what a request fails by.
import { expect, test } from 'vitest'
import type { Failure } from '../../../machines/failure.ts'
import { snapshotOf } from '../fake-cluster.ts'
import { settled } from '../stage.ts'
import { ask, cluster, connected, dials, failed, linkWith, pass, withLines } from './link-stage.ts'

withLines()

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
