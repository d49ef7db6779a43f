// The watchdog: which silence is a stall, and what is done about it, step by step.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FetchRecord } from '../../../actors/session/fetch-record.ts'
import { watch } from '../../../actors/session/watchdog.ts'
import { watchEventLoop } from '../../../actors/time/event-loop.ts'
import type { Fact } from '../../../machines/fact.ts'
import { Stage, topic } from '../stage.ts'

const toFake = [
  ...(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const),
  ...(['setImmediate', 'clearImmediate', 'Date', 'performance'] as const),
]
let stage: Stage
let facts: Fact[]
let end: () => void
let drops: number
let refreshes: number[]
let leader: number | undefined
let current: boolean
let joined: boolean
let heardAt: number
let maxWaitMs: number
let record: FetchRecord
let slow: boolean

beforeEach(async () => {
  vi.useFakeTimers({ toFake })
  stage = new Stage()
  await stage.assign({ 0: 10n })
  facts = []
  drops = 0
  refreshes = []
  leader = 2
  current = true
  joined = true
  slow = false
  heardAt = 0
  record = new FetchRecord(false, () => false)
  begin(250)
})
afterEach(() => {
  end()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function begin(waitMs: number): void {
  maxWaitMs = waitMs
  const drop = () => void drops++
  const link = () => ({ current, heardAt, slow, drop })
  const session = {
    epoch: 5,
    fetched: record,
    runner: { leaderOf: () => leader },
    refreshLeaders: () => void refreshes.push(performance.now()),
    routes: { links: { fetchLink: link } },
    membership: {
      get joined() {
        return joined
      },
    },
  }
  const emit = (fact: Fact) => void facts.push(fact)
  end = watch({ session, dispatcher: stage.dispatcher, emit, maxWaitMs })
}

/** The leader has answered with this end of the log, or with an error. */
function answered(logEnd: bigint, { errorCode = 0, throttleMs = 0, partitions = [0], nodeId = 2 } = {}): void {
  const read = { highWatermark: logEnd, lastStableOffset: logEnd }
  const none = { firstEpoch: -1, lastEpoch: -1, lastOffset: -1n, errorAt: 0 }
  const fetched = (partition: number) => ({ topic, partition, errorCode, ...read, ...none })
  record.note(nodeId, { throttleMs, partitions: partitions.map(fetched) })
}

/** Half seconds pass; each time the leader has answered so, and is asked again. */
async function pass(seconds: number, logEnd?: bigint, what?: Parameters<typeof answered>[1]): Promise<void> {
  for (let step = 0; step < seconds * 2; step++) {
    if (logEnd !== undefined) {
      answered(logEnd, what)
      void record.during(2, new Promise((resolve) => setTimeout(resolve, 500)))
    }
    await vi.advanceTimersByTimeAsync(500)
  }
}

const types = (): string[] => facts.map(({ type }) => type)

test('a partition that is fetched and has nothing more to read is well', async () => {
  await pass(60, 10n)
  expect(facts).toEqual([])
})

test('a partition with more to read and no progress is reported, dialled anew, and then the session is silent', async () => {
  await pass(3.5, 12n)
  expect(facts).toEqual([])
  await pass(1, 12n)
  expect(facts).toMatchObject([
    { type: 'partition.stalled', partitions: { [topic]: [0] }, reason: expect.stringMatching(/no progress/) },
  ])
  await pass(1, 12n)
  expect(drops).toBe(1)
  await pass(7, 12n)
  expect(drops).toBe(1)
  expect(facts.find(({ type }) => type === 'session.stalled')).toMatchObject({
    epoch: 5,
    failure: { kind: 'session-silent', message: expect.stringContaining('orders/0') },
  })
})

test('a message after a long silence is no stall: it has just come', async () => {
  await pass(60, 10n)
  await pass(1, 11n)
  await stage.offer(0, [10])
  await stage.handlers.end('0/10')
  await pass(60, 11n)
  expect(facts).toEqual([])
})

test('a partition that is never fetched is a stall as well', async () => {
  await pass(4)
  expect(types()).toEqual(['partition.stalled'])
})

test('progress ends a stall, with its fact', async () => {
  await pass(4.5, 12n)
  await stage.offer(0, [10, 11])
  await stage.handlers.end('0/10', '0/11')
  await pass(1, 12n)
  expect(types()).toEqual(['partition.stalled', 'partition.resumed'])
  await pass(30, 12n)
  expect(types()).toEqual(['partition.stalled', 'partition.resumed'])
})

test.each([
  ['a handler is at work', () => stage.offer(0, [10])],
  ['it is paused', () => stage.pause(0)],
  [
    'what was fetched waits behind a pause',
    async () => {
      stage.pause(0)
      await stage.offer(0, [10])
    },
  ],
])('a partition without progress while %s is no stall', async (_why, arrange) => {
  await arrange()
  await pass(30, 12n)
  expect(facts).toEqual([])
})

test('a partition that waits for others to give up their place is no stall', async () => {
  record.clear()
  await stage.assign({ 0: 0n, 1: 0n, 2: 0n, 3: 0n })
  for (const partition of [1, 2, 3, 0]) await stage.offer(partition, [0])
  await pass(30, 12n, { partitions: [0, 1, 2, 3] })
  expect(facts).toEqual([])
})

test('a partition whose leader is away is reported, and a new session is not asked for', async () => {
  current = false
  await pass(30)
  const reason = 'its leader, node 2, is out of reach'
  const stalled = { type: 'partition.stalled', partitions: { [topic]: [0] }, reason, awayMs: expect.any(Number) }
  expect(facts).toEqual([stalled])
  expect(drops).toBe(0)
})

test('a partition whose leader takes its time over a fetch is reported, and nothing is dialled or given up for it', async () => {
  slow = true
  await pass(30, 12n)
  expect([types(), drops]).toEqual([['partition.stalled'], 0])
})

test('a partition without a leader is reported as that, and leaders are looked up every other second', async () => {
  leader = undefined
  await pass(13.5)
  expect(facts).toMatchObject([{ type: 'partition.stalled', reason: 'it has no leader' }])
  expect(refreshes.length).toBeGreaterThan(3)
  for (const [index, at] of refreshes.entries()) expect(at - (refreshes[index - 1] ?? 0)).toBeGreaterThanOrEqual(2000)
})

test('of what was seen of a partition that has gone, the reason says that it is gone', async () => {
  await pass(4, -1n, { errorCode: 3 })
  leader = undefined
  record.clear()
  await stage.assign({ 0: 10n })
  await pass(4, -1n, { errorCode: 3 })
  expect(facts).toMatchObject([
    { reason: expect.stringMatching(/is gone/) },
    { reason: expect.stringMatching(/is gone/) },
  ])
})

test('an error of a leader that went out of reach is not what holds its partition', async () => {
  answered(-1n, { errorCode: 6 })
  current = false
  await pass(4)
  expect(facts).toMatchObject([{ reason: 'its leader, node 2, is out of reach' }])
})

test('a handler that is at work again ends a stall, and so does a pause', async () => {
  await pass(4.5, 12n)
  await stage.offer(0, [10])
  await pass(1, 12n)
  expect(types()).toEqual(['partition.stalled', 'partition.resumed'])
  await stage.handlers.end('0/10')
  await pass(4.5, 12n)
  stage.pause(0)
  await pass(1, 12n)
  expect(types()).toEqual(['partition.stalled', 'partition.resumed', 'partition.stalled', 'partition.resumed'])
})

test.each([
  [
    'the group is not joined',
    () => {
      joined = false
    },
  ],
  ['the handlers of the old assignment settle', () => void stage.dispatcher.close(0)],
])(
  'nothing is a stall in the middle of a rebalance, while %s, and the next assignment begins anew',
  async (_what, begins) => {
    begins()
    await pass(30, 12n)
    expect(facts).toEqual([])
    joined = true
    record.clear()
    await stage.assign({ 0: 10n, 1: 0n })
    await pass(3, 0n, { partitions: [1] })
    expect(facts).toEqual([])
    await pass(1, 0n, { partitions: [1] })
    expect(facts).toMatchObject([{ type: 'partition.stalled', partitions: { [topic]: [0] } }])
  },
)

test('a stall is told again after a rebalance, which has ended what was told', async () => {
  await pass(4.5, 12n)
  expect(types()).toEqual(['partition.stalled'])
  record.clear()
  await stage.assign({ 0: 10n })
  await pass(4.5, 12n)
  expect(types()).toEqual(['partition.stalled', 'partition.stalled'])
})

test('many partitions of one cause are one stall, and go on together', async () => {
  record.clear()
  await stage.assign({ 0: 10n, 1: 10n, 2: 10n, 3: 10n })
  leader = undefined
  await pass(4, 10n, { partitions: [2] })
  leader = 2
  await pass(1, 10n, { partitions: [0, 1, 2, 3] })
  expect(facts).toEqual([
    { type: 'partition.stalled', partitions: { [topic]: [0, 1, 3] }, reason: 'it has no leader' },
    { type: 'partition.resumed', partitions: { [topic]: [0, 1, 3] } },
  ])
})

test.each([
  [6, 'node 2 answers its fetches with NOT_LEADER_OR_FOLLOWER (error 6)'],
  [56, 'node 2 answers its fetches with KAFKA_STORAGE_ERROR (error 56)'],
  [3, 'its topic or the partition is gone: node 2 answers its fetches with UNKNOWN_TOPIC_OR_PARTITION (error 3)'],
])(
  'fetches that bring only error %s for too long are a stall with its name, which no new session would help',
  async (errorCode, reason) => {
    await pass(2, 10n)
    await pass(60, -1n, { errorCode })
    expect(facts).toEqual([{ type: 'partition.stalled', partitions: { [topic]: [0] }, reason }])
    expect(drops).toBe(0)
    await pass(1, 10n)
    expect(types()).toEqual(['partition.stalled', 'partition.resumed'])
  },
)

test('an error that passes is no stall', async () => {
  for (let times = 0; times < 10; times++) {
    await pass(1, 10n)
    await pass(2, -1n, { errorCode: 6 })
  }
  expect(facts).toEqual([])
})

test('a replica that answers with errors in place of the leader costs the session', async () => {
  leader = 3
  await pass(5.5, -1n, { errorCode: 6 })
  // Nobody has had the time to ask the leader yet.
  expect([types(), drops]).toEqual([['partition.stalled'], 0])
  await pass(11, -1n, { errorCode: 6 })
  expect(types()).toEqual(['partition.stalled', 'session.stalled'])
})

test.each([250, 5000, 14_000, 30_000])('an idle partition whose fetches are held %s ms is well', async (waitMs) => {
  end()
  begin(waitMs)
  for (let round = 0; round < 20; round++) {
    answered(10n)
    await vi.advanceTimersByTimeAsync(waitMs)
  }
  expect(facts).toEqual([])
  await vi.advanceTimersByTimeAsync(4000)
  expect(types()).toEqual(['partition.stalled'])
})

test('a broker that throttles fetches is waited for, and one that throttles without end is not', async () => {
  answered(12n, { throttleMs: 20_000 })
  await pass(23)
  expect(facts).toEqual([])
  answered(12n, { throttleMs: 2 ** 31 - 1 })
  await pass(63)
  expect(facts).toEqual([])
  await pass(1)
  expect(types()).toEqual(['partition.stalled'])
})

test('a partition that was paused for long has its time again when it is resumed', async () => {
  answered(10n)
  stage.pause(0)
  await pass(60)
  stage.resume(0)
  await pass(2.5)
  expect(facts).toEqual([])
  await pass(1.5)
  expect(types()).toEqual(['partition.stalled'])
})

test('a leader that does not answer a fetch is told, and left to its link', async () => {
  answered(10n)
  void record.during(2, new Promise(() => {}))
  await pass(60)
  expect(facts).toEqual([
    {
      type: 'partition.stalled',
      partitions: { [topic]: [0] },
      reason: expect.stringMatching(/^its leader, node 2, has not answered a fetch for \d+ ms$/),
    },
  ])
  expect(drops).toBe(0)
})

test('a leader that takes long for each answer is waited for as long the next time, and bytes that come are progress', async () => {
  const answer = async (afterSeconds: number) => {
    let come = () => {}
    const fetch = record.during(
      2,
      new Promise<void>((resolve) => {
        come = resolve
      }),
    )
    for (let second = 0; second < afterSeconds; second++) {
      heardAt = performance.now()
      await pass(1)
    }
    answered(12n)
    come()
    await fetch
  }
  answered(12n)
  await answer(60)
  await stage.offer(0, [10, 11])
  await stage.handlers.end('0/10', '0/11')
  expect(facts).toEqual([])
  heardAt = 0
  await pass(62)
  expect(facts).toEqual([])
  await pass(2)
  expect(types()).toEqual(['partition.stalled'])
})

test('an answer whose bytes come without end is told after five minutes', async () => {
  answered(10n)
  void record.during(2, new Promise(() => {}))
  for (let second = 0; second < 310; second++) {
    heardAt = performance.now()
    await pass(1)
    if (second < 299) expect(facts).toEqual([])
  }
  expect(facts).toMatchObject([{ reason: expect.stringMatching(/has not answered a fetch/) }])
})

test.each([2000, 6000])(
  'an event loop that stands still for %s ms, again and again, makes no stall',
  async (standsMs) => {
    const now = performance.now.bind(performance)
    let stoodMs = 0
    vi.spyOn(performance, 'now').mockImplementation(() => now() + stoodMs)
    const unwatch = watchEventLoop(() => {})
    await pass(2, 10n)
    for (let times = 0; times < 10; times++) {
      answered(10n)
      stoodMs += standsMs
      await vi.advanceTimersByTimeAsync(1000)
      await pass(1, 10n)
    }
    expect(facts).toEqual([])
    // One that is really not answered is a stall all the same.
    await pass(4)
    expect(types()).toEqual(['partition.stalled'])
    unwatch()
  },
)
