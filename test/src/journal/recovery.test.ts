import { expect, test } from 'vitest'
import type { FactData, FactType } from '../../../machines/fact.ts'
import { chainStart, type JournalRecord, sealed } from '../../../src/journal/journal.ts'
import { memoryJournal } from '../../../src/journal/memory-journal.ts'
import { recovery } from '../../../src/journal/recovery.ts'

function journalOf(...facts: { [Type in FactType]: readonly [Type, FactData[Type]] }[FactType][]) {
  const journal = memoryJournal()
  let end: Pick<JournalRecord, 'seq' | 'checksum'> = chainStart
  for (const [type, data] of facts) {
    const envelope = {
      at: 0,
      consumer: 'g',
      epoch: 1,
      actor: 'consumer',
      from: null,
      to: null,
      plan: null,
      cause: null,
    }
    const record = sealed({ ...envelope, type, data: { ...data }, machineVersion: '1' }, end)
    journal.append(record, end.seq)
    end = record
  }
  return journal
}

const reached = ['cluster.reached', { clusterId: 'ours', brokers: { 1: 'a:1', 2: 'b:1' } }] as const
const named = ['member.named', { epoch: 1, memberId: 'm-1' }] as const
const joined = ['session.joined', { epoch: 1, memberId: 'm-1', generation: 4 }] as const
const failure = { kind: 'member-lost', message: 'gone' } as const

test('an empty journal remembers nothing', () => {
  expect(recovery(memoryJournal())).toEqual({ cluster: undefined, members: [], topics: {} })
})

test('a life that ended without leaving is remembered with its member and where the brokers were last', () => {
  const moves = [{ nodeId: 2, from: 'b:1', to: '[::1]:2' }]
  const { cluster, members } = recovery(journalOf(reached, named, ['cluster.moved', { moves, reason: 'moved' }]))
  expect(members).toEqual(['m-1'])
  expect(cluster?.clusterId).toBe('ours')
  expect([...(cluster?.endpoints ?? [])]).toEqual([
    [1, { host: 'a', port: 1 }],
    [2, { host: '::1', port: 2 }],
  ])
})

test('a life that ended before it told of a move knows where it dialled anew', () => {
  const redialled = ['link.reconnected', { nodeId: 1, endpoint: 'c:9', tookMs: 3, soft: false }] as const
  expect([...(recovery(journalOf(reached, named, redialled)).cluster?.endpoints ?? [])]).toEqual([
    [1, { host: 'c', port: 9 }],
    [2, { host: 'b', port: 1 }],
  ])
})

test('a member that left is not evicted again', () => {
  const evicted = ['member.evicted', { epoch: 1, memberId: 'm-1' }] as const
  expect(recovery(journalOf(reached, named, joined, evicted)).members).toEqual([])
})

test('a member that was lost is evicted all the same, as the machine of that life would have done', () => {
  const lost = ['member.lost', { epoch: 1, memberId: 'm-1', failure }] as const
  expect(recovery(journalOf(reached, named, joined, lost)).members).toEqual(['m-1'])
})

test('a member that was named and never joined is remembered, and one that joined is so once', () => {
  expect(recovery(journalOf(reached, named)).members).toEqual(['m-1'])
  expect(recovery(journalOf(reached, named, joined)).members).toEqual(['m-1'])
  expect(recovery(journalOf(reached, named, joined, named)).members).toEqual(['m-1'])
})

test('of several lives the last one counts', () => {
  const again = ['member.named', { epoch: 1, memberId: 'm-2' }] as const
  const evicted = ['member.evicted', { epoch: 1, memberId: 'm-1' }] as const
  expect(recovery(journalOf(reached, named, evicted, again)).members).toEqual(['m-2'])
})

test.each([
  ['the lifecycle', { machines: { consumer: { value: 'idle', context: { members: ['m-7'] }, stopped: false } } }],
  [
    'what was remembered before version 3',
    { machines: { consumer: { context: {} } }, remembered: { members: ['m-7'] } },
  ],
])('a snapshot record brings the members of %s', (_where, data) => {
  const journal = journalOf(reached, named)
  const [record, second] = [...journal.read()]
  if (!record || !second) throw new Error('The journal is empty')
  const snapshot = { ...second, actor: 'journal', type: 'journal.snapshot', data }
  expect(recovery({ ...journal, read: () => [record, second, snapshot] }).members).toEqual(['m-7'])
})

test('topics are remembered as they were when they were seen first, and as new when they were made again', () => {
  const observed = (topic: string) => ['topic.observed', { topic, topicId: 'a', partitions: 6 }] as const
  const grown = ['topic.grown', { topic: 'orders', partitions: 8 }] as const
  const again = ['topic.found', { topic: 'bills', recreated: true }] as const
  expect(recovery(journalOf(observed('orders'), observed('bills'), grown, again)).topics).toEqual({
    orders: { topicId: 'a', partitions: 6 },
    bills: { topicId: null, partitions: 0 },
  })
})

test('a topic that came while the consumer waited for it is remembered as new, and one that was only away as it was', () => {
  const found = (topic: string) => ['topic.found', { topic, recreated: false }] as const
  const observed = ['topic.observed', { topic: 'bills', topicId: 'a', partitions: 6 }] as const
  expect(recovery(journalOf(found('orders'), observed, found('bills'))).topics).toEqual({
    orders: { topicId: null, partitions: 0 },
    bills: { topicId: 'a', partitions: 6 },
  })
})
