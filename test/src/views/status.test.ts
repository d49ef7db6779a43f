// The status as it folds from records: states, membership, counts, and readiness with its reason.
import { expect, test } from 'vitest'
import { errorBeside, failureOf } from '../../../actors/delivery/handler-error.ts'
import { noTraffic } from '../../../actors/delivery/traffic.ts'
import type { FactData, FactType, Plan } from '../../../machines/fact.ts'
import type { Failure } from '../../../machines/failure.ts'
import { lifecycleMachine } from '../../../machines/lifecycle.ts'
import type { LifecycleState } from '../../../machines/lifecycle-state.ts'
import { chainStart, type JournalRecord, sealed } from '../../../src/journal/journal.ts'
import { graceMs } from '../../../src/views/readiness.ts'
import { emptyStatus, reduceStatus, type StatusFold, viewStatus } from '../../../src/views/status.ts'
import { nodesOf } from '../../machines/structure.ts'

const failure: Failure = { kind: 'member-lost', message: 'gone', code: 'UNKNOWN_MEMBER_ID' }
const inPlace: Plan = { kind: 'in-place', reason: 'moved' }
const replacement: Plan = { kind: 'replacement', reason: 'member-lost' }

/** Folds facts at a clock that tests can read; `to` and `plan` stay until they are given anew. */
class Story {
  fold: StatusFold = emptyStatus
  at = 1000
  private to = 'idle'
  private plan: Plan | null = null
  private epoch = 0

  tell<Type extends FactType>(
    type: Type,
    data: FactData[Type],
    { to = this.to, plan = this.plan, afterMs = 1 }: Turn = {},
  ): this {
    this.at += afterMs
    const from = this.to
    Object.assign(this, { to, plan, epoch: (data as { epoch?: number }).epoch ?? this.epoch })
    const envelope = {
      at: this.at,
      consumer: 'orders',
      epoch: this.epoch,
      actor: 'lifecycle',
      cause: null,
      machineVersion: '1',
    }
    const record: JournalRecord = sealed({ ...envelope, type, data: { ...data }, from, to, plan }, chainStart)
    this.fold = reduceStatus(this.fold, record, errorBeside((data as { failure?: Failure }).failure))
    return this
  }

  get status() {
    return viewStatus(this.fold, this.at)
  }
}

interface Turn {
  to?: string
  plan?: Plan | null
  afterMs?: number
}

function consuming(): Story {
  return new Story()
    .tell('start.requested', {}, { to: 'connecting' })
    .tell('cluster.reached', { clusterId: 'abc', brokers: { 1: 'b1:9092' } })
    .tell('session.opened', { epoch: 1 })
    .tell('session.joined', { epoch: 1, memberId: 'm-1', generation: 4 }, { to: 'consuming' })
    .tell('partitions.assigned', { epoch: 1, generation: 4, partitions: { orders: [0, 1, 2] } })
}

test('a consumer that was not started is idle and not ready', () => {
  expect(new Story().status).toMatchObject({
    state: 'idle',
    ready: false,
    reason: 'The consumer was not started; nothing is connected.',
    epoch: 0,
  })
})

test('in each state, whether it is ready and why is what the chart says of it', () => {
  const told = nodesOf(lifecycleMachine)
    .filter(({ type }) => type !== 'compound')
    .map((node) => {
      const [state, kind] = node.path as [LifecycleState, Plan['kind']?]
      const { ready, reason } = viewStatus({ ...emptyStatus, state, plan: kind ? { kind, reason: 'moved' } : null }, 0)
      expect(reason).toContain(node.description?.replace(/\.$/, ''))
      return ready ? [node.path.join('.')] : []
    })
  expect(told.flat()).toEqual(['consuming', 'draining.in-place', 'rebuilding.in-place'])
})

test('a joined consumer is ready and knows its membership', () => {
  const story = consuming()
  expect(story.status).toMatchObject({
    ...{ state: 'consuming', since: 1004, ready: true, clusterId: 'abc', epoch: 1, memberId: 'm-1', generation: 4 },
    ...{ assignment: { orders: [0, 1, 2] }, plan: null, lastHandover: null, lastFailure: null, journal: 'recording' },
  })
  expect(story.status.counts).toMatchObject({ joins: 1, restarts: { inPlace: 0, replacement: 0, byCause: {} } })
  expect(JSON.parse(JSON.stringify(story.status))).toEqual(story.status)
})

