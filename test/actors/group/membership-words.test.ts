// What a membership asks its coordinator, how long it waits for it, and what becomes of each answer; on a clock that the test turns.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import type { Coordinator } from '../../../actors/group/coordinator.ts'
import { Membership, type MembershipOptions } from '../../../actors/group/membership.ts'
import { apiKeys, errorCodes } from '../../../actors/protocol/frames.ts'
import { held } from '../../../actors/wire/in-flight-requests.ts'
import type { Fact } from '../../../machines/fact.ts'
import type { Failure } from '../../../machines/failure.ts'
import type { PartitionsByTopic } from '../../../machines/topic-partition.ts'
import { int16, int32, list, requestFrame, text } from '../bytes.ts'
import { groupAnswers } from '../fake-group.ts'
import { settled } from '../stage.ts'
import { join, WordedCoordinator } from './worded-coordinator.ts'

let words: WordedCoordinator
let facts: Fact[]
let log: string[]
let refused: Failure[]
let synced: PartitionsByTopic[]
let settle: () => Promise<void>
const made: Membership[] = []

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 1_000_000 })
  vi.spyOn(Math, 'random').mockReturnValue(0)
  words = new WordedCoordinator()
  facts = []
  log = []
  refused = []
  synced = []
  settle = async () => void log.push('settle')
})
afterEach(() => {
  for (const membership of made.splice(0)) membership.close()
  expect(vi.getTimerCount()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

function membershipWith(options: Partial<MembershipOptions> = {}): Membership {
  const membership = new Membership({
    epoch: 3,
    groupId: 'orders',
    coordinator: words as unknown as Coordinator,
    heartbeatIntervalMs: 1000,
    rebalanceTimeoutMs: 60_000,
    emit: (fact) => facts.push(fact),
    append: (step) => {
      if (step.type === 'group.rebalancing') facts.push({ type: step.type, ...step.data } as Fact)
    },
    settle: async () => {
      await settle()
      return undefined
    },
    fetchOffsets: (request, ask) => ask(request),
    onSync: (partitions) => void synced.push(partitions),
    isAllGiven: () => true,
    onLost: () => void log.push('lost'),
    reset: () => {},
    onRefused: (failure) => void refused.push(failure),
    interruptPolls: () => void log.push('interrupt polls'),
    ...options,
  })
  made.push(membership)
  return membership
}

const request = (apiKey: number, ...body: Buffer[]) => requestFrame(apiKey, 3, 7, ...body)
const joinRequest = (memberId = 'member-1') =>
  request(apiKeys.joinGroup, text('orders'), int32(30_000), int32(60_000), text(memberId), text(null))

async function joined(options: Partial<MembershipOptions> = {}): Promise<Membership> {
  const membership = membershipWith(options)
  await membership.answer(joinRequest())
  await membership.answer(request(apiKeys.syncGroup))
  facts.length = 0
  return membership
}

const types = () => facts.map(({ type }) => type)
const commitOf = (...partitions: number[]) => [
  { topic: 'orders', partitions: partitions.map((partition) => ({ partition, offset: '5' })) },
]

describe('on its way into the group', () => {
  test('each request has its own time: a join and a sync may be held, what is asked beside them is answered at once', async () => {
    const membership = membershipWith()
    await membership.answer(joinRequest(''))
    await membership.answer(joinRequest())
    await membership.answer(request(apiKeys.syncGroup))
    await membership.answer(request(apiKeys.offsetFetch))
    await membership.heartbeat(700)
    words.answers.set(apiKeys.offsetCommit, () => groupAnswers.commit('orders', { 0: 0 }))
    await membership.commit(commitOf(0), 800)
    await membership.leave(900)
    expect(words.asked.map(({ apiKey, patience: { withinMs, silenceMs } }) => [apiKey, withinMs, silenceMs])).toEqual([
      [apiKeys.joinGroup, 70_000, 1000],
      [apiKeys.joinGroup, 70_000, held],
      [apiKeys.syncGroup, 70_000, held],
      [apiKeys.offsetFetch, 30_000, 1000],
      [apiKeys.heartbeat, 700, 500],
      [apiKeys.offsetCommit, 800, 500],
      [apiKeys.leaveGroup, 900, 500],
    ])
  })

  test('the coordinator is told which error of an answer speaks of it', async () => {
    const membership = await joined()
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(14))
    words.answers.set(apiKeys.offsetCommit, () => groupAnswers.commit('orders', { 0: 16 }))
    await membership.heartbeat(1000)
    await membership.commit(commitOf(0), 1000)
    words.answers.set(apiKeys.offsetCommit, () => Buffer.concat([int32(0), list([])]))
    await membership.commit(commitOf(0), 1000)
    words.answers.set(apiKeys.leaveGroup, () => Buffer.concat([int32(0), int16(15), list([])]))
    expect(await membership.leave(1000)).toBe(false)
    expect(words.asked.slice(2).map(({ code }) => code)).toEqual([14, 16, 0, 15])
  })

  test('it asks for its place from its first join until it asks for its assignment, and is a member from then on', async () => {
    const membership = membershipWith()
    const seen = () => [membership.asking, membership.joining, membership.joined, membership.closed]
    expect(seen()).toEqual([false, false, false, false])
    await membership.answer(joinRequest())
    expect(seen()).toEqual([true, true, false, false])
    await membership.answer(request(apiKeys.syncGroup))
    expect(seen()).toEqual([false, false, true, false])
    membership.close()
    expect(seen()).toEqual([false, false, false, true])
  })

  test('a join that waits for handlers is asking already, and goes out when they have settled', async () => {
    let end = () => {}
    settle = () =>
      new Promise((resolve) => {
        end = resolve
      })
    const membership = await joined()
    const joining = membership.answer(joinRequest())
    await settled()
    expect([membership.joined, membership.joining, words.of(apiKeys.joinGroup).length]).toEqual([true, false, 1])
    // Its heartbeats end with the join, not before it.
    end()
    await joining
    expect([membership.joining, words.of(apiKeys.joinGroup).length]).toEqual([true, 2])
    // Outside of the group there is nothing to settle.
    settle = () => Promise.reject(new Error('nothing to settle'))
    await membership.answer(joinRequest())
    expect(words.of(apiKeys.joinGroup)).toHaveLength(3)
  })

  test('an assignment is given on once, and a refused one is none', async () => {
    const membership = membershipWith()
    await membership.answer(joinRequest())
    words.answers.set(apiKeys.syncGroup, () => groupAnswers.sync(27))
    await membership.answer(request(apiKeys.syncGroup))
    expect([membership.joined, synced]).toEqual([false, []])
    words.answers.set(apiKeys.syncGroup, () => groupAnswers.sync(0))
    await membership.answer(request(apiKeys.syncGroup))
    expect([membership.joined, synced]).toEqual([true, [{}]])
  })

  test('a member that left while its sync was held does not come back', async () => {
    const membership = membershipWith()
    await membership.answer(joinRequest())
    words.answers.set(apiKeys.syncGroup, () => {
      membership.close()
      return groupAnswers.sync(0)
    })
    await membership.answer(request(apiKeys.syncGroup))
    expect([membership.joined, membership.closed]).toEqual([false, true])
    await vi.advanceTimersByTimeAsync(5000)
    expect(words.of(apiKeys.heartbeat)).toEqual([])
  })
})

describe('while heartbeats go out', () => {
  test('heartbeats go out a little before each interval, also after one that was not understood', async () => {
    await joined()
    await vi.advanceTimersByTimeAsync(899)
    expect(words.of(apiKeys.heartbeat)).toHaveLength(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(words.of(apiKeys.heartbeat)).toMatchObject([{ patience: { withinMs: 10_000 } }])
    vi.mocked(Math.random).mockReturnValue(1)
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(15))
    await vi.advanceTimersByTimeAsync(900)
    expect(words.of(apiKeys.heartbeat)).toHaveLength(2)
    // One that nobody understands is followed by the next.
    words.answers.set(apiKeys.heartbeat, () => Promise.reject(new Error('gone')))
    await vi.advanceTimersByTimeAsync(1000)
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(0))
    await vi.advanceTimersByTimeAsync(999)
    expect(words.of(apiKeys.heartbeat)).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(words.of(apiKeys.heartbeat)).toHaveLength(3)
  })

  test('no heartbeat goes out while it joins', async () => {
    const membership = await joined()
    await membership.answer(joinRequest())
    await vi.advanceTimersByTimeAsync(5000)
    expect(words.of(apiKeys.heartbeat)).toEqual([])
  })

  test.each([
    ['heartbeat', (membership: Membership) => membership.heartbeat(1000)],
    ['commit', (membership: Membership) => membership.commit(commitOf(0), 1000)],
  ])('an answer to a %s of the generation before says nothing of this one', async (_what, ask) => {
    const membership = await joined({ heartbeatIntervalMs: 60_000 })
    let answer: (body: Buffer) => void = () => {}
    const late = () =>
      new Promise<Buffer>((resolve) => {
        answer = resolve
      })
    words.answers.set(apiKeys.heartbeat, late)
    words.answers.set(apiKeys.offsetCommit, late)
    const asked = ask(membership)
    words.answers.set(apiKeys.joinGroup, () => join({ generation: 5 }))
    await membership.answer(joinRequest())
    await membership.answer(request(apiKeys.syncGroup))
    log.length = 0
    answer(_what === 'commit' ? groupAnswers.commit('orders', { 0: 25 }) : groupAnswers.heartbeat(25))
    await asked
    await settled()
    expect([types(), log, membership.generation]).toEqual([[], [], 5])
  })

  test.each([
    ['heartbeat', (membership: Membership) => membership.heartbeat(1000)],
    ['commit', (membership: Membership) => membership.commit(commitOf(0), 1000)],
  ])('a %s that is answered while it joins changes nothing', async (_what, ask) => {
    const membership = await joined({ heartbeatIntervalMs: 60_000 })
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(25))
    words.answers.set(apiKeys.offsetCommit, () => groupAnswers.commit('orders', { 0: 25 }))
    await membership.answer(joinRequest())
    log.length = 0
    await ask(membership)
    expect([types(), log, membership.closed]).toEqual([[], [], false])
  })
})

