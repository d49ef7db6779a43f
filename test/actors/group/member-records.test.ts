// What a membership records, and when: nothing of a still group, little of a rejoin, and all of it before it has an effect.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type MemberOptions, startMember } from '../../../actors/group/member.ts'
import type { Fact } from '../../../machines/fact.ts'
import type { Failure } from '../../../machines/failure.ts'
import { membershipMachine } from '../../../machines/membership.ts'
import type { Step } from '../../../machines/recorded.ts'
import { replay } from '../../machines/replay.ts'
import { settled } from '../stage.ts'

let steps: Step[]
let facts: Fact[]
let log: string[]
let failAt: string | undefined
const lost: Failure = { kind: 'member-lost', message: 'unknown' }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  steps = []
  facts = []
  log = []
  failAt = undefined
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** Writes down what it does, and what was on record then. */
const note = (what: string) => void log.push(`${what} after ${steps.at(-1)?.type}`)

function memberWith(options: Partial<MemberOptions> = {}) {
  return startMember({
    epoch: 3,
    intervalMs: 3000,
    emit: (fact) => facts.push(fact),
    append: (step) => {
      if (step.type === failAt) throw new Error('no space left')
      steps.push(step)
    },
    settle: async () => {
      note('settle')
      return { generation: 4, partitions: { orders: [0] } }
    },
    beat: async () => note('beat'),
    interruptPolls: () => note('interrupt polls'),
    onLate: () => note('late'),
    onLost: () => note('lost'),
    onRefused: () => note('refused'),
    ...options,
  })
}

function joined(options: Partial<MemberOptions> = {}) {
  const member = memberWith(options)
  member.send({ type: 'join.sent' })
  member.send({ type: 'member.joined', epoch: 3, memberId: 'me', generation: 4 })
  return member
}

const types = () => steps.map(({ type }) => type)
const rebalancing = { type: 'group.rebalancing', epoch: 3, generation: 4 } as const

test('an hour of heartbeats that are answered is no record', async () => {
  const member = joined()
  expect(types()).toEqual(['actor.started', 'member.joined'])
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(log.length).toBeGreaterThan(1100)
  expect(types()).toEqual(['actor.started', 'member.joined'])
  member.stop()
})

test('a rejoin is recorded by what everybody knows of it, and one record more', async () => {
  const member = joined()
  member.send(rebalancing)
  await settled()
  member.send({ type: 'join.sent' })
  expect(member.getSnapshot().value).toBe('joining')
  member.send({ type: 'member.joined', epoch: 3, memberId: 'me', generation: 5 })
  expect(types().slice(2)).toEqual(['group.rebalancing', 'partitions.revoked', 'member.joined'])
  expect(steps.map(({ to }) => to).slice(2)).toEqual(['settling', 'rejoining', 'stable'])
  expect(log).toEqual(['settle after group.rebalancing', 'interrupt polls after partitions.revoked'])
  member.stop()
})

test('what it recorded replays to where it is, and a new session begins it anew', async () => {
  const first = joined()
  first.send(rebalancing)
  await settled()
  first.send({ type: 'member.fenced', epoch: 3, generation: 4, failure: lost })
  expect(replay(membershipMachine, steps)).toMatchObject({ value: 'lost', status: 'done', output: lost })
  const second = joined()
  const { value, context, status } = second.getSnapshot()
  expect(replay(membershipMachine, JSON.parse(JSON.stringify(steps)) as Step[])).toMatchObject({
    value,
    context,
    status,
  })
  second.stop()
  expect(replay(membershipMachine, steps).status).toBe('stopped')
})

test('what an older version recorded of it replays the same, although its records name an epoch that it does not keep', () => {
  const member = joined()
  member.send(rebalancing)
  const { value, context } = member.getSnapshot()
  const older = steps.map((step) => ({ ...step, machineVersion: '1', epoch: 3, plan: null }))
  const replayed = replay(membershipMachine, older)
  expect([replayed.value, replayed.context]).toEqual([value, context])
  member.stop()
})

test('who is told of the end hears of it after the record, and heartbeats are over', async () => {
  joined().send({ type: 'member.fenced', epoch: 3, generation: 4, failure: lost })
  joined().send({ type: 'member.refused', epoch: 3, failure: { kind: 'not-authorized', message: 'no' } })
  joined().send({ type: 'leave.requested', epoch: 3 })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(log).toEqual(['lost after member.fenced', 'refused after member.refused'])
})

test('handlers that settle after the end are told all the same, and lead nowhere', async () => {
  const member = joined()
  member.send(rebalancing)
  member.send({ type: 'leave.requested', epoch: 3 })
  await settled()
  expect(facts).toEqual([{ type: 'partitions.revoked', epoch: 3, generation: 4, partitions: { orders: [0] } }])
  expect([member.getSnapshot().value, types().at(-1)]).toEqual(['left', 'leave.requested'])
})

test('a record that can not be appended starts nothing, ends the heartbeats and fails the session', async () => {
  failAt = 'group.rebalancing'
  const member = joined()
  member.send(rebalancing)
  await vi.advanceTimersByTimeAsync(10_000)
  expect([member.getSnapshot().status, log]).toEqual(['error', []])
  expect(facts).toMatchObject([{ type: 'session.failed', epoch: 3, failure: { message: 'no space left' } }])
})
