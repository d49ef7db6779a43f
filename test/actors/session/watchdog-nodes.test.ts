// The watchdog: which node it blames for a silence, by the links to several of them, and the instants from which on it does.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FetchRecord } from '../../../actors/session/fetch-record.ts'
import { watch } from '../../../actors/session/watchdog.ts'
import type { Fact } from '../../../machines/fact.ts'
import { Stage, topic } from '../stage.ts'

const toFake = [
  ...(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const),
  ...(['setImmediate', 'clearImmediate', 'Date', 'performance'] as const),
]
interface FakeLink {
  current: boolean
  heardAt: number
  slow: boolean
}
let stage: Stage
let facts: Fact[]
let end: () => void
let leader: number | undefined
let joined: boolean
let record: FetchRecord
/** The links that fetches go over. */
let links: Map<number, FakeLink>
let drops: number[]
let refreshes: number[]

beforeEach(() => {
  vi.useFakeTimers({ toFake })
  stage = new Stage()
  facts = []
  leader = 2
  joined = true
  links = new Map([2, 3].map((nodeId) => [nodeId, { current: true, heardAt: 0, slow: false }]))
  drops = []
  refreshes = []
  begin()
})
afterEach(() => {
  end()
  vi.useRealTimers()
})

/** A watch of a session that begins now. */
function begin(): void {
  record = new FetchRecord(false, () => false)
  const fetchLink = (nodeId: number) => {
    if (nodeId === undefined) throw new Error('no node has no link')
    const link = links.get(nodeId)
    return link && Object.assign(link, { drop: () => drops.push(nodeId) })
  }
  const session = {
    epoch: 5,
    fetched: record,
    runner: { leaderOf: () => leader },
    refreshLeaders: () => void refreshes.push(performance.now()),
    routes: { links: { fetchLink } },
    membership: {
      get joined() {
        return joined
      },
    },
  }
  const emit = (fact: Fact) => void facts.push(fact)
  end = watch({ session, dispatcher: stage.dispatcher, emit, maxWaitMs: 250 })
}

/** This node has answered with this end of the log, or with an error. */
function answered(nodeId: number, logEnd: bigint, { errorCode = 0, partition = 0 } = {}): void {
  const read = { highWatermark: logEnd, lastStableOffset: logEnd }
  const none = { firstEpoch: -1, lastEpoch: -1, lastOffset: -1n, errorAt: 0 }
  record.note(nodeId, { throttleMs: 0, partitions: [{ topic, partition, errorCode, ...read, ...none }] })
}

