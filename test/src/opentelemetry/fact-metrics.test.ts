// What facts add to which metrics.
import { expect, test } from 'vitest'
import type { FactData, FactType } from '../../../machines/fact.ts'
import type { AnyRecord } from '../../../src/journal/journal.ts'
import { measureFact } from '../../../src/opentelemetry/fact-metrics.ts'
import { createInstruments } from '../../../src/opentelemetry/instruments.ts'
import { emptyStatus, type Status, viewStatus } from '../../../src/views/status.ts'
import { collecting } from './collected.ts'

const failure = { kind: 'unreachable', message: 'away' } as const
const group = { 'messaging.system': 'kafka', 'messaging.consumer.group.name': 'readers' }
const moved = { kind: 'in-place', reason: 'moved', at: 1, tookMs: 300, gapMs: 200 } as const

type Case<Type extends FactType> = [Type, FactData[Type], string, object, number | { count: number; sum: number }]
const fact = <Type extends FactType>(...given: Case<Type>) => given as unknown as Case<FactType>

test.each([
  fact(
    'cluster.moved',
    { moves: [], reason: 'resolved-anew' },
    'relisten.endpoint.changes',
    { 'relisten.verdict': 'resolved-anew' },
    1,
  ),
  fact(
    'cluster.unreachable',
    { failure, sinceMs: 9 },
    'relisten.endpoint.changes',
    { 'relisten.verdict': 'unknown' },
    1,
  ),
  fact(
    'cluster.unreachable',
    { failure, sinceMs: 9 },
    'relisten.failures',
    { 'relisten.fact': 'cluster.unreachable', 'error.type': 'unreachable' },
    1,
  ),
  fact(
    'cluster.refused',
    { expected: 'a', got: 'b', endpoint: 'c:1' },
    'relisten.endpoint.changes',
    { 'relisten.verdict': 'foreign' },
    1,
  ),
  fact(
    'cluster.membership-changed',
    { joined: [], left: [1] },
    'relisten.endpoint.changes',
    { 'relisten.verdict': 'membership' },
    1,
  ),
  fact(
    'link.reconnected',
    { nodeId: 1, endpoint: 'a:1', tookMs: 3, soft: true },
    'relisten.reconnects',
    { 'relisten.soft': true },
    1,
  ),
  fact(
    'rebuild.proven',
    { epoch: 1, tookMs: 300, gapMs: 200 },
    'relisten.restarts',
    { 'relisten.kind': 'in-place', 'relisten.cause': 'moved' },
    1,
  ),
  fact(
    'rebuild.proven',
    { epoch: 1, tookMs: 300, gapMs: 200 },
    'relisten.handover.duration',
    { 'relisten.kind': 'in-place', 'relisten.cause': 'moved' },
    { count: 1, sum: 0.3 },
  ),
  fact(
    'rebuild.proven',
    { epoch: 1, tookMs: 300, gapMs: 200 },
    'relisten.handover.gap',
    { 'relisten.kind': 'in-place', 'relisten.cause': 'moved' },
    { count: 1, sum: 0.2 },
  ),
  fact(
    'session.opened',
    { epoch: 2 },
    'relisten.restarts',
    { 'relisten.kind': 'replacement', 'relisten.cause': 'unreachable' },
    1,
  ),
  fact(
    'drain.completed',
    { epoch: 1, tookMs: 50, forced: true },
    'relisten.drain.duration',
    { 'relisten.forced': true },
    { count: 1, sum: 0.05 },
  ),
  fact('retry.scheduled', { attempt: 1, waitMs: 5 }, 'relisten.retries', {}, 1),
  fact('group.rebalancing', { epoch: 1, generation: 2 }, 'relisten.rebalances', {}, 1),
  fact('member.evicted', { epoch: 1, memberId: 'me' }, 'relisten.members.evicted', {}, 1),
  fact('member.lost', { epoch: 1, memberId: 'me', failure }, 'relisten.members.lost', {}, 1),
  fact('offsets.salvaged', { epoch: 1, partitions: 4 }, 'relisten.commits.salvaged', {}, 4),
  fact(
    'batch.fenced',
    { topic: 'orders', partition: 0, generation: 1, offset: '5' },
    'relisten.fenced',
    { 'relisten.kind': 'batch' },
    1,
  ),
  fact(
    'result.fenced',
    { topic: 'orders', partition: 0, generation: 1, offset: '5' },
    'relisten.fenced',
    { 'relisten.kind': 'result' },
    1,
  ),
  fact(
    'offsets.lost',
    { topic: 'orders', partition: 0, from: '5', to: '25', next: '25', reason: 'trimmed' },
    'relisten.offsets.lost',
    { 'messaging.destination.name': 'orders', 'relisten.cause': 'trimmed' },
    20,
  ),
  fact('partition.stalled', { partitions: { orders: [0, 1], bills: [2] }, reason: 'away' }, 'relisten.stalls', {}, 3),
  fact(
    'journal.failed',
    { failure, policy: 'degrade' },
    'relisten.journal.failures',
    { 'relisten.policy': 'degrade' },
    1,
  ),
  fact('journal.failed', { failure, policy: 'degrade' }, 'relisten.journal.records', {}, 1),
])('%s of %j adds to %s', async (type, data, name, attributes, value) => {
  const collected = collecting()
  const counts = { ...emptyStatus.counts, sessions: 2 }
  const lastFailure = { ...failure, at: 1 }
  const status: Status = viewStatus({ ...emptyStatus, lastHandover: moved, counts, lastFailure }, 0)
  measureFact(
    createInstruments(collected.meterProvider.getMeter('test')),
    'readers',
    { type, data } as unknown as AnyRecord,
    () => status,
  )
  expect((await collected.points()).get(name)).toEqual([{ attributes: { ...group, ...attributes }, value }])
})

test('the first session of a consumer is no restart', async () => {
  const collected = collecting()
  const instruments = createInstruments(collected.meterProvider.getMeter('test'))
  const counts = { ...emptyStatus.counts, sessions: 1 }
  const record = { type: 'session.opened', data: { epoch: 7 } } as AnyRecord
  measureFact(instruments, 'readers', record, () => viewStatus({ ...emptyStatus, counts }, 0))
  expect([...(await collected.points()).keys()]).toEqual(['relisten.journal.records'])
})
