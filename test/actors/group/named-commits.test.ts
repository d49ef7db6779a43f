// Commits of offsets that the user names: what is sent, in which order, and what the caller is told.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Progress } from '../../../actors/delivery/progress.ts'
import type { NamedOffset } from '../../../actors/group/commit-rejection.ts'
import { Commits } from '../../../actors/group/commits.ts'
import type { Membership } from '../../../actors/group/membership.ts'
import type { Offsets } from '../../../actors/kafkajs/calls.ts'
import type { Fact } from '../../../machines/fact.ts'
import { Stage, type StageOptions, topic } from '../stage.ts'

const ILLEGAL_GENERATION = 22
const GROUP_AUTHORIZATION_FAILED = 30
const UNKNOWN_TOPIC_OR_PARTITION = 3

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** Partitions 0 and 1 from offset 10, whose first messages up to 13 are with handlers, and commits of them. */
class Committing {
  readonly stage: Stage
  readonly facts: Fact[] = []
  /** What was sent, as `partition@offset`. */
  readonly sent: string[][] = []
  readonly metadata: (string | null | undefined)[] = []
  readonly membership = { generation: 1, joined: true }
  answer = async (): Promise<number[]> => [0, 0]
  readonly commits: Commits

  private constructor(options: StageOptions) {
    this.stage = new Stage({ batches: true, ...options })
    const commit = (offsets: Offsets) => {
      const partitions = offsets.flatMap((each) => each.partitions)
      this.sent.push(partitions.map(({ partition, offset }) => `${partition}@${offset}`))
      this.metadata.push(...partitions.map(({ metadata }) => metadata))
      return this.answer()
    }
    this.commits = new Commits({
      epoch: 1,
      dispatcher: this.stage.dispatcher,
      membership: Object.assign(this.membership, { commit }) as unknown as Membership,
      topics: this.stage.topics,
      emit: (fact) => this.facts.push(fact),
    })
  }

  static async begin(options: StageOptions = {}): Promise<Committing> {
    const committing = new Committing(options)
    await committing.assign()
    return committing
  }

  async assign(committed = 10n): Promise<void> {
    const { stage, membership } = this
    const { assignment } = await stage.assign({ 0: committed, 1: committed })
    membership.generation = assignment.generation
    const offsets = [0n, 1n, 2n].map((each) => Number(committed + each))
    await stage.offer(0, offsets)
    await stage.offer(1, offsets)
  }

  commit(...offsets: (bigint | NamedOffset)[]): Promise<void> {
    return this.commits.commitOffsets(
      offsets.map((each) => (typeof each === 'bigint' ? { topic, partition: 0, offset: each } : each)),
    )
  }

  get progress(): Progress {
    return this.stage.queue(0).progress
  }
}

test.each([true, false])('with autoCommit %s, named offsets are committed and no mark moves', async (autoCommit) => {
  const committing = await Committing.begin({ autoCommit })
  await committing.commit(
    { topic, partition: 0, offset: 12n, metadata: 'checked' },
    { topic, partition: 1, offset: 11n },
  )
  expect([committing.sent, committing.metadata]).toEqual([[['0@12', '1@11']], ['checked', null]])
  expect(committing.progress).toMatchObject({ mark: 10n, acknowledged: 12n, uncommitted: undefined })
})

test('without autoCommit marks are committed when the user asks for it, and not by themselves', async () => {
  const committing = await Committing.begin({ autoCommit: false })
  await committing.stage.handlers.end('0/10')
  await committing.commits.commit(1000)
  expect(committing.sent).toEqual([])
  await committing.commits.commitMarks(1000)
  await committing.commits.commit(1000)
  expect(committing.sent).toEqual([['0@13']])
})

test('an automatic commit never goes below what was named', async () => {
  const committing = await Committing.begin()
  await committing.commit(12n)
  committing.progress.advance(10n, 11n, committing.progress.seeks)
  await committing.commits.commit(1000)
  await committing.stage.handlers.end('0/10')
  await committing.commits.commit(1000)
  expect(committing.sent).toEqual([['0@12'], ['0@13']])
})