test('a hand-over in place keeps readiness for its grace, then loses it, and regains it by the proof', () => {
  const story = consuming()
    .tell(
      'cluster.moved',
      { moves: [{ nodeId: 1, from: 'a:1', to: 'b:1' }], reason: 'moved' },
      { to: 'draining', plan: inPlace },
    )
    .tell('drain.completed', { epoch: 1, tookMs: 1, forced: false }, { to: 'rebuilding' })
  expect(story.status).toMatchObject({ state: 'rebuilding', ready: true, plan: inPlace })
  expect(viewStatus(story.fold, story.at + graceMs + 10)).toMatchObject({
    ready: false,
    reason: 'The hand-over takes longer than 10000 ms.',
  })
  story.tell('rebuild.proven', { epoch: 1, tookMs: 80, gapMs: 120 }, { to: 'consuming', plan: null })
  expect(story.status).toMatchObject({
    ready: true,
    plan: null,
    lastHandover: { ...inPlace, at: story.at, tookMs: 80, gapMs: 120 },
  })
  expect(story.status.counts.endpointChanges.moved).toBe(1)
  expect(story.status.counts.restarts).toEqual({ inPlace: 1, replacement: 0, byCause: { moved: 1 } })
  expect(viewStatus(story.fold, story.at + graceMs + 10).ready).toBe(true)
})

test('a replacement is not ready until it has joined, and is counted by its cause', () => {
  const story = consuming().tell(
    'member.lost',
    { epoch: 1, memberId: 'm-1', failure },
    { to: 'draining', plan: replacement },
  )
  expect(story.status).toMatchObject({
    ready: false,
    reason: expect.stringMatching(/^A new session takes over: .* \(member-lost\)\.$/),
    memberId: null,
  })
  expect(story.status.lastFailure).toEqual({ ...failure, at: story.at })
  story.tell('session.opened', { epoch: 2 }, { to: 'rebuilding' })
  expect(story.status).toMatchObject({ epoch: 2, assignment: {} })
  story.tell('session.joined', { epoch: 2, memberId: 'm-2', generation: 6 })
  story.tell('rebuild.proven', { epoch: 2, tookMs: 400, gapMs: 500 }, { to: 'consuming', plan: null })
  expect(story.status).toMatchObject({
    ready: true,
    memberId: 'm-2',
    generation: 6,
    lastHandover: { ...replacement, gapMs: 500 },
  })
  expect(story.status.counts.restarts).toEqual({ inPlace: 0, replacement: 1, byCause: { 'member-lost': 1 } })
})

test('a session opened after a retry counts the failure before it as the cause', () => {
  const story = consuming()
    .tell('session.failed', { epoch: 1, failure: { kind: 'session-crashed', message: 'x' } }, { to: 'retrying' })
    .tell('retry.scheduled', { attempt: 1, waitMs: 50 })
  expect(story.status).toMatchObject({ ready: false, reason: expect.stringMatching(/^No session works; /) })
  story.tell('backoff.elapsed', { attempt: 1 }, { to: 'connecting' }).tell('session.opened', { epoch: 2 })
  expect(story.status.counts).toMatchObject({
    retries: 1,
    restarts: { replacement: 1, byCause: { 'session-crashed': 1 } },
  })
})

test('another cluster takes readiness away until ours is found', () => {
  const story = consuming().tell('cluster.refused', { expected: 'abc', got: 'xyz', endpoint: 'a:1' })
  expect(story.status).toMatchObject({
    ready: false,
    reason: 'Another cluster (xyz instead of abc) answers at a:1; nothing is read there.',
  })
  story.tell('cluster.reached', { clusterId: 'abc', brokers: {} })
  expect(story.status).toMatchObject({ ready: true, counts: { endpointChanges: { foreign: 1 } } })
})