describe('while it is a member', () => {
  test('a commit tells each partition in the order asked, and its first error counts', async () => {
    const membership = await joined()
    const other = { topic: 'bills', partitions: [{ partition: 0, offset: '1' }] }
    const errors = (topic: string, ...codes: number[]) =>
      Buffer.concat([text(topic), list(codes.map((code, id) => Buffer.concat([int32(id), int16(code)])))])
    words.answers.set(apiKeys.offsetCommit, () =>
      Buffer.concat([int32(0), list([errors('orders', 0, 27), errors('bills', 3)])]),
    )
    expect(await membership.commit([other, ...commitOf(1, 0, 9)], 1000)).toEqual([
      3,
      27,
      0,
      errorCodes.unknownServerError,
    ])
    await settled()
    // The first one is of no group's change.
    expect(types()).toEqual([])
    expect(await membership.commit(commitOf(0, 1), 1000)).toEqual([0, 27])
    await settled()
    expect(types()).toEqual(['group.rebalancing'])
  })

  test.each([
    ['a leader in the group', 'member-1', true, ['group.rebalancing']],
    ['a follower', 'another', true, []],
    ['a leader that is not in the group yet', 'member-1', false, []],
  ])('%s lets the group join again for new partitions: %s, %s', async (_what, leader, isIn, expected) => {
    words.answers.set(apiKeys.joinGroup, () => join({ leader }))
    const membership = membershipWith()
    await membership.answer(joinRequest())
    if (isIn) await membership.answer(request(apiKeys.syncGroup))
    facts.length = 0
    membership.grow()
    membership.grow()
    await settled()
    expect(types()).toEqual(expected)
  })
})

