// The task of `stopping` where the real cluster can't go: with everything hanging, or a replacement under way.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { advance, after, fakeSession, never, TaskStage } from './task-stage.ts'

let stage: TaskStage

beforeEach(() => {
  stage = new TaskStage()
})
afterEach(() => stage.end())

test('a stop in order drains, commits, leaves, closes, and was not forced', async () => {
  const order: string[] = []
  const note = (what: string) => async () => void order.push(what)
  await stage.delivery.assign({ 0: 0n })
  await stage.delivery.offer(0, [0])
  const supervisor = stage.supervisor()
  supervisor.session = fakeSession({
    commit: note('commit'),
    leave: async () => order.push('leave') > 0,
    close: note('close'),
  })
  stage.enter(supervisor, 'shutDown')
  await advance(0)
  expect(order).toEqual([])
  await stage.delivery.handlers.end('0/0')
  await advance(0)
  expect(order).toEqual(['commit', 'leave', 'close'])
  expect(stage.facts).toEqual([{ type: 'stop.completed', tookMs: 0, forced: false }])
  expect(supervisor.session).toBeUndefined()
})

test.each([100, 1000, 15_000])(
  'with everything hanging, a stop ends within its %i ms and says it was forced',
  async (stopTimeoutMs) => {
    await stage.delivery.assign({ 0: 0n })
    await stage.delivery.offer(0, [0])
    const supervisor = stage.supervisor({ stopTimeoutMs })
    supervisor.session = fakeSession({ commit: never, leave: never, close: never })
    stage.enter(supervisor, 'shutDown')
    await advance(stopTimeoutMs)
    expect(stage.factsOf('stop.completed')).toEqual([
      { type: 'stop.completed', tookMs: expect.any(Number), forced: true },
    ])
    expect(stage.factsOf('stop.completed')[0]?.tookMs).toBeLessThanOrEqual(stopTimeoutMs)
  },
)

test('a commit under way that takes its full time does not push the stop over its deadline', async () => {
  const supervisor = stage.supervisor({ stopTimeoutMs: 1000 })
  supervisor.session = fakeSession({
    commit: () => after(2000, undefined),
    leave: (withinMs) => after(withinMs, false),
  })
  stage.enter(supervisor, 'shutDown')
  await advance(1000)
  expect(stage.factsOf('stop.completed')).toHaveLength(1)
})

test('a group that can not be left makes the stop a forced one', async () => {
  const supervisor = stage.supervisor()
  const failure = { kind: 'unreachable', message: 'no coordinator' } as const
  supervisor.session = fakeSession({ leave: () => Promise.reject(new ConnectionError(failure)) })
  stage.enter(supervisor, 'shutDown')
  await advance(0)
  expect(stage.factsOf('stop.completed')).toMatchObject([{ forced: true }])
})

test('a defect in a task is reported as a bug, and a stop ends all the same', async () => {
  const supervisor = stage.supervisor()
  const defect = () => Promise.reject(new TypeError('a defect'))
  supervisor.session = fakeSession({ commit: defect })
  stage.enter(supervisor, 'shutDown', { epoch: 2 })
  await advance(0)
  expect(stage.factsOf('session.failed')).toMatchObject([{ epoch: 2, failure: { kind: 'bug', message: 'a defect' } }])
  expect(stage.factsOf('stop.completed')).toMatchObject([{ forced: true }])
})

test('a session that is being replaced when the stop comes commits and leaves before it is closed', async () => {
  const order: string[] = []
  const supervisor = stage.supervisor()
  supervisor.session = fakeSession({
    salvage: () => after(1500, undefined).then(() => void order.push('salvaged')),
    leave: async () => order.push('left') > 0,
    close: async () => void order.push('closed'),
  })
  const leave = stage.enter(supervisor, 'open', { epoch: 2 })
  await advance(0)
  leave()
  stage.enter(supervisor, 'shutDown', { epoch: 2 })
  await advance(1499)
  expect(order).toEqual([])
  await advance(1)
  expect(order).toEqual(['salvaged', 'left', 'closed'])
  expect(stage.factsOf('stop.completed')).toEqual([{ type: 'stop.completed', tookMs: 1500, forced: false }])
})

test('a session that is being replaced is salvaged and left again by the stop, for as long as that may take', async () => {
  const given: number[] = []
  const supervisor = stage.supervisor({ stopTimeoutMs: 10_000 })
  supervisor.session = fakeSession({
    salvage: (withinMs) => after(100, void given.push(withinMs)),
    leave: async (withinMs) => given.push(withinMs) === 0,
  })
  const leave = stage.enter(supervisor, 'open', { epoch: 2 })
  await advance(0)
  leave()
  stage.enter(supervisor, 'shutDown', { epoch: 2 })
  await advance(200)
  expect(given).toEqual([2000, 2000, 7400, 8300])
  expect(stage.factsOf('stop.completed')).toMatchObject([{ forced: true }])
})

test('a session whose replacement hangs does not push the stop over its deadline', async () => {
  const closed: string[] = []
  const supervisor = stage.supervisor({ stopTimeoutMs: 1000 })
  supervisor.session = fakeSession({
    salvage: never,
    close: async () => {
      closed.push('old')
    },
  })
  const leave = stage.enter(supervisor, 'open', { epoch: 2 })
  await advance(0)
  leave()
  stage.enter(supervisor, 'shutDown', { epoch: 2 })
  await advance(1000)
  expect(stage.factsOf('stop.completed')).toMatchObject([{ forced: true }])
  expect(closed).toEqual(['old'])
  expect(vi.getTimerCount()).toBe(0)
})