test.each<[string, string, (committing: Committing) => unknown, NamedOffset]>([
  ['of another partition', 'not-assigned', () => {}, { topic, partition: 7, offset: 1n }],
  ['of another topic', 'not-assigned', () => {}, { topic: 'bills', partition: 0, offset: 1n }],
  ['behind what was handed out', 'out-of-range', () => {}, { topic, partition: 0, offset: 14n }],
  ['below what is committed', 'out-of-range', (each) => each.commit(12n), { topic, partition: 0, offset: 11n }],
  [
    'of a generation that is over',
    'fenced',
    ({ membership }) => void membership.generation++,
    { topic, partition: 0, offset: 11n },
  ],
  [
    'of a member that is none',
    'fenced',
    ({ membership }) => Object.assign(membership, { joined: false }),
    { topic, partition: 0, offset: 11n },
  ],
  ['of a partition that has gone', 'fenced', ({ stage }) => stage.begin([1]), { topic, partition: 0, offset: 11n }],
])('an offset %s is rejected as %s, and nothing is sent', async (_what, code, arrange, named) => {
  const committing = await Committing.begin()
  await arrange(committing)
  committing.sent.length = 0
  await expect(committing.commit({ topic, partition: 1, offset: 11n }, named)).rejects.toMatchObject({ code })
  expect(committing.sent).toEqual([])
})

test('a position that is not known yet is none to commit at', async () => {
  const committing = await Committing.begin()
  committing.stage.begin([0])
  committing.membership.generation++
  await expect(committing.commit(11n)).rejects.toMatchObject({ code: 'out-of-range' })
})

test('after a seek back a commit may go down, to what was sought and no further', async () => {
  const committing = await Committing.begin({ autoCommit: false })
  await committing.commit(13n)
  committing.stage.dispatcher.seek({ topic, partition: 0 }, 4n)
  await expect(committing.commit(3n)).rejects.toMatchObject({ code: 'out-of-range' })
  await committing.commit(4n)
  await expect(committing.commit(3n)).rejects.toMatchObject({ code: 'out-of-range' })
  expect(committing.sent).toEqual([['0@13'], ['0@4']])
})

test('calls are committed one request at a time, and of one partition the newest', async () => {
  const committing = await Committing.begin()
  let answer = (_codes: number[]) => {}
  committing.answer = () =>
    new Promise((resolve) => {
      answer = resolve
    })
  const first = committing.commit(11n)
  await vi.advanceTimersByTimeAsync(0)
  const others = [committing.commit(12n), committing.commit(13n)]
  await expect(committing.commit(12n)).rejects.toMatchObject({ code: 'out-of-range' })
  await vi.advanceTimersByTimeAsync(0)
  expect(committing.sent).toEqual([['0@11']])
  answer([0])
  await first
  await vi.advanceTimersByTimeAsync(0)
  answer([0])
  await Promise.all(others)
  expect(committing.sent).toEqual([['0@11'], ['0@13']])
})

test('a group that has changed meanwhile is told as fenced', async () => {
  const committing = await Committing.begin()
  committing.answer = async () => [ILLEGAL_GENERATION]
  await expect(committing.commit(11n)).rejects.toMatchObject({ code: 'fenced' })
})

test('what has no answer is sent again, and its caller is told after five times', async () => {
  const committing = await Committing.begin({ autoCommit: false })
  committing.answer = () => Promise.reject(new Error('gone'))
  const commit = committing.commit(11n)
  const told = expect(commit).rejects.toMatchObject({ failure: { message: 'gone' } })
  await vi.advanceTimersByTimeAsync(10_000)
  await told
  expect(committing.sent).toEqual(Array.from({ length: 5 }, () => ['0@11']))
  // Nobody is waiting for it any more.
  await committing.commits.commit(1000)
  expect([committing.sent.length, committing.facts]).toEqual([5, []])
})

test('a refusal that may pass is tried again, and one that does not is told at once', async () => {
  const committing = await Committing.begin()
  const codes = [UNKNOWN_TOPIC_OR_PARTITION, 0, GROUP_AUTHORIZATION_FAILED]
  committing.answer = async () => [codes.shift() ?? 0]
  const commit = committing.commit(11n)
  await vi.advanceTimersByTimeAsync(1000)
  await commit
  await expect(committing.commit(12n)).rejects.toMatchObject({ failure: { kind: 'not-authorized' } })
  expect([committing.sent.length, committing.facts]).toEqual([3, []])
})

test('what waits for its next try is fenced when the partition goes', async () => {
  const committing = await Committing.begin()
  committing.answer = () => Promise.reject(new Error('gone'))
  const told = expect(committing.commit(11n)).rejects.toMatchObject({ code: 'fenced' })
  await vi.advanceTimersByTimeAsync(0)
  committing.stage.begin([1])
  await vi.advanceTimersByTimeAsync(10_000)
  await told
})
