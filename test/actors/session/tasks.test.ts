// The tasks of the lifecycle where the real cluster can't go: one that is left, a cluster that never answers, a proof that comes late.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { snapshotOf } from '../fake-cluster.ts'
import { advance, after, fakeSession, never, TaskStage } from './task-stage.ts'

const inPlace = { plan: { kind: 'in-place', reason: 'moved' } } as const
const replacement = { plan: { kind: 'replacement', reason: 'member-lost' } } as const
let stage: TaskStage

beforeEach(() => {
  stage = new TaskStage()
})
afterEach(() => stage.end())

test('a cluster that does not answer fails the attempt after `rebuildTimeoutMs`, with the last known reason', async () => {
  stage.cluster.reached = never()
  const supervisor = stage.supervisor()
  const failure = { kind: 'unreachable', message: 'no broker answered for 3 s' } as const
  supervisor.notice({ type: 'cluster.unreachable', failure, sinceMs: 3000 })
  stage.enter(supervisor, 'open', { epoch: 4 })
  await advance(4999)
  expect(stage.facts).toEqual([])
  await advance(1)
  expect(stage.facts).toEqual([{ type: 'session.failed', epoch: 4, failure }])
  expect(stage.opened).toEqual([])
})

test.each([
  [false, 'login-refused'],
  [true, 'unreachable'],
])(
  'a refused login fails the session at once; where one was accepted before (%s) it counts as %s, which is waited for',
  async (wasAccepted, kind) => {
    stage.cluster.reached = never()
    if (wasAccepted) await stage.cluster.pace.login({ host: 'a', port: 1 }, async () => {})
    const supervisor = stage.supervisor()
    stage.enter(supervisor, 'open')
    await advance(0)
    const failure = { kind: 'login-refused', message: 'no', code: 'SASL_AUTHENTICATION_FAILED' } as const
    supervisor.notice({ type: 'endpoint.refused', nodeId: 1, endpoint: 'a:1', failure })
    await advance(0)
    expect(stage.facts).toMatchObject([{ type: 'session.failed', failure: { kind, message: 'no' } }])
  },
)

test('a cluster that is far has sixteen of its round trips to answer in', async () => {
  stage.cluster.reached = never()
  stage.cluster.lateMs = 600
  stage.enter(stage.supervisor(), 'open', { epoch: 4 })
  await advance(9599)
  expect(stage.facts).toEqual([])
  await advance(1)
  expect(stage.factsOf('session.failed')).toHaveLength(1)
})

test('a session that can not join fails the attempt', async () => {
  const failure = { kind: 'join-timed-out', message: 'no assignment' } as const
  const open = () => Promise.reject(new ConnectionError(failure))
  stage.enter(stage.supervisor({ createSession: () => fakeSession({ open }) }), 'open', { epoch: 2 })
  await advance(0)
  expect(stage.facts).toEqual([
    { type: 'session.opened', epoch: 2 },
    { type: 'session.failed', epoch: 2, failure },
  ])
})

test('the machine hears the end of a task from the task itself', async () => {
  const supervisor = stage.supervisor()
  supervisor.session = fakeSession({ confirmed: async () => false })
  stage.enter(supervisor, 'drain', inPlace)
  stage.enter(supervisor, 'rebuild', inPlace)
  stage.enter(supervisor, 'rebuild', replacement)
  stage.enter(supervisor, 'backOff', { attempt: 1 })
  await advance(300)
  stage.enter(supervisor, 'shutDown')
  await advance(0)
  expect(stage.sent.toSorted()).toEqual([
    'backOff: backoff.elapsed',
    'drain: drain.completed',
    'rebuild: rebuild.proven',
    'rebuild: rebuild.unproven',
    'shutDown: stop.completed',
  ])
})

test('a task that was left reports nothing any more', async () => {
  stage.cluster.reached = never()
  const leave = stage.enter(stage.supervisor(), 'open')
  await advance(0)
  leave()
  await advance(10_000)
  expect(stage.facts).toEqual([])
})

test('a task that was left is no bug', async () => {
  stage.cluster.ready = () => after(100, undefined)
  const leave = stage.enter(stage.supervisor(), 'open')
  leave()
  await advance(100)
  expect(stage.facts).toEqual([])
})

test('a task that was left while it looked for the cluster opens no session, although the cluster answers', async () => {
  stage.cluster.ready = () => after(100, undefined)
  const leave = stage.enter(stage.supervisor(), 'open')
  leave()
  await advance(100)
  expect(stage.opened).toEqual([])
})