describe('when it is refused or lost', () => {
  test('who was refused a join leads nothing', async () => {
    const membership = await joined()
    words.answers.set(apiKeys.joinGroup, () => join({ error: 79, leader: 'member-1', generation: -1 }))
    await membership.answer(joinRequest())
    await membership.answer(request(apiKeys.syncGroup))
    expect(membership.generation).toBe(4)
    facts.length = 0
    membership.grow()
    expect(types()).toEqual([])
  })

  test('a join that is answered without a member id names nobody', async () => {
    words.answers.set(apiKeys.joinGroup, () => join({ error: 15, memberId: '' }))
    const membership = membershipWith()
    await membership.answer(joinRequest(''))
    expect([membership.memberId, types()]).toEqual(['', []])
  })

  test('a coordinator that refuses the member ends it, once', async () => {
    const membership = await joined()
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(30))
    await vi.advanceTimersByTimeAsync(5000)
    const message = 'The coordinator refused member member-1 of group orders'
    expect(refused).toEqual([{ kind: 'not-authorized', message, code: 'GROUP_AUTHORIZATION_FAILED' }])
    expect([membership.closed, words.of(apiKeys.heartbeat).length]).toEqual([true, 1])
  })

  test.each([
    ['not-authorized', 1],
    ['unreachable', 0],
  ] as const)('a request of KafkaJS that fails as %s has it refused %i times', async (kind, times) => {
    const failure: Failure = { kind, message: 'no' }
    const membership = membershipWith()
    words.answers.set(apiKeys.joinGroup, () => Promise.reject(new ConnectionError(failure)))
    for (let asks = 0; asks < 2; asks++)
      await expect(membership.answer(joinRequest())).rejects.toBeInstanceOf(ConnectionError)
    expect([refused.length, membership.closed]).toEqual([times, times === 1])
  })

  test('an answer that can not be read refuses nobody', async () => {
    const membership = membershipWith()
    words.answers.set(apiKeys.joinGroup, () => Promise.reject(new Error('odd')))
    await expect(membership.answer(joinRequest())).rejects.toThrow('odd')
    expect(refused).toEqual([])
  })

  test('a lost member is told by its name and generation', async () => {
    const membership = await joined()
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(25))
    await membership.heartbeat(1000)
    const message = 'The coordinator does not know member member-1 of generation 4'
    expect(facts).toMatchObject([{ type: 'member.lost', failure: { message } }])
  })
})