test('brokers out of reach take readiness away after the grace', () => {
  const story = consuming().tell('cluster.unreachable', { failure, sinceMs: 1000 })
  expect(story.status.ready).toBe(true)
  expect(viewStatus(story.fold, story.at + graceMs)).toMatchObject({
    ready: false,
    reason: 'No broker has answered for more than 10000 ms: gone.',
  })
  story.tell('cluster.reached', { clusterId: 'abc', brokers: {} })
  expect(viewStatus(story.fold, story.at + graceMs).ready).toBe(true)
})

test('the reason says the most specific thing that is known', () => {
  const closed: Failure = { kind: 'dial-failed', message: 'connect ECONNREFUSED', endpoint: 'b1:9092' }
  const story = new Story().tell('start.requested', {}, { to: 'connecting' })
  expect(story.status.reason).toBe('A session is opened and joins the group.')
  story.tell('endpoint.refused', { nodeId: 1, endpoint: 'b1:9092', failure })
  expect(story.status.reason).toBe('Broker 1 at b1:9092 is refused: gone.')
  story.tell('cluster.unreachable', { failure: closed, sinceMs: 1000 })
  expect(story.status.reason).toBe('No broker answers: b1:9092: connect ECONNREFUSED.')
  story.tell('cluster.unreachable', { failure: { ...closed, message: 'an HTTP server' }, sinceMs: 3000 })
  expect(story.status).toMatchObject({
    reason: 'No broker answers: b1:9092: an HTTP server.',
    counts: { endpointChanges: { unknown: 1 } },
  })
  story.tell('cluster.reached', { clusterId: 'abc', brokers: {} })
  story.tell('session.opened', { epoch: 1 }).tell('session.failed', { epoch: 1, failure }, { to: 'retrying' })
  expect(story.status.reason).toMatch(/; the newest attempt failed: gone\.$/)
  story.tell('session.opened', { epoch: 2 }, { to: 'connecting' })
  story.tell('subscription.unmatched', { epoch: 2, expressions: ['/^orders/'] })
  story.tell('session.joined', { epoch: 2, memberId: 'm', generation: 1 }, { to: 'consuming' })
  expect(story.status).toMatchObject({ ready: true, reason: expect.stringContaining('no topic matches /^orders/') })
})

test('a member without partitions says so', () => {
  const story = consuming().tell('partitions.assigned', { epoch: 1, generation: 5, partitions: {} })
  expect(story.status).toMatchObject({ ready: true, reason: expect.stringContaining('has no partitions') })
})

test('a stalled partition takes readiness away until it goes on or is no longer ours', () => {
  const stalled = (): Story =>
    consuming().tell('partition.stalled', { partitions: { orders: [1, 2] }, reason: 'broker 2 is refused' })
  const story = stalled()
  expect(story.status).toMatchObject({
    ready: false,
    reason: 'Partition orders/1 and 1 more makes no progress: broker 2 is refused.',
  })
  story
    .tell('partition.resumed', { partitions: { orders: [1] } })
    .tell('partition.resumed', { partitions: { orders: [2] } })
  expect(story.status).toMatchObject({ ready: true, stalled: [] })
  const other = stalled().tell('partitions.revoked', { epoch: 1, generation: 4, partitions: { orders: [1, 2] } })
  expect(other.status).toMatchObject({ ready: true, stalled: [], assignment: { orders: [0] } })
})

test('partitions whose leader is away make a consumer unready once nothing has come for 10 s, and say at once why', () => {
  const [partitions, reason] = [{ orders: [1] }, 'its leader, node 2, is out of reach']
  const story = consuming().tell('partition.stalled', { partitions, reason, awayMs: 4000 })
  const soon = viewStatus(story.fold, story.at + graceMs - 4000)
  expect(soon).toMatchObject({ ready: true, stalled: [{ topic: 'orders', partition: 1, reason }] })
  const later = viewStatus(story.fold, story.at + graceMs - 3999)
  expect(later).toMatchObject({ ready: false, reason: `Partition orders/1 makes no progress: ${reason}.` })
  story.tell('partition.resumed', { partitions })
  expect(viewStatus(story.fold, story.at + graceMs)).toMatchObject({ ready: true, stalled: [] })
})

const degraded = { topic: 'orders', partition: 1, offset: '5', attempts: 10, forMs: 500, ageMs: 2000, lag: 7 }