test('a task that was left while the old session leaves the group opens no session', async () => {
  const supervisor = stage.supervisor()
  supervisor.session = fakeSession({ leave: () => after(100, true) })
  const leave = stage.enter(supervisor, 'open', { epoch: 2 })
  await advance(50)
  leave()
  await advance(100)
  expect(stage.opened).toEqual([])
})

test('a task that was left while zombie members are evicted does not join', async () => {
  stage.members = ['zombie']
  let joins = 0
  const session = fakeSession({ evict: () => after(100, true), open: async () => void joins++ })
  const leave = stage.enter(stage.supervisor({ createSession: () => session }), 'open')
  await advance(50)
  leave()
  await advance(100)
  expect(joins).toBe(0)
})

test('a replacement that was left while the cluster was probed gives nothing up', async () => {
  const supervisor = stage.supervisor()
  let fenced = 0
  supervisor.session = fakeSession({ fence: () => void fenced++ })
  stage.cluster.snapshotSince = (at) => after(100, snapshotOf(at))
  const leave = stage.enter(supervisor, 'rebuild', replacement)
  leave()
  await advance(100)
  expect(fenced).toBe(0)
})

test('a replacement gives nothing up while the cluster does not answer', async () => {
  const supervisor = stage.supervisor()
  let fenced = 0
  supervisor.session = fakeSession({ fence: () => void fenced++ })
  stage.cluster.reached = never()
  stage.enter(supervisor, 'rebuild', { epoch: 3, ...replacement })
  await advance(5000)
  expect(stage.facts).toMatchObject([{ type: 'session.failed', epoch: 3, failure: { kind: 'unreachable' } }])
  expect(fenced).toBe(0)
})

test('a drain in place that was left for a replacement is not taken for the drain of the replacement', async () => {
  const supervisor = stage.supervisor()
  supervisor.session = fakeSession({ caughtUp: () => after(100, true), drain: never })
  const leave = stage.enter(supervisor, 'drain', inPlace)
  leave()
  stage.enter(supervisor, 'drain', replacement)
  await advance(100)
  expect(stage.facts).toEqual([])
})

test('a drain in place that is left waits for no links any more', async () => {
  const supervisor = stage.supervisor()
  let waiting: AbortSignal | undefined
  const caughtUp = (_isLeftOut: unknown, _withinMs: number, signal: AbortSignal) => {
    waiting = signal
    return never()
  }
  supervisor.session = fakeSession({ caughtUp })
  const leave = stage.enter(supervisor, 'drain', inPlace)
  leave()
  expect(waiting?.aborted).toBe(true)
})

test.each([true, false])(
  'a proof that a newer move interrupted is not taken for the newer one (%s)',
  async (confirmed) => {
    const supervisor = stage.supervisor()
    supervisor.session = fakeSession({ confirmed: () => after(100, confirmed) })
    const leave = stage.enter(supervisor, 'rebuild', inPlace)
    leave()
    await advance(100)
    expect(stage.facts).toEqual([])
  },
)

test('a proof that a newer move interrupted leaves gap and time to the newer one', async () => {
  const supervisor = stage.supervisor()
  let gapMs = 40
  const takeLongestGap = () => {
    const taken = gapMs
    gapMs = 0
    return taken
  }
  supervisor.session = fakeSession({ confirmed: () => after(100, true), takeLongestGap })
  stage.enter(supervisor, 'drain', inPlace)
  const leave = stage.enter(supervisor, 'rebuild', inPlace)
  await advance(60)
  leave()
  stage.enter(supervisor, 'rebuild', { epoch: 1, ...inPlace })
  await advance(100)
  expect(stage.factsOf('rebuild.proven')).toEqual([{ type: 'rebuild.proven', epoch: 1, tookMs: 160, gapMs: 40 }])
})

test('a backoff tells how long it waits, and elapses unless it is left', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const supervisor = stage.supervisor()
  stage.enter(supervisor, 'backOff', { attempt: 2 })
  expect(stage.facts).toEqual([{ type: 'retry.scheduled', attempt: 2, waitMs: 250 }])
  await advance(249)
  expect(stage.factsOf('backoff.elapsed')).toEqual([])
  await advance(1)
  expect(stage.factsOf('backoff.elapsed')).toEqual([{ type: 'backoff.elapsed', attempt: 2 }])
  const leave = stage.enter(supervisor, 'backOff', { attempt: 3 })
  leave()
  await advance(10_000)
  expect(stage.factsOf('backoff.elapsed')).toHaveLength(1)
})