describe('while it settles and rejoins', () => {
  test('a member that is closed while its handlers settle has nothing to rejoin', async () => {
    const membership = await joined()
    let end = () => {}
    settle = () =>
      new Promise((resolve) => {
        end = resolve
      })
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(22))
    await membership.heartbeat(1000)
    expect([types(), membership.joined]).toEqual([['group.rebalancing'], true])
    membership.close()
    end()
    await settled()
    expect(log).toEqual([])
  })

  test('handlers that can not settle are a bug that fails the session', async () => {
    const membership = await joined()
    settle = () => Promise.reject(new TypeError('a defect'))
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(27))
    await membership.heartbeat(1000)
    await settled()
    expect(facts).toMatchObject([
      { type: 'group.rebalancing' },
      { type: 'session.failed', epoch: 3, failure: { kind: 'bug', message: 'a defect' } },
    ])
  })

  test('KafkaJS that rejoined in time is not stalled, and one that did not is told once', async () => {
    const membership = await joined({ heartbeatIntervalMs: 60_000 })
    words.answers.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(27))
    await membership.heartbeat(1000)
    await settled()
    expect(log).toEqual(['settle', 'interrupt polls'])
    await vi.advanceTimersByTimeAsync(4999)
    // What settled for the rebalance has not to settle again for the join that follows.
    await membership.answer(joinRequest())
    await membership.answer(request(apiKeys.syncGroup))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(log).toEqual(['settle', 'interrupt polls'])
    facts.length = 0
    await membership.heartbeat(1000)
    await vi.advanceTimersByTimeAsync(5000)
    const message = 'KafkaJS was told to rejoin and did not within 5000 ms'
    expect(facts).toMatchObject([
      { type: 'group.rebalancing', generation: 4 },
      { type: 'session.stalled', epoch: 3, failure: { kind: 'session-silent', message } },
    ])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(facts).toHaveLength(2)
  })
})