test.each(['retrying', 'paused'] as const)(
  'a partition that waits for its handler (%s) makes the consumer degraded, and neither unready nor dead, until it goes on',
  (reason) => {
    const story = consuming().tell('partition.degraded', { ...degraded, reason })
    const { status } = story
    expect(status).toMatchObject({ live: true, ready: true, degraded: true, stalled: [] })
    const { topic, partition } = degraded
    expect(status.failing).toEqual([{ topic, partition, offset: '5', reason, attempts: 10, since: story.at - 500 }])
    expect(status.degradedReason).toMatch(/^orders\/1 .* at offset 5, after 10 failed calls since 1970-.*Z\.$/)
    expect(status.paused).toEqual(reason === 'paused' ? [{ topic, partition }] : [])
    const strict = viewStatus(story.fold, story.at, noTraffic, true)
    expect(strict).toMatchObject({ live: true, ready: false, reason: status.degradedReason })
    story.tell('partition.degraded', { ...degraded, reason, attempts: 30 })
    expect(story.status.failing).toMatchObject([{ attempts: 30 }])
    story.tell('partition.recovered', { topic, partition })
    expect(story.status).toMatchObject({ live: true, ready: true, degraded: false, failing: [], paused: [] })
  },
)

test('a partition that is assigned anew is tried anew, and stays paused where a policy has paused it', () => {
  const all = { epoch: 1, generation: 4, partitions: { orders: [0, 1, 2] } }
  const story = consuming()
    .tell('partition.degraded', { ...degraded, reason: 'retrying' })
    .tell('partition.degraded', { ...degraded, partition: 2, reason: 'paused' })
  story.tell('partitions.revoked', all)
  expect(story.status).toMatchObject({ degraded: false, failing: [], paused: [] })
  story.tell('partitions.assigned', all)
  expect(story.status).toMatchObject({ degraded: true, failing: [{ partition: 2 }], paused: [{ partition: 2 }] })
})

test('a partition whose handler is at work on past its deadline is stalled again when it comes back, until it goes on', () => {
  const reason = 'its handler has it'
  const all = { epoch: 1, generation: 4, partitions: { orders: [0, 1, 2] } }
  const story = consuming()
    .tell('handler.timed-out', { topic: 'orders', partition: 1, offset: '5', afterMs: 300 })
    .tell('partition.stalled', { partitions: { orders: [1] }, reason })
  story.tell('partitions.revoked', all)
  expect(story.status).toMatchObject({ ready: true, stalled: [], paused: [] })
  story.tell('partitions.assigned', { ...all, partitions: { orders: [0, 2] } })
  expect(story.status).toMatchObject({ ready: true, stalled: [] })
  story.tell('partitions.assigned', all)
  expect(story.status).toMatchObject({ ready: false, stalled: [{ topic: 'orders', partition: 1, reason }], paused: [] })
  // What the watchdog found is another matter: it looks again.
  story.tell('partition.stalled', { partitions: { orders: [0] }, reason: 'broker 2 is refused' })
  story.tell('partitions.revoked', all).tell('partitions.assigned', all)
  expect(story.status.stalled).toEqual([{ topic: 'orders', partition: 1, reason }])
  story.tell('partition.resumed', { partitions: { orders: [1] } })
  story.tell('partitions.revoked', all).tell('partitions.assigned', all)
  expect(story.status).toMatchObject({ ready: true, stalled: [], paused: [] })
})

test.each([
  ['failed', { to: 'failed' }, /^The consumer has failed: gone\.$/],
  ['stopped', { to: 'stopped' }, /^The consumer has stopped as asked\.$/],
])('a consumer that has %s is not live, and says why', (_state, turn, reason) => {
  const story = consuming().tell('session.failed', { epoch: 1, failure })
  expect(story.status).toMatchObject({ live: true, liveReason: 'The consumer goes on by itself.' })
  story.tell('stop.completed', { tookMs: 5, forced: false }, turn)
  expect(story.status.live).toBe(false)
  expect(story.status.liveReason).toMatch(reason)
})

