// The supervisor's ports where the real cluster can't go: a stop with everything hanging, a cluster that never answers, a port that is left.
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createActor } from 'xstate'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import type { Session } from '../../../actors/session/session.ts'
import { Supervisor, type SupervisorOptions } from '../../../actors/session/supervisor.ts'
import type { Fact, FactOf, FactType } from '../../../machines/fact.ts'
import type { PortInput } from '../../../machines/lifecycle.ts'
import { FakeCluster } from '../fake-cluster.ts'
import { Stage } from '../stage.ts'

let cluster: FakeCluster
let stage: Stage
let facts: Fact[]
const running: { stop(): void }[] = []

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  cluster = new FakeCluster()
  stage = new Stage()
  facts = []
})
afterEach(() => {
  for (const actor of running.splice(0)) actor.stop()
  vi.useRealTimers()
})

function keeperWith(options: Partial<SupervisorOptions> = {}): Supervisor {
  const unreached = new ConnectionError({ kind: 'dial-failed', message: 'nobody is there', code: 'ECONNREFUSED' })
  return new Supervisor({
    clientId: 'orders-service',
    groupId: 'orders',
    topics: ['orders'],
    fromBeginning: false,
    allowAutoTopicCreation: false,
    readUncommitted: false,
    rackId: '',
    sessionTimeout: 30_000,
    rebalanceTimeout: 60_000,
    heartbeatInterval: 1000,
    maxWaitTimeInMs: 250,
    metadataMaxAge: 300_000,
    commitIntervalMs: 1000,
    drainTimeoutMs: 10_000,
    rebuildTimeoutMs: 5000,
    stopTimeoutMs: 15_000,
    cluster,
    dial: () => Promise.reject(unreached),
    dispatcher: stage.dispatcher,
    seen: stage.topics,
    emit: (fact) => facts.push(fact),
    append: () => {},
    ...options,
  })
}

type PortName = keyof Supervisor['ports']

/** Enters a port as the lifecycle does. Returns what leaves it again. */
function enter(supervisor: Supervisor, name: PortName, input: Partial<PortInput> = {}): () => void {
  const actor = createActor(supervisor.ports[name], { input: { epoch: 1, plan: null, attempt: 0, ...input } })
  running.push(actor)
  actor.start()
  return () => actor.stop()
}

const factsOf = <Type extends FactType>(type: Type): FactOf<Type>[] =>
  facts.filter((fact): fact is FactOf<Type> => fact.type === type)

async function advance(ms: number): Promise<void> {
  await turn()
  await vi.advanceTimersByTimeAsync(ms)
  await turn()
}

const after = <Value>(ms: number, value: Value): Promise<Value> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms))
const never = (): Promise<never> => new Promise(() => {})

/** A session whose group and KafkaJS end when these say so. */
function sessionThat(
  how: Partial<Record<'commit' | 'salvage' | 'leave' | 'close', (withinMs: number) => Promise<unknown>>>,
): Session {
  const session = {
    epoch: 1,
    seal: () => {},
    commits: { commitAll: how.commit ?? (async () => {}) },
    salvage: how.salvage ?? (async () => {}),
    leave: how.leave ?? (async () => true),
    close: how.close ?? (async () => {}),
  }
  return session as unknown as Session
}

test('a stop in order drains, commits, leaves, closes, and was not forced', async () => {
  const order: string[] = []
  const note = (what: string) => async () => {
    order.push(what)
    return true
  }
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  const supervisor = keeperWith()
  supervisor.session = sessionThat({ commit: note('commit'), leave: note('leave'), close: note('close') })
  enter(supervisor, 'shutDown')
  await advance(0)
  expect(order).toEqual([])
  await stage.handlers.end('0/0')
  await advance(0)
  expect(order).toEqual(['commit', 'leave', 'close'])
  expect(facts).toEqual([{ type: 'stop.completed', tookMs: 0, forced: false }])
  expect(supervisor.session).toBeUndefined()
})

test.each([100, 1000, 15_000])(
  'with everything hanging, a stop ends within its %i ms and says it was forced',
  async (stopTimeoutMs) => {
    await stage.assign({ 0: 0n })
    await stage.offer(0, [0])
    const supervisor = keeperWith({ stopTimeoutMs })
    supervisor.session = sessionThat({ commit: never, leave: never, close: never })
    enter(supervisor, 'shutDown')
    await advance(stopTimeoutMs)
    expect(factsOf('stop.completed')).toEqual([{ type: 'stop.completed', tookMs: expect.any(Number), forced: true }])
    expect(factsOf('stop.completed')[0]?.tookMs).toBeLessThanOrEqual(stopTimeoutMs)
  },
)

