// The membership: what KafkaJS is told of its group and when, against a coordinator that answers by the test's word.
import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Membership, type MembershipOptions } from '../../../actors/group/membership.ts'
import { apiKeys, errorCodes, requestBodyOffset } from '../../../actors/protocol/frames.ts'
import type { Fact, FactOf, FactType } from '../../../machines/fact.ts'
import { int32, int64, list, requestFrame, text } from '../bytes.ts'
import { agreeable, FakeGroup, groupAnswers } from '../fake-group.ts'

let group: FakeGroup
let facts: Fact[]
let log: string[]
const made: Membership[] = []
const moments = new EventEmitter()

beforeEach(async () => {
  group = await FakeGroup.start(1, 2)
  agreeable(group.broker())
  facts = []
  log = []
})
afterEach(async () => {
  vi.useRealTimers()
  for (const membership of made.splice(0)) membership.close()
  await group.end()
})

function membershipWith(options: Partial<MembershipOptions> = {}): Membership {
  const note = (what: string) => {
    log.push(what)
    moments.emit(what)
  }
  const membership = new Membership({
    epoch: 3,
    groupId: 'orders',
    coordinator: group.coordinator,
    heartbeatIntervalMs: 20,
    rebalanceTimeoutMs: 1000,
    emit: (fact) => {
      facts.push(fact)
      moments.emit(fact.type)
    },
    append: ({ type, data }) => {
      if (type !== 'group.rebalancing') return
      facts.push({ type, ...data } as Fact)
      moments.emit(type)
    },
    settle: async () => {
      note('settle')
      return undefined
    },
    fetchOffsets: (request, ask) => ask(request),
    isAllGiven: () => true,
    onSync: () => {},
    onLost: () => note('lost'),
    reset: (topic, partition) => note(`reset ${topic}/${partition}`),
    onRefused: ({ code }) => note(`refused ${code}`),
    interruptPolls: () => note('interrupt polls'),
    ...options,
  })
  made.push(membership)
  return membership
}

const factsOf = <Type extends FactType>(type: Type): FactOf<Type>[] =>
  facts.filter((fact): fact is FactOf<Type> => fact.type === type)

const frame = (apiKey: number, version: number, ...body: Buffer[]) => requestFrame(apiKey, version, 7, ...body)
const join = (memberId = '', sessionTimeoutMs = 30_000) =>
  frame(apiKeys.joinGroup, 5, text('orders'), int32(sessionTimeoutMs), int32(60_000), text(memberId), text(null))
/** The session timeouts the coordinator was asked for. */
const sessions = () =>
  group
    .broker()
    .requests.filter(({ apiKey }) => apiKey === apiKeys.joinGroup)
    .map(({ frame }) => frame.readInt32BE(requestBodyOffset(frame) + 2 + 'orders'.length))
async function joined(options: Partial<MembershipOptions> = {}): Promise<Membership> {
  const membership = membershipWith(options)
  await membership.answer(join())
  await membership.answer(frame(apiKeys.syncGroup, 3))
  facts = facts.filter(({ type }) => type !== 'member.named')
  return membership
}

const heartbeats = () => group.broker().requests.filter(({ apiKey }) => apiKey === apiKeys.heartbeat).length

test('member id and generation are those of the join, and heartbeats go out by themselves from the sync on', async () => {
  const membership = membershipWith()
  await membership.answer(join())
  expect(membership).toMatchObject({ memberId: 'member-1', generation: 4, joined: false })
  expect(heartbeats()).toBe(0)
  await membership.answer(frame(apiKeys.syncGroup, 3))
  expect(membership.joined).toBe(true)
  await group.broker().asked(apiKeys.heartbeat, 2)
  expect(membership.rejoining).toBe(false)
})

test('a member id is known and told as soon as a broker names it, and once, so that it can be evicted', async () => {
  group.broker().answering.set(apiKeys.joinGroup, () => groupAnswers.join(79, -1, 'pending-1'))
  const membership = membershipWith()
  await membership.answer(join())
  expect(membership).toMatchObject({ memberId: 'pending-1', generation: -1, joined: false })
  group.broker().answering.set(apiKeys.joinGroup, () => groupAnswers.join(0, 4, 'pending-1'))
  await membership.answer(join())
  expect(factsOf('member.named')).toEqual([{ type: 'member.named', epoch: 3, memberId: 'pending-1' }])
  expect(await membership.leave(1000)).toBe(true)
  expect((await group.broker().asked(apiKeys.leaveGroup)).includes('pending-1')).toBe(true)
  expect(factsOf('member.evicted')).toEqual([{ type: 'member.evicted', epoch: 3, memberId: 'pending-1' }])
})

test('a member asks for its id with a short session, because the broker holds rebalances for an id whose answer got lost', async () => {
  const membership = membershipWith()
  await membership.answer(join(''))
  await membership.answer(join('member-1'))
  await membership.answer(join('', 2000))
  expect(sessions()).toEqual([6000, 30_000, 2000])
})