/** It looks each half second, a millisecond later: fake immediates take one. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const never = () => new Promise(() => {})
const reasons = () => facts.map((fact) => (fact.type === 'partition.stalled' ? fact.reason : fact.type))

test('a watch that begins before the first assignment looks at nothing', async () => {
  await pass(60_000)
  expect([facts, refreshes]).toEqual([[], []])
  record.clear()
  await stage.assign({ 0: 10n })
  await pass(3000)
  expect(facts).toEqual([])
})

test('of a partition that a replica is read of, the replica is blamed, and dialled anew', async () => {
  await stage.assign({ 0: 10n })
  // Nothing is fetched from the leader.
  links.delete(2)
  answered(3, 12n)
  await pass(4600)
  expect(reasons()).toEqual([expect.stringMatching(/^no progress for \d+ ms$/)])
  expect(drops).toEqual([3])
  await pass(8000)
  const message = expect.stringMatching(/although node 3 answers$/)
  expect(facts.at(-1)).toMatchObject({ type: 'session.stalled', failure: { message } })
})

test('a replica that is out of reach is named', async () => {
  await stage.assign({ 0: 10n })
  links.delete(2)
  answered(3, 12n)
  const link = links.get(3)
  if (link) link.current = false
  await pass(4100)
  expect(reasons()).toEqual(['its leader, node 3, is out of reach'])
})

test('a leader that fetches go to is blamed, whoever answered before', async () => {
  await stage.assign({ 0: 10n })
  answered(3, 12n)
  const link = links.get(2)
  if (link) link.current = false
  await pass(4100)
  expect(reasons()).toEqual(['its leader, node 2, is out of reach'])
})

test('a partition that nobody leads and nobody answered for is without a leader', async () => {
  leader = undefined
  await stage.assign({ 0: 10n })
  await pass(4100)
  expect(reasons()).toEqual(['it has no leader'])
})

test('a node without a link is not said to be out of reach', async () => {
  await stage.assign({ 0: 10n })
  links.clear()
  void record.during(2, never())
  await pass(5000)
  expect(reasons()).toEqual([expect.stringMatching(/^its leader, node 2, has not answered a fetch for \d+ ms$/)])
  links.clear()
  end()
  facts.length = 0
  begin()
  await stage.assign({ 0: 10n })
  answered(2, 12n)
  await pass(5000)
  expect(reasons()).toEqual([expect.stringMatching(/^no progress/)])
})

test.each([
  [2251, /^no progress for 3501 ms$/],
  [2250, /^its leader, node 2, has not answered a fetch for 3501 ms$/],
])(
  'a fetch that waits since %i ms, more than a second longer than a broker may hold it or not',
  async (askedAt, reason) => {
    await stage.assign({ 0: 10n })
    end()
    begin()
    await pass(askedAt)
    void record.during(2, never())
    await pass(3510 - askedAt)
    expect(reasons()).toEqual([expect.stringMatching(reason)])
  },
)

test('a fetch that waits after the partition was answered is no reason', async () => {
  await stage.assign({ 0: 10n })
  void record.during(2, never())
  await pass(1)
  answered(2, 12n)
  await pass(5000)
  expect(reasons()).toEqual([expect.stringMatching(/^no progress/)])
})

test('bytes of an answer are progress, however late in the life of a process', async () => {
  end()
  await pass(400_000)
  begin()
  await stage.assign({ 0: 10n })
  answered(2, 10n)
  void record.during(2, never())
  for (let second = 0; second < 30; second++) {
    const link = links.get(2)
    if (link) link.heardAt = performance.now()
    await pass(1000)
  }
  expect(facts).toEqual([])
})

test.each([
  [
    'it is not in the group',
    () => {
      joined = false
    },
  ],
  ['its assignment has ended', () => void stage.dispatcher.close(0)],
])('a partition that was never fetched is no stall while %s', async (_what, arrange) => {
  await stage.assign({ 0: 10n })
  arrange()
  await pass(30_000)
  expect([facts, refreshes]).toEqual([[], []])
})

test('of many partitions that are stalled for one reason the longest time is told', async () => {
  await stage.assign({ 0: 10n, 1: 10n, 2: 10n })
  for (const partition of [1, 0, 2]) {
    answered(2, 10n, { partition })
    await pass(100)
  }
  await pass(3510)
  expect(facts).toMatchObject([{ partitions: { [topic]: [0, 1, 2] }, reason: 'no progress for 3501 ms' }])
})

test('a session is silent when its stall has lasted for more than seven seconds', async () => {
  await stage.assign({ 0: 10n })
  end()
  begin()
  await pass(3510)
  expect(reasons()).toEqual(['no progress for 3501 ms'])
  await pass(6500)
  expect([facts.length, drops]).toEqual([1, [2]])
  await pass(500)
  expect(reasons()).toEqual(['no progress for 3501 ms', 'session.stalled'])
})

test('leaders are looked up each two seconds while something is stalled, and not before', async () => {
  leader = undefined
  await stage.assign({ 0: 10n })
  end()
  begin()
  const beganAt = performance.now()
  await pass(9600)
  expect(refreshes.map((at) => Math.floor(at - beganAt))).toEqual([3501, 5501, 7501, 9501])
})

test('a leader that comes back into reach has the time of a fetch and more before its connection counts as stuck', async () => {
  await stage.assign({ 0: 10n })
  answered(2, 12n)
  await pass(4000)
  const link = links.get(2)
  if (link) link.current = false
  await pass(20_000)
  drops.length = 0
  if (link) link.current = true
  const isSilent = () => facts.some(({ type }) => type === 'session.stalled')
  await pass(3000)
  expect([drops, isSilent()]).toEqual([[], false])
  await pass(1000)
  expect([drops, isSilent()]).toEqual([[2], false])
  await pass(7500)
  expect([drops, isSilent()]).toEqual([[2], true])
})
