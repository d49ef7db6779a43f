// The watchdog: which silence is a stall, and what is done about it, step by step.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Session } from '../../actors/session.ts'
import { watch } from '../../actors/watchdog.ts'
import type { Fact, TopicPartition } from '../../machines/fact.ts'
import { Stage, topic } from './stage.ts'

let stage: Stage
let facts: Fact[]
let end: () => void
let drops: number
let leader: number | undefined
let current: boolean
let joined: boolean
let slow: boolean
const fetched = new Map<string, { at: number; end: bigint; nodeId: number }>()

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  stage = new Stage()
  await stage.assign({ 0: 10n })
  facts = []
  drops = 0
  leader = 2
  current = true
  joined = true
  slow = false
  fetched.clear()
  const link = {
    get current() {
      return current
    },
    get slow() {
      return slow
    },
    drop: () => void drops++,
  }
  const session = {
    epoch: 5,
    fetched: { of: ({ topic, partition }: TopicPartition) => fetched.get(`${topic}/${partition}`) },
    leaderOf: () => leader,
    refreshLeaders: () => {},
    routes: { fetchLink: () => link },
    membership: {
      get joined() {
        return joined
      },
    },
  }
  end = watch({ session: session as unknown as Session, handOut: stage.handOut, emit: (fact) => facts.push(fact) })
})
afterEach(() => {
  end()
  vi.useRealTimers()
})

/** Half seconds pass; each time the leader has answered with this end of the log. */
async function pass(seconds: number, logEnd?: bigint): Promise<void> {
  for (let step = 0; step < seconds * 2; step++) {
    if (logEnd !== undefined) fetched.set(`${topic}/0`, { at: performance.now(), end: logEnd, nodeId: 2 })
    await vi.advanceTimersByTimeAsync(500)
  }
}

const types = (): string[] => facts.map(({ type }) => type)

test('a partition that is fetched and has nothing more to read is well', async () => {
  await pass(60, 10n)
  expect(facts).toEqual([])
})

test('a partition with more to read and no progress is reported, dialled anew, and then the session is silent', async () => {
  await pass(2.5, 12n)
  expect(facts).toEqual([])
  await pass(1, 12n)
  expect(facts).toMatchObject([
    { type: 'partition.stalled', topic, partition: 0, reason: expect.stringMatching(/no progress/) },
  ])
  await pass(1, 12n)
  expect(drops).toBe(1)
  await pass(6.5, 12n)
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
  await pass(4, 12n)
  await stage.offer(0, [10, 11])
  await stage.handlers.end('0/10', '0/11')
  await pass(1, 12n)
  expect(types()).toEqual(['partition.stalled', 'partition.resumed'])
  await pass(30, 12n)
  expect(types()).toEqual(['partition.stalled', 'partition.resumed'])
})

test.each([
  ['a handler is at work', () => stage.offer(0, [10])],
  ['it is paused', () => stage.handOut.pause({ topic, partition: 0 })],
  [
    'what was fetched waits behind a pause',
    async () => {
      stage.handOut.pause({ topic, partition: 0 })
      await stage.offer(0, [10])
    },
  ],
])('a partition without progress while %s is no stall', async (_why, arrange) => {
  await arrange()
  await pass(30, 12n)
  expect(facts).toEqual([])
})

test('a partition whose leader is away is reported, and a new session is not asked for', async () => {
  current = false
  await pass(30)
  expect(facts).toMatchObject([{ type: 'partition.stalled', reason: expect.stringMatching(/node 2, is out of reach/) }])
  expect(drops).toBe(0)
})

test('a partition whose leader takes its time over a fetch is reported, and nothing is dialled or given up for it', async () => {
  slow = true
  await pass(30, 12n)
  expect([types(), drops]).toEqual([['partition.stalled'], 0])
})

test('a partition without a leader is reported as that', async () => {
  leader = undefined
  await pass(4)
  expect(facts).toMatchObject([{ type: 'partition.stalled', reason: 'it has no leader' }])
})

test('nothing is done while the group rebalances, and nothing said of partitions that went elsewhere', async () => {
  joined = false
  await pass(30, 12n)
  expect(types()).toEqual(['partition.stalled'])
  expect(drops).toBe(0)
  await stage.assign({ 1: 0n })
  fetched.set(`${topic}/1`, { at: performance.now(), end: 0n, nodeId: 2 })
  await pass(2)
  expect(types()).toEqual(['partition.stalled'])
})
