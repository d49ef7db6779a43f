// The commits of a session, against a coordinator's word: what becomes of the marks when a commit is refused or gets lost.
import { expect, test, vi } from 'vitest'
import { Commits } from '../../actors/commits.ts'
import type { HandOut } from '../../actors/hand-out.ts'
import type { Lane } from '../../actors/lane.ts'
import type { Membership } from '../../actors/membership.ts'
import { Progress } from '../../actors/progress.ts'
import { Tenure } from '../../actors/tenure.ts'
import { Topics } from '../../actors/topics.ts'
import type { Fact } from '../../machines/fact.ts'

const UNKNOWN_TOPIC_OR_PARTITION = 3
const UNKNOWN_MEMBER_ID = 25
const REBALANCE_IN_PROGRESS = 27
const TOPIC_AUTHORIZATION_FAILED = 29

/** One partition, handled up to 20 and committed up to 15, whose commit gets this answer. */
async function committing(answer: () => Promise<number[]>): Promise<{ progress: Progress; facts: Fact[] }> {
  const progress = Object.assign(new Progress(), { mark: 20n, acknowledged: 15n })
  const facts: Fact[] = []
  const lane = { topic: 'orders', partition: 0, progress }
  const handOut = { tenure: { epoch: 1, generation: 4 }, uncommitted: () => [lane] }
  const membership = { generation: 4, joined: true, commit: answer }
  const commits = new Commits({
    epoch: 1,
    handOut: handOut as unknown as HandOut,
    membership: membership as unknown as Membership,
    topics: new Topics(),
    emit: (fact) => facts.push(fact),
  })
  await commits.commit(1000)
  return { progress, facts }
}

test('an accepted commit is acknowledged', async () => {
  const { progress } = await committing(async () => [0])
  expect(progress).toMatchObject({ acknowledged: 20n, unknown: new Set() })
})

test.each([UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS])(
  'a commit refused with error %i may have been applied when it was sent for the first time: the mark stays valid',
  async (code) => {
    const { progress, facts } = await committing(async () => [code])
    expect(facts).toEqual([])
    progress.mark = 30n
    expect(progress.startFrom(20n, new Tenure(1, 5, { orders: [0] }))).toEqual({ offset: 30n, dropped: undefined })
  },
)

test('a commit without an answer leaves the mark valid, and is told', async () => {
  const { progress, facts } = await committing(() => Promise.reject(new Error('gone')))
  expect(facts.map(({ type }) => type)).toEqual(['commit.failed'])
  expect([...progress.unknown]).toEqual([20n])
})

test('a commit that is not allowed is told and was not applied', async () => {
  const { progress, facts } = await committing(async () => [TOPIC_AUTHORIZATION_FAILED])
  expect(facts.map(({ type }) => type)).toEqual(['commit.failed'])
  expect(progress.unknown.size).toBe(0)
})

test('a commit says beside the offset which topic it was, how many partitions it had at first, and the leader epoch', async () => {
  const progress = Object.assign(new Progress(), { mark: 20n, leaderEpoch: 7 })
  const lane = { topic: 'orders', partition: 0, progress }
  const topics = new Topics()
  topics.see([{ topic: 'orders', id: 'a'.repeat(32), errorCode: 0, partitions: 3 }])
  const sent: unknown[] = []
  const commits = new Commits({
    epoch: 1,
    topics,
    handOut: { tenure: { epoch: 1, generation: 4 }, uncommitted: () => [lane] } as unknown as HandOut,
    membership: {
      ...{ generation: 4, joined: true },
      commit: async (offsets: unknown) => {
        sent.push(offsets)
        return [0]
      },
    } as unknown as Membership,
    emit: () => {},
  })
  await commits.commit(1000)
  const metadata = `relisten/1 ${'a'.repeat(32)} 3 7`
  expect(sent).toEqual([[{ topic: 'orders', partitions: [{ partition: 0, offset: '20', metadata }] }]])
})

/** A position that was looked up, in a group whose coordinator refuses its commit for so long; resolves with when each commit was sent. */
async function pinning(refusedForMs: number, act: (tenure: Tenure) => void = () => {}): Promise<number[]> {
  vi.useFakeTimers()
  try {
    const progress = Object.assign(new Progress(), { mark: 20n })
    const lane = { topic: 'orders', partition: 0, progress } as Lane
    const startedAt = Date.now()
    const sentAt: number[] = []
    const tenure = new Tenure(1, 4, { orders: [0] })
    const commits = new Commits({
      epoch: 1,
      handOut: { tenure, uncommitted: () => [lane] } as unknown as HandOut,
      membership: {
        ...{ generation: 4, joined: true },
        commit: async () => {
          sentAt.push(Date.now() - startedAt)
          return [Date.now() - startedAt < refusedForMs ? UNKNOWN_TOPIC_OR_PARTITION : 0]
        },
      } as unknown as Membership,
      topics: new Topics(),
      emit: () => {},
    })
    const pinned = commits.commitPinned(lane)
    act(tenure)
    await vi.runAllTimersAsync()
    await pinned
    return sentAt
  } finally {
    vi.useRealTimers()
  }
}

test('a position that was looked up is committed anew at a pace that bears a coordinator that refuses it for a moment', async () => {
  const sentAt = await pinning(60)
  expect(sentAt.length).toBeLessThanOrEqual(3)
  expect(sentAt.at(-1)).toBeGreaterThanOrEqual(60)
})

test('a position whose commit is refused all the time is read without it after five attempts', async () => {
  expect(await pinning(Number.POSITIVE_INFINITY)).toHaveLength(5)
})

test('with the end of the tenure nobody commits a looked-up position any more', async () => {
  expect(await pinning(Number.POSITIVE_INFINITY, (tenure) => void tenure.close(0, 0))).toHaveLength(1)
})

test('positions that are looked up one by one are committed together: a thousand of them are one request', async () => {
  const lanes = Array.from({ length: 1000 }, (_, partition) => ({
    topic: 'orders',
    partition,
    progress: new Progress(),
  }))
  let looks = 0
  let requests = 0
  const handOut = {
    tenure: { epoch: 1, generation: 4, open: true },
    uncommitted: () => {
      looks++
      return lanes.filter(({ progress }) => progress.uncommitted !== undefined)
    },
  }
  const membership = {
    generation: 4,
    joined: true,
    commit: async (topics: { partitions: unknown[] }[]) => {
      requests++
      return topics.flatMap(({ partitions }) => partitions.map(() => 0))
    },
  }
  const commits = new Commits({
    epoch: 1,
    handOut: handOut as unknown as HandOut,
    membership: membership as unknown as Membership,
    topics: new Topics(),
    emit: () => {},
  })
  await Promise.all(
    lanes.map((lane) => {
      lane.progress.pin(7n, -1)
      return commits.commitPinned(lane as Lane)
    }),
  )
  expect(lanes.every(({ progress }) => progress.acknowledged === 7n)).toBe(true)
  expect({ requests, looks }).toEqual({ requests: 1, looks: 1 })
})
