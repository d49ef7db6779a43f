// The supervisor: what becomes of the session it holds.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { Assignment } from '../../../actors/delivery/assignment.ts'
import { advance, fakeSession, TaskStage } from './task-stage.ts'

let stage: TaskStage

beforeEach(() => {
  stage = new TaskStage()
})
afterEach(() => stage.end())

test('a supervisor that is abandoned closes its session without leaving the group, and watches nothing any more', async () => {
  const calls: string[] = []
  const supervisor = stage.supervisor()
  supervisor.session = fakeSession({
    commit: async () => void calls.push('commit'),
    leave: async () => calls.push('leave') > 0,
    close: async () => void calls.push('close'),
  })
  supervisor.abandon()
  await advance(20_000)
  expect(calls).toEqual(['close'])
  expect(vi.getTimerCount()).toBe(0)
})

test('a session whose membership can not be recorded asks nothing of the group', async () => {
  const asked: string[] = []
  stage.members = ['killed']
  const session = fakeSession({
    evict: async () => asked.push('evict') > 0,
    open: async () => void asked.push('open'),
    close: async () => void asked.push('close'),
  })
  let leave = () => {}
  const supervisor = stage.supervisor({
    createSession: () => {
      // As the consumer does when nothing can be recorded any more: the machine ends, and its tasks with it.
      leave()
      supervisor.abandon()
      return session
    },
  })
  leave = stage.enter(supervisor, 'open')
  await advance(20_000)
  expect([asked, stage.facts]).toEqual([['close'], []])
})

test('all members of ours that may still be in the group leave it before a session joins', async () => {
  const order: string[] = []
  stage.members = ['killed', 'discarded']
  const session = fakeSession({
    evict: async (memberId, withinMs) => order.push(`${memberId} within ${withinMs}`) > 0,
    open: async () => void order.push('open'),
  })
  stage.enter(stage.supervisor({ createSession: () => session }), 'open')
  await advance(0)
  expect(order).toEqual(['killed within 2000', 'discarded within 2000', 'open'])
})

test('where brokers are far, a member may take as long to leave as a rebuild', async () => {
  const limits: number[] = []
  stage.members = ['killed']
  stage.cluster.lateMs = 1000
  const session = fakeSession({ evict: async (_memberId, withinMs) => limits.push(withinMs) > 0 })
  stage.enter(stage.supervisor({ createSession: () => session }), 'open')
  await advance(0)
  expect(limits).toEqual([16_000])
})

test('a session does not join beside a member that can not be reached: the attempt fails', async () => {
  stage.members = ['killed']
  const failure = { kind: 'unreachable', message: 'no coordinator' } as const
  const evict = () => Promise.reject(new ConnectionError(failure))
  let joins = 0
  const session = fakeSession({ evict, open: async () => void joins++ })
  stage.enter(stage.supervisor({ createSession: () => session }), 'open', { epoch: 3 })
  await advance(0)
  expect(stage.factsOf('session.failed')).toEqual([{ type: 'session.failed', epoch: 3, failure }])
  expect(joins).toBe(0)
})

test.each([
  ['is closed once the next session has evicted its member', true],
  ['stays open for the stop while its member may be in the group', false],
])('a session that could not leave %s', async (_what, isEvicted) => {
  stage.members = ['old']
  const closed: string[] = []
  const evict = async () => {
    if (isEvicted) stage.members = []
    return isEvicted
  }
  const supervisor = stage.supervisor({ createSession: () => fakeSession({ evict }) })
  supervisor.session = fakeSession({
    memberId: 'old',
    leave: async () => false,
    close: async () => void closed.push('old'),
  })
  stage.enter(supervisor, 'open', { epoch: 2 })
  await advance(0)
  expect(closed).toEqual(isEvicted ? ['old'] : [])
  expect(supervisor.discarded.size).toBe(isEvicted ? 0 : 1)
})

test('a static member makes none of those before leave, and counts them as gone once it has their place', async () => {
  const order: string[] = []
  stage.members = ['former', 'present']
  const session = fakeSession({
    memberId: 'present',
    evict: async () => order.push('evict') > 0,
    open: async () => void order.push(`open after ${stage.factsOf('member.evicted').length}`),
  })
  stage.enter(stage.supervisor({ groupInstanceId: 'pod-0', createSession: () => session }), 'open')
  await advance(0)
  expect(order).toEqual(['open after 0'])
  expect(stage.factsOf('member.evicted').map(({ memberId }) => memberId)).toEqual(['former'])
})

test('a session that is taken out of service tells its user before its progress is salvaged, and may be committed under until its member has left', async () => {
  const order: string[] = []
  const supervisor = stage.supervisor({ createSession: () => fakeSession({ epoch: 2 }) })
  const session = fakeSession({
    epoch: 1,
    revoke: async () => void order.push('revoke'),
    salvage: async () => void order.push(`salvage, ${supervisor.committing === session}`),
    leave: async () => order.push('leave') > 0,
  })
  supervisor.session = session
  Object.assign(supervisor.options.dispatcher, { assignment: new Assignment(1, 1, { orders: [0] }) })
  stage.enter(supervisor, 'open')
  await advance(0)
  expect(order).toEqual(['revoke', 'salvage, true', 'leave'])
  expect(supervisor.committing).toBeUndefined()
})