test('a commit under way that takes its full time does not push the stop over its deadline', async () => {
  const supervisor = keeperWith({ stopTimeoutMs: 1000 })
  supervisor.session = sessionThat({
    commit: () => after(2000, undefined),
    leave: (withinMs) => after(withinMs, false),
  })
  enter(supervisor, 'shutDown')
  await advance(1000)
  expect(factsOf('stop.completed')).toHaveLength(1)
})

test('a group that can not be left makes the stop a forced one', async () => {
  const supervisor = keeperWith()
  const failure = { kind: 'unreachable', message: 'no coordinator' } as const
  supervisor.session = sessionThat({ leave: () => Promise.reject(new ConnectionError(failure)) })
  enter(supervisor, 'shutDown')
  await advance(0)
  expect(factsOf('stop.completed')).toMatchObject([{ forced: true }])
})

test('a cluster that does not answer fails the attempt after `rebuildTimeoutMs`, with the last known reason', async () => {
  cluster.reached = never()
  const supervisor = keeperWith()
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    const stop = new AbortController()
    setTimeout(() => stop.abort(new Error('time is up')), ms)
    return stop.signal
  })
  const failure = { kind: 'unreachable', message: 'no broker answered for 3 s' } as const
  supervisor.notice({ type: 'cluster.unreachable', failure, sinceMs: 3000 })
  enter(supervisor, 'open', { epoch: 4 })
  await advance(4999)
  expect(facts).toEqual([])
  await advance(1)
  expect(facts).toEqual([{ type: 'session.failed', epoch: 4, failure }])
  vi.restoreAllMocks()
})

test.each([
  [false, 'login-refused'],
  [true, 'unreachable'],
])(
  'a refused login fails the session at once; where one was accepted before (%s) it counts as %s, which is waited for',
  async (wasAccepted, kind) => {
    cluster.reached = never()
    if (wasAccepted) await cluster.pace.login({ host: 'a', port: 1 }, async () => {})
    const supervisor = keeperWith()
    enter(supervisor, 'open')
    await advance(0)
    const failure = { kind: 'login-refused', message: 'no', code: 'SASL_AUTHENTICATION_FAILED' } as const
    supervisor.notice({ type: 'endpoint.refused', nodeId: 1, endpoint: 'a:1', failure })
    await advance(0)
    expect(facts).toMatchObject([{ type: 'session.failed', failure: { kind, message: 'no' } }])
  },
)

test('a cluster that is far has sixteen of its round trips to answer in', async () => {
  cluster.reached = never()
  cluster.lateMs = 600
  enter(keeperWith(), 'open', { epoch: 4 })
  await advance(9599)
  expect(facts).toEqual([])
  await advance(1)
  expect(factsOf('session.failed')).toHaveLength(1)
})

test('a port that was left reports nothing any more', async () => {
  cluster.reached = never()
  const supervisor = keeperWith()
  const leave = enter(supervisor, 'open')
  await advance(0)
  leave()
  await advance(10_000)
  expect(facts).toEqual([])
})

test('a drain in place that was left for a replacement is not taken for the drain of the replacement', async () => {
  const supervisor = keeperWith()
  const session = { ...sessionThat({}), routes: { caughtUp: () => after(100, true) }, drain: never }
  supervisor.session = session as unknown as Session
  const leave = enter(supervisor, 'drain', { plan: { kind: 'in-place', reason: 'moved' } })
  leave()
  enter(supervisor, 'drain', { plan: { kind: 'replacement', reason: 'member-lost' } })
  await advance(100)
  expect(facts).toEqual([])
})

test('a drain in place that is left waits for no links any more', async () => {
  const supervisor = keeperWith()
  let waiting: AbortSignal | undefined
  const caughtUp = (_isLeftOut: unknown, _withinMs: number, signal?: AbortSignal) => {
    waiting = signal
    return never()
  }
  supervisor.session = { ...sessionThat({}), routes: { caughtUp } } as unknown as Session
  const leave = enter(supervisor, 'drain', { plan: { kind: 'in-place', reason: 'moved' } })
  leave()
  expect(waiting?.aborted).toBe(true)
})

test.each([true, false])(
  'a proof that a newer move interrupted is not taken for the newer one (%s)',
  async (confirmed) => {
    const supervisor = keeperWith()
    const session = { ...sessionThat({}), confirmed: () => after(100, confirmed), fetched: { takeLongestGap: () => 0 } }
    supervisor.session = session as unknown as Session
    const leave = enter(supervisor, 'rebuild', { plan: { kind: 'in-place', reason: 'moved' } })
    leave()
    await advance(100)
    expect(facts).toEqual([])
  },
)

