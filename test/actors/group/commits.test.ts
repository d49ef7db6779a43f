// The commits of a session, against a coordinator's word: what becomes of the marks when a commit is refused or gets lost.
import { expect, test, vi } from 'vitest'
import { Assignment } from '../../../actors/delivery/assignment.ts'
import type { Dispatcher } from '../../../actors/delivery/dispatcher.ts'
import type { PartitionQueue } from '../../../actors/delivery/partition-queue.ts'
import { Progress } from '../../../actors/delivery/progress.ts'
import { Commits } from '../../../actors/group/commits.ts'
import type { Membership } from '../../../actors/group/membership.ts'
import type { Offsets } from '../../../actors/kafkajs/calls.ts'
import { Topics } from '../../../actors/topics/topics.ts'
import type { Fact } from '../../../machines/fact.ts'

const UNKNOWN_TOPIC_OR_PARTITION = 3
const INVALID_COMMIT_OFFSET_SIZE = 28
const ILLEGAL_GENERATION = 22
const UNKNOWN_MEMBER_ID = 25
const REBALANCE_IN_PROGRESS = 27
const TOPIC_AUTHORIZATION_FAILED = 29
const GROUP_AUTHORIZATION_FAILED = 30

/** Queues of these partitions, `topic/partition`, each handled up to 20 and committed up to 15, and commits of them that get these answers. */
class Committing {
  readonly facts: Fact[] = []
  /** What was sent, as `topic/partition@offset`, and by when it has to be answered. */
  readonly sent: string[][] = []
  readonly within: number[] = []
  readonly membership = { generation: 4, joined: true }
  readonly dispatcher: { assignment: { epoch: number; generation: number; open: boolean } | undefined }
  readonly queues: { readonly topic: string; readonly partition: number; readonly progress: Progress }[]
  readonly commits: Commits

  constructor(answer: () => Promise<number[]>, ...partitions: string[]) {
    this.queues = (partitions.length > 0 ? partitions : ['orders/0']).map((name) => {
      const [topic = '', partition] = name.split('/')
      const progress = Object.assign(new Progress(), { mark: 20n, acknowledged: 15n })
      return { topic, partition: Number(partition), progress }
    })
    this.dispatcher = { assignment: { epoch: 1, generation: 4, open: true } }
    const uncommitted = () => this.queues.filter(({ progress }) => progress.uncommitted !== undefined)
    const commit = (offsets: Offsets, withinMs: number) => {
      this.sent.push(
        offsets.flatMap(({ topic, partitions }) =>
          partitions.map((each) => `${topic}/${each.partition}@${each.offset}`),
        ),
      )
      this.within.push(withinMs)
      return answer()
    }
    this.commits = new Commits({
      epoch: 1,
      dispatcher: Object.assign(this.dispatcher, { uncommitted, commitsMarks: true }) as unknown as Dispatcher,
      membership: Object.assign(this.membership, { commit }) as unknown as Membership,
      topics: new Topics(),
      emit: (fact) => this.facts.push(fact),
    })
  }

  /** The progress of the first queue. */
  get progress(): Progress {
    const progress = this.queues[0]?.progress
    if (!progress) throw new Error('There is no queue')
    return progress
  }
}

/** One partition whose commit gets this answer. */
async function committing(answer: () => Promise<number[]>): Promise<Committing> {
  const stage = new Committing(answer)
  await stage.commits.commit(1000)
  return stage
}

test('an accepted commit is acknowledged', async () => {
  const { progress } = await committing(async () => [0])
  expect(progress).toMatchObject({ acknowledged: 20n, unknown: new Set() })
})

test.each([ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS])(
  'a commit refused with error %i may have been applied when it was sent for the first time: the mark stays valid',
  async (code) => {
    const { progress, facts } = await committing(async () => [code])
    expect(facts).toEqual([])
    progress.mark = 30n
    expect(progress.startFrom(20n, new Assignment(1, 5, { orders: [0] }))).toBeUndefined()
    expect(progress.mark).toBe(30n)
  },
)

test('a commit without an answer leaves the mark valid, and is told', async () => {
  const { progress, facts } = await committing(() => Promise.reject(new Error('gone')))
  expect(facts).toMatchObject([{ type: 'commit.failed', epoch: 1, failure: { message: 'gone' } }])
  expect([...progress.unknown]).toEqual([20n])
})