test('what was thrown is kept with the newest failure, and gone with the next one', () => {
  const story = consuming()
  const told = { topic: 'orders', partition: 0, offset: '5', attempt: 1 } as const
  story.tell('handler.failed', { ...told, failure: failureOf(new TypeError('no')) })
  expect(story.status.lastFailure).toMatchObject({ kind: 'handler-failed', message: 'no', name: 'TypeError' })
  expect(story.status.lastFailure?.stack).toContain('status.test.ts')
  story.tell('commit.failed', { epoch: 1, failure })
  expect(story.status.lastFailure).toEqual({ ...failure, at: story.at })
})

test('refused endpoints are listed until they heal', () => {
  const refused = { nodeId: 2, endpoint: 'b2:9092', failure: { kind: 'identity-refused', message: 'no' } } as const
  const story = consuming()
    .tell('endpoint.refused', refused)
    .tell('endpoint.refused', { ...refused, endpoint: 'c2:9092' })
  expect(story.status.refusedEndpoints).toEqual([{ ...refused, endpoint: 'c2:9092' }])
  expect(story.tell('endpoint.healed', { nodeId: 2, endpoint: 'c2:9092' }).status.refusedEndpoints).toEqual([])
})

test('the journal shows in status and readiness', () => {
  expect(consuming().tell('journal.failed', { failure, policy: 'degrade' }).status).toMatchObject({
    ...{
      ready: true,
      journal: 'degraded',
      reason: 'The group is joined and messages are handled; facts are kept in memory only.',
    },
  })
  expect(consuming().tell('journal.failed', { failure, policy: 'stop-intake' }).status).toMatchObject({
    ready: false,
    live: false,
    journal: 'failed',
  })
})

test('everything countable is counted', () => {
  const at = { topic: 'orders', partition: 0, generation: 4, offset: '7' }
  const story = consuming()
    .tell('cluster.moved', { moves: [], reason: 'resolved-anew' })
    .tell('cluster.membership-changed', { joined: [4], left: [] })
    .tell('link.reconnected', { nodeId: 1, endpoint: 'a:1', tookMs: 3, soft: true })
    .tell('batch.fenced', at)
    .tell('result.fenced', at)
    .tell('commit.failed', { epoch: 1, failure })
    .tell('handler.failed', { ...at, attempt: 1, failure })
    .tell('group.rebalancing', { epoch: 1, generation: 4 })
  expect(viewStatus(story.fold, story.at, { ...noTraffic, suppressedMessages: 12 }).counts).toEqual({
    endpointChanges: { moved: 0, resolvedAnew: 1, membership: 1, foreign: 0, unknown: 0 },
    restarts: { inPlace: 0, replacement: 0, byCause: {} },
    ...{ sessions: 1, joins: 1, rebalances: 1, retries: 0, reconnects: 1, fenced: { batches: 1, results: 1 } },
    ...{ suppressedReReads: 12, handlerFailures: 1, commitFailures: 1 },
  })
})

test('a failed consumer says what with', () => {
  const story = consuming().tell(
    'session.failed',
    { epoch: 1, failure: { kind: 'topic-missing', message: 'no topic orders' } },
    { to: 'stopping' },
  )
  story.tell('stop.completed', { tookMs: 5, forced: false }, { to: 'failed' })
  expect(story.status).toMatchObject({
    state: 'failed',
    ready: false,
    reason: 'The consumer has failed: no topic orders.',
  })
})

test('a lifecycle that starts anew begins from nothing', () => {
  const story = consuming()
  const envelope = {
    at: 9,
    consumer: 'orders',
    epoch: 0,
    actor: 'lifecycle',
    plan: null,
    cause: null,
    machineVersion: '1',
  }
  const first = sealed({ ...envelope, type: 'actor.started', data: {}, from: null, to: 'idle' }, chainStart)
  expect(viewStatus(reduceStatus(story.fold, first), 9)).toMatchObject({
    state: 'idle',
    memberId: null,
    counts: { joins: 0 },
  })
})

test('a stopped consumer owns nothing', () => {
  const story = consuming()
    .tell('stop.requested', {}, { to: 'stopping' })
    .tell('stop.completed', { tookMs: 5, forced: false }, { to: 'stopped' })
  expect(story.status).toMatchObject({ state: 'stopped', ready: false, assignment: {}, memberId: null })
})