test('a broker that allows no such short session is asked for an id with the one that was set', async () => {
  const membership = membershipWith()
  const codes = [26, 79]
  group.broker().answering.set(apiKeys.joinGroup, () => groupAnswers.join(codes.shift() ?? 0, -1, 'pending-1'))
  await membership.answer(join(''))
  expect(sessions()).toEqual([6000, 30_000])
  expect(membership.memberId).toBe('pending-1')
})

test('a member that left while its join was held does not join again, and says no more to the group', async () => {
  const membership = await joined({ heartbeatIntervalMs: 60_000 })
  let answer: (body: Buffer) => void = () => {}
  group.broker().answering.set(
    apiKeys.joinGroup,
    () =>
      new Promise<Buffer>((resolve) => {
        answer = resolve
      }),
  )
  const joining = membership.answer(join('member-1'))
  await group.broker().asked(apiKeys.joinGroup, 1)
  expect(membership.joining).toBe(true)
  expect(await membership.leave(1000)).toBe(true)
  answer(groupAnswers.join(25, -1, 'member-1'))
  await expect(joining).rejects.toMatchObject({ failure: { code: 'CLOSED' } })
  await expect(membership.answer(join(''))).rejects.toMatchObject({ failure: { code: 'CLOSED' } })
  expect(group.broker().requests.filter(({ apiKey }) => apiKey === apiKeys.joinGroup)).toHaveLength(2)
})

test('in a rebalance handlers settle before KafkaJS hears of it', async () => {
  let settle: () => void = () => {}
  const membership = await joined({
    settle: () => {
      moments.emit('settle')
      return new Promise((resolve) => {
        settle = () => resolve(undefined)
      })
    },
  })
  const settling = once(moments, 'settle')
  group.broker().answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(27))
  await settling
  expect(factsOf('group.rebalancing')).toEqual([{ type: 'group.rebalancing', epoch: 3, generation: 4 }])
  expect(membership.rejoining).toBe(false)
  const interrupted = once(moments, 'interrupt polls')
  settle()
  await interrupted
  expect(membership.rejoining).toBe(true)
  group.broker().answering.set(apiKeys.joinGroup, () => groupAnswers.join(0, 5, 'member-1'))
  group.broker().answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(0))
  await membership.answer(join())
  // Where it fetches before its sync, it has given up this join.
  expect(membership.rejoining).toBe(true)
  await membership.answer(frame(apiKeys.syncGroup, 3))
  expect(membership.rejoining).toBe(false)
  expect(membership.generation).toBe(5)
  expect(factsOf('group.rebalancing')).toHaveLength(1)
})

test('a join of KafkaJS while handlers are at work waits for them to settle', async () => {
  const order: string[] = []
  const membership = await joined({ settle: async () => void order.push('settle') as undefined })
  group.broker().answering.set(apiKeys.joinGroup, () => {
    order.push('join')
    return groupAnswers.join(0, 5, 'member-1')
  })
  await membership.answer(join())
  expect(order).toEqual(['settle', 'join'])
})

test('a member the coordinator does not know is lost: one fact, and no more heartbeats', async () => {
  const lost = once(moments, 'member.lost')
  group.broker().answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(25))
  const membership = await joined()
  await lost
  expect(factsOf('member.lost')).toMatchObject([
    { epoch: 3, memberId: 'member-1', failure: { kind: 'member-lost', code: 'UNKNOWN_MEMBER_ID' } },
  ])
  const before = heartbeats()
  expect(await membership.heartbeat(1000)).toBe(25)
  expect(heartbeats()).toBe(before + 1)
  expect(factsOf('member.lost')).toHaveLength(1)
  expect(log).toEqual(['lost'])
  expect(membership.joined).toBe(false)
})

test('heartbeats follow the coordinator to another node', async () => {
  await joined()
  await group.broker(1).asked(apiKeys.heartbeat)
  agreeable(group.broker(2))
  group.coordinatorId = 2
  group.broker(1).answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(16))
  await group.broker(2).asked(apiKeys.heartbeat, 1)
  expect(facts).toEqual([])
})

test.each([
  ['join', join('member-1'), apiKeys.joinGroup],
  ['sync', frame(apiKeys.syncGroup, 3), apiKeys.syncGroup],
])(
  'a %s that comes to nothing stalls the session: KafkaJS would go on with what it was given before',
  async (what, request, apiKey) => {
    const membership = await joined()
    if (what === 'sync') await membership.answer(join('member-1'))
    const send = vi.spyOn(group.coordinator, 'send').mockRejectedValue(new Error('out of reach'))
    await expect(membership.answer(request)).rejects.toThrow('out of reach')
    expect(send.mock.calls[0]?.[0].readInt16BE(4)).toBe(apiKey)
    send.mockRestore()
    expect(factsOf('session.stalled')).toMatchObject([{ epoch: 3, failure: { kind: 'session-silent' } }])
  },
)