test.each([
  [TOPIC_AUTHORIZATION_FAILED, 'not-authorized'],
  [GROUP_AUTHORIZATION_FAILED, 'not-authorized'],
  [INVALID_COMMIT_OFFSET_SIZE, 'group-refused'],
  [UNKNOWN_TOPIC_OR_PARTITION, 'group-refused'],
])(
  'a commit that is refused with error %i is told as %s, and may have been applied the first time',
  async (code, kind) => {
    const { progress, facts } = await committing(async () => [code])
    const message = `The coordinator refused a commit with Kafka's error ${code}`
    expect(facts).toEqual([{ type: 'commit.failed', epoch: 1, failure: { kind, message, code: `${code}` } }])
    expect(progress).toMatchObject({ acknowledged: 15n, unknown: new Set([20n]) })
  },
)

test('a refusal is told once, until a commit is accepted or is refused for another reason', async () => {
  const codes = [29, 29, 28, 28, 25, 28, 0, 28]
  const stage = new Committing(async () => [codes.shift() ?? 0])
  const told: number[] = []
  while (codes.length > 0) {
    const { length } = stage.facts
    await stage.commits.commit(1000)
    told.push(stage.facts.length - length)
    stage.progress.mark = (stage.progress.mark ?? 0n) + 1n
  }
  expect(told).toEqual([1, 0, 1, 0, 0, 0, 0, 1])
})

test('partitions are sent by topic, and each gets its own answer', async () => {
  const stage = new Committing(async () => [0, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_MEMBER_ID], 'a/0', 'b/0', 'a/1')
  await stage.commits.commit(1000)
  expect(stage.sent).toEqual([['a/0@20', 'a/1@20', 'b/0@20']])
  expect(stage.queues.map(({ progress: { acknowledged, unknown } }) => [acknowledged, unknown.size])).toEqual([
    [20n, 0],
    [15n, 1],
    [15n, 1],
  ])
  expect(stage.facts).toMatchObject([{ failure: { code: '29' } }])
})

test('a commit whose answer leaves a partition out says nothing of it', async () => {
  const { progress } = await committing(async () => [])
  expect(progress).toMatchObject({ acknowledged: 15n, unknown: new Set([20n]) })
})

test.each<[string, (stage: Committing) => unknown]>([
  ['nothing is assigned', ({ dispatcher }) => Object.assign(dispatcher, { assignment: undefined })],
  [
    'the assignment is of another session',
    ({ dispatcher }) => Object.assign(dispatcher.assignment ?? {}, { epoch: 2 }),
  ],
  ['the assignment is of another generation', ({ membership }) => Object.assign(membership, { generation: 5 })],
  ['the group is not joined', ({ membership }) => Object.assign(membership, { joined: false })],
  ['the group knows all of it', ({ progress }) => progress.committed(20n, true)],
])('nothing is sent while %s', async (_what, arrange) => {
  const stage = new Committing(async () => [0])
  arrange(stage)
  await stage.commits.commit(1000)
  expect([stage.sent, stage.facts]).toEqual([[], []])
})

test('a commit that is under way is joined, and the next one is another', async () => {
  let answer: (codes: number[]) => void = () => {}
  const answers = () =>
    new Promise<number[]>((resolve) => {
      answer = resolve
    })
  const stage = new Committing(answers)
  const commit = stage.commits.commit(1000)
  stage.progress.mark = 22n
  expect(stage.commits.commit(1000)).toBe(commit)
  const all = stage.commits.commitAll(2000)
  await Promise.resolve()
  expect(stage.sent).toEqual([['orders/0@20']])
  answer([0])
  await commit
  await new Promise((resolve) => setImmediate(resolve))
  // What was handled meanwhile.
  expect([stage.sent, stage.within]).toEqual([
    [['orders/0@20'], ['orders/0@22']],
    [1000, 2000],
  ])
  answer([0])
  await all
  expect(stage.progress).toMatchObject({ acknowledged: 22n, uncommitted: undefined })
})