test('a backoff tells how long it waits, and elapses unless it is left', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const supervisor = keeperWith()
  enter(supervisor, 'backOff', { attempt: 2 })
  expect(facts).toEqual([{ type: 'retry.scheduled', attempt: 2, waitMs: 250 }])
  await advance(249)
  expect(factsOf('backoff.elapsed')).toEqual([])
  await advance(1)
  expect(factsOf('backoff.elapsed')).toEqual([{ type: 'backoff.elapsed', attempt: 2 }])
  const leave = enter(supervisor, 'backOff', { attempt: 3 })
  leave()
  await advance(10_000)
  expect(factsOf('backoff.elapsed')).toHaveLength(1)
  vi.restoreAllMocks()
})

test('a defect in a port is reported as a bug, and a stop ends all the same', async () => {
  const supervisor = keeperWith()
  const defect = () => Promise.reject(new TypeError('a defect'))
  supervisor.session = sessionThat({ commit: defect })
  enter(supervisor, 'shutDown', { epoch: 2 })
  await advance(0)
  expect(factsOf('session.failed')).toMatchObject([{ epoch: 2, failure: { kind: 'bug', message: 'a defect' } }])
  expect(factsOf('stop.completed')).toMatchObject([{ forced: true }])
})

test('a session whose membership can not be recorded asks nothing of the group', async () => {
  const supervisor: Supervisor = keeperWith({
    predecessors: ['member-0'],
    append: () => {
      throw new Error('no space left')
    },
    emit: (fact) => {
      facts.push(fact)
      // As the consumer does when nothing can be recorded any more.
      if (fact.type === 'session.failed') supervisor.abandon()
    },
  })
  const ask = vi.spyOn(cluster, 'ask')
  enter(supervisor, 'open')
  await advance(10_000)
  expect(facts.map(({ type }) => type)).toEqual(['session.failed', 'session.sealed'])
  expect(ask).not.toHaveBeenCalled()
})

test('a supervisor that is abandoned closes its session without leaving the group, and watches nothing any more', async () => {
  const calls: string[] = []
  const supervisor = keeperWith()
  supervisor.session = sessionThat({
    commit: async () => calls.push('commit'),
    leave: async () => calls.push('leave'),
    close: async () => calls.push('close'),
  })
  supervisor.abandon()
  await advance(20_000)
  expect(calls).toEqual(['close'])
  expect(vi.getTimerCount()).toBe(0)
})

test('a session that is being replaced when the stop comes commits and leaves before it is closed', async () => {
  const order: string[] = []
  const supervisor = keeperWith()
  supervisor.session = sessionThat({
    salvage: () => after(1500, undefined).then(() => order.push('salvaged')),
    leave: async () => order.push('left') > 0,
    close: async () => order.push('closed'),
  })
  const leave = enter(supervisor, 'open', { epoch: 2 })
  await advance(0)
  leave()
  enter(supervisor, 'shutDown', { epoch: 2 })
  await advance(1499)
  expect(order).toEqual([])
  await advance(1)
  expect(order).toEqual(['salvaged', 'left', 'closed'])
  expect(factsOf('stop.completed')).toEqual([{ type: 'stop.completed', tookMs: 1500, forced: false }])
})

test('a session that is being replaced is salvaged and left again by the stop, for as long as that may take', async () => {
  const given: number[] = []
  const supervisor = keeperWith({ stopTimeoutMs: 10_000 })
  const noted = (answer: () => Promise<unknown>) => (withinMs: number) => {
    given.push(withinMs)
    return answer()
  }
  supervisor.session = sessionThat({ salvage: noted(() => after(100, undefined)), leave: noted(async () => false) })
  const leave = enter(supervisor, 'open', { epoch: 2 })
  await advance(0)
  leave()
  enter(supervisor, 'shutDown', { epoch: 2 })
  await advance(200)
  expect(given).toEqual([2000, 2000, 7400, 8300])
  expect(factsOf('stop.completed')).toMatchObject([{ forced: true }])
})

test('a session whose replacement hangs does not push the stop over its deadline', async () => {
  const closed: string[] = []
  const supervisor = keeperWith({ stopTimeoutMs: 1000 })
  supervisor.session = sessionThat({
    salvage: never,
    close: async () => {
      closed.push('old')
    },
  })
  const leave = enter(supervisor, 'open', { epoch: 2 })
  await advance(0)
  leave()
  enter(supervisor, 'shutDown', { epoch: 2 })
  await advance(1000)
  expect(factsOf('stop.completed')).toMatchObject([{ forced: true }])
  expect(closed).toEqual(['old'])
  expect(vi.getTimerCount()).toBe(0)
})