test('the first join that comes to nothing is no stall', async () => {
  const membership = membershipWith()
  vi.spyOn(group.coordinator, 'send').mockRejectedValueOnce(new Error('out of reach'))
  await expect(membership.answer(join())).rejects.toThrow('out of reach')
  expect(factsOf('session.stalled')).toEqual([])
})

test('KafkaJS that does not rejoin when it was told to counts as stalled', async () => {
  const { coordinator } = group
  // Before the join: no timer of the heartbeats is a real one.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const interrupted = once(moments, 'interrupt polls')
  const send = vi.spyOn(coordinator, 'send')
  const membership = await joined({ heartbeatIntervalMs: 1000 })
  group.broker().answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(27))
  await membership.heartbeat(10_000)
  await interrupted
  // heartbeats go on meanwhile, and must not take the deadline away
  for (let beats = 0; beats < 4; beats++) {
    await vi.advanceTimersByTimeAsync(1000)
    await send.mock.results.at(-1)?.value
    // The next one is due once this one is answered.
    await new Promise(setImmediate)
  }
  expect(heartbeats()).toBe(5)
  await vi.advanceTimersByTimeAsync(999)
  expect(factsOf('session.stalled')).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(factsOf('session.stalled')).toMatchObject([{ epoch: 3, failure: { kind: 'session-silent' } }])
})

const offsets = [
  {
    topic: 'orders',
    partitions: [
      { partition: 0, offset: '5' },
      { partition: 1, offset: '9' },
    ],
  },
]

test('a commit goes out under member and generation and tells the error of each partition, also of one that is left out', async () => {
  const membership = await joined({ heartbeatIntervalMs: 60_000 })
  group.broker().answering.set(apiKeys.offsetCommit, () => groupAnswers.commit('orders', { 1: 3, 0: 0 }))
  expect(await membership.commit(offsets, 1000)).toEqual([0, 3])
  group.broker().answering.set(apiKeys.offsetCommit, () => groupAnswers.commit('orders', { 1: 0 }))
  expect(await membership.commit(offsets, 1000)).toEqual([errorCodes.unknownServerError, 0])
  const request = await group.broker().asked(apiKeys.offsetCommit)
  expect(request.includes(Buffer.concat([text('orders'), int32(4), text('member-1')]))).toBe(true)
  expect(facts).toEqual([])
})

test.each([
  [22, 'group.rebalancing'],
  [27, 'group.rebalancing'],
  [25, 'member.lost'],
] as const)('a commit that is answered with error %i tells %s', async (error, type) => {
  const membership = await joined({ heartbeatIntervalMs: 60_000 })
  group.broker().answering.set(apiKeys.offsetCommit, () => groupAnswers.commit('orders', { 0: error, 1: error }))
  expect(await membership.commit(offsets, 1000)).toEqual([error, error])
  expect(facts.map((fact) => fact.type)).toEqual([type])
})

test('an offset fetch asks the coordinator for what is committed', async () => {
  group.broker().answering.set(apiKeys.offsetFetch, () => groupAnswers.offsets({ orders: { 0: 5n } }))
  const membership = await joined()
  const answer = await membership.answer(frame(apiKeys.offsetFetch, 4))
  expect(answer.includes(Buffer.concat([int32(0), int64(5n)]))).toBe(true)
})

test('what KafkaJS commits and that it leaves stays here', async () => {
  const membership = await joined({ heartbeatIntervalMs: 60_000 })
  const partition = Buffer.concat([int32(2), int64(5n), text(null)])
  const body = [text('orders'), int32(4), text('member-1'), list([Buffer.concat([text('orders'), list([partition])])])]
  await membership.answer(frame(apiKeys.offsetCommit, 5, ...body))
  await membership.answer(frame(apiKeys.leaveGroup, 3))
  expect(log).toEqual(['reset orders/2'])
  const sent = group.broker().requests.map(({ apiKey }) => apiKey)
  expect(sent).not.toContain(apiKeys.offsetCommit)
  expect(sent).not.toContain(apiKeys.leaveGroup)
})

test.each([
  [0, true, 1],
  [25, true, 1],
  [22, false, 0],
])('leaving that is answered with error %i: gone is %s', async (error, gone, evictions) => {
  const membership = await joined()
  group.broker().answering.set(apiKeys.leaveGroup, () => groupAnswers.leave('member-1', error))
  expect(await membership.leave(1000)).toBe(gone)
  expect(factsOf('member.evicted')).toHaveLength(evictions)
  expect(membership.joined).toBe(false)
})

test('a member that was never named has nothing to leave', async () => {
  expect(await membershipWith().leave(1000)).toBe(true)
  expect(group.lookups).toBe(0)
  expect(facts).toEqual([])
})