test('a commit that was under way when the user sought does not take the sought place for known', async () => {
  const stage = new Committing(async () => {
    stage.progress.seek(3n, new Assignment(1, 4, { orders: [0] }))
    return [0]
  })
  await stage.commits.commit(1000)
  expect(stage.progress.uncommitted).toBe(3n)
})

test.each<[string, number | undefined]>([
  ['is accepted', 0],
  ['is refused, as the group changes', REBALANCE_IN_PROGRESS],
  ['gets no answer', undefined],
])('a commit of a topic that %s after it was made again says nothing of the new one', async (_what, code) => {
  const stage = new Committing(async () => {
    stage.progress.forget()
    stage.progress.resetTo(0n, -1)
    if (code === undefined) throw new Error('gone')
    return [code]
  })
  await stage.commits.commit(1000)
  expect(stage.progress).toMatchObject({ uncommitted: 0n, unknown: new Set() })
})

test('positions that were looked up are not committed when the assignment is over', async () => {
  const stage = new Committing(async () => [0])
  for (const assignment of [{ epoch: 1, generation: 4, open: false }, undefined]) {
    Object.assign(stage.dispatcher, { assignment })
    await stage.commits.commitReset(stage.queues[0] as PartitionQueue)
  }
  expect(stage.sent).toEqual([])
})

test('a commit says beside the offset which topic it was, how many partitions it had at first, and the leader epoch', async () => {
  const progress = Object.assign(new Progress(), { mark: 20n, leaderEpoch: 7 })
  const queue = { topic: 'orders', partition: 0, progress }
  const topics = new Topics()
  topics.see([{ topic: 'orders', id: 'a'.repeat(32), errorCode: 0, partitions: 3 }])
  const sent: unknown[] = []
  const commits = new Commits({
    epoch: 1,
    topics,
    dispatcher: {
      assignment: { epoch: 1, generation: 4 },
      uncommitted: () => [queue],
      commitsMarks: true,
    } as unknown as Dispatcher,
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
async function pinning(refusedForMs: number, act: (assignment: Assignment) => void = () => {}): Promise<number[]> {
  vi.useFakeTimers()
  try {
    const progress = Object.assign(new Progress(), { mark: 20n })
    const queue = { topic: 'orders', partition: 0, progress } as PartitionQueue
    const startedAt = Date.now()
    const sentAt: number[] = []
    const assignment = new Assignment(1, 4, { orders: [0] })
    const commits = new Commits({
      epoch: 1,
      dispatcher: { assignment, uncommitted: () => [queue], commitsMarks: true } as unknown as Dispatcher,
      membership: {
        ...{ generation: 4, joined: true },
        commit: async (_offsets: Offsets, withinMs: number) => {
          expect(withinMs).toBe(2000)
          sentAt.push(Date.now() - startedAt)
          return [Date.now() - startedAt < refusedForMs ? UNKNOWN_TOPIC_OR_PARTITION : 0]
        },
      } as unknown as Membership,
      topics: new Topics(),
      emit: () => {},
    })
    const committed = commits.commitReset(queue)
    act(assignment)
    await vi.runAllTimersAsync()
    await committed
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

test('with the end of the assignment nobody commits a looked-up position any more', async () => {
  expect(await pinning(Number.POSITIVE_INFINITY, (assignment) => void assignment.close(0, 0))).toHaveLength(1)
})

test('positions that are looked up one by one are committed together: a thousand of them are one request', async () => {
  const queues = Array.from({ length: 1000 }, (_, partition) => ({
    topic: 'orders',
    partition,
    progress: new Progress(),
  }))
  let looks = 0
  let requests = 0
  const dispatcher = {
    assignment: { epoch: 1, generation: 4, open: true },
    commitsMarks: true,
    uncommitted: () => {
      looks++
      return queues.filter(({ progress }) => progress.uncommitted !== undefined)
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
    dispatcher: dispatcher as unknown as Dispatcher,
    membership: membership as unknown as Membership,
    topics: new Topics(),
    emit: () => {},
  })
  await Promise.all(
    queues.map((queue) => {
      queue.progress.resetTo(7n, -1)
      return commits.commitReset(queue as PartitionQueue)
    }),
  )
  expect(queues.every(({ progress }) => progress.acknowledged === 7n)).toBe(true)
  expect({ requests, looks }).toEqual({ requests: 1, looks: 1 })
})
