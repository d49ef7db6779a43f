// The trace of a hand-over, told by records and dials.
import { SpanStatusCode } from '@opentelemetry/api'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { DialMessage } from '../../../actors/diagnostics/channels.ts'
import type { FactData, FactType, Plan } from '../../../machines/fact.ts'
import type { AnyRecord } from '../../../src/journal/journal.ts'
import { HandOverSpans, Signs } from '../../../src/opentelemetry/hand-over-spans.ts'
import { childrenOf, collecting, msOf } from './collected.ts'

beforeEach(() => vi.useFakeTimers({ toFake: ['Date'], now: 1000 }))
afterEach(() => vi.useRealTimers())

const inPlace: Plan = { kind: 'in-place', reason: 'moved' }
const replacement: Plan = { kind: 'replacement', reason: 'member-lost' }
const moves = [
  { nodeId: 1, from: 'a:1', to: 'a:2' },
  { nodeId: 2, from: 'b:1', to: 'b:2' },
]
const failure = { kind: 'dial-failed', message: 'refused', code: 'ECONNREFUSED' } as const

function tracing() {
  const collected = collecting()
  const signs = new Signs()
  const spans = new HandOverSpans(collected.tracerProvider.getTracer('test'), 'readers', signs)
  return {
    signs,
    spans,
    ended: collected.spans,
    told: <Type extends FactType>(type: Type, data: FactData[Type], to: string | null, plan: Plan | null = null) =>
      spans.follow({ type, data, to, plan, at: Date.now() } as unknown as AnyRecord),
    dialled: (given: Partial<DialMessage>) => {
      const message = { nodeId: undefined, reason: 'moved', tookMs: 0, steps: [], failure: undefined, ...given }
      signs.dialled(message as DialMessage)
      spans.dialled(message as DialMessage)
    },
    /** The trace as a tree: name, when it began and how long it took, in milliseconds. */
    tree() {
      const all = collected.spans()
      const show = (span: (typeof all)[number]): unknown[] => {
        const children = childrenOf(all, span).map(show)
        const line = [span.name, msOf(span.startTime) - 1000, Math.round(msOf(span.duration))]
        return children.length > 0 ? [...line, children] : line
      }
      return all.filter(({ parentSpanContext }) => !parentSpanContext).map(show)
    },
  }
}

const after = (ms: number) => vi.setSystemTime(Date.now() + ms)

test('one move is one trace, from the first report to the proof, with a span for each step', () => {
  const { signs, told, dialled, ended, tree } = tracing()
  signs.reported({ clusterId: 'ours', nodeId: 1, from: 'a:1', to: 'a:2' })
  after(20)
  const steps = ['lookup', 'connect', 'tls', 'login', 'answer'].map((step) => ({ step, tookMs: 2 }))
  dialled({ endpoint: 'a:2', reason: 'poll', tookMs: 10, steps })
  // before the machine hears of the move
  told('link.reconnected', { nodeId: 2, endpoint: 'b:2', tookMs: 30, soft: false }, 'consuming')
  told('link.reconnected', { nodeId: 3, endpoint: 'c:1', tookMs: 0, soft: false }, 'consuming')
  after(10)
  told('cluster.moved', { moves, reason: 'moved' }, 'draining', inPlace)
  after(5)
  dialled({ endpoint: 'b:2', nodeId: 2, tookMs: 5, failure })
  dialled({ endpoint: 'elsewhere:1', tookMs: 5 })
  after(15)
  told('link.reconnected', { nodeId: 1, endpoint: 'a:2', tookMs: 45, soft: false }, 'draining', inPlace)
  told('drain.completed', { epoch: 1, tookMs: 20, forced: false }, 'rebuilding', inPlace)
  after(50)
  told('rebuild.proven', { epoch: 1, tookMs: 70, gapMs: 90 }, 'consuming')
  expect(tree()).toEqual([
    [
      ...['relisten hand-over', -10, 110],
      [
        ['connected', -10, 30],
        ['noticed', 0, 30],
        ['connected', 5, 45],
        [
          ...['dial', 10, 10],
          [
            ['lookup', 10, 2],
            ['connect', 12, 2],
            ['tls', 14, 2],
            ['login', 16, 2],
            ['answer', 18, 2],
          ],
        ],
        ['accepted', 30, 0],
        ['accepted', 30, 0],
        ['dial', 30, 5],
        ['drained', 30, 20],
        ['proven', 100, 0],
      ],
    ],
  ])
  const root = ended().find(({ name }) => name === 'relisten hand-over')
  expect(root).toMatchObject({
    attributes: {
      'messaging.consumer.group.name': 'readers',
      'relisten.kind': 'in-place',
      'relisten.cause': 'moved',
      'relisten.gap': 0.09,
    },
    status: { code: SpanStatusCode.UNSET },
  })
  const refused = ended().find(({ status }) => status.code === SpanStatusCode.ERROR)
  expect(refused).toMatchObject({
    name: 'dial',
    attributes: { 'server.address': 'b:2', 'relisten.node.id': 2, 'error.type': 'dial-failed' },
  })
})

test('a session that is replaced is a trace with its join', () => {
  const { told, ended, tree } = tracing()
  told('member.lost', { epoch: 1, memberId: 'me', failure }, 'draining', replacement)
  after(40)
  told('session.opened', { epoch: 2 }, 'rebuilding', replacement)
  after(60)
  told('session.joined', { epoch: 2, memberId: 'us', generation: 7 }, 'consuming')
  expect(tree()).toEqual([
    [
      'relisten hand-over',
      0,
      100,
      [
        ['noticed', 0, 0],
        ['joined', 100, 0],
      ],
    ],
  ])
  expect(ended().at(-1)?.attributes).toMatchObject({ 'relisten.kind': 'replacement', 'relisten.cause': 'member-lost' })
})

test('each hand-over is a trace of its own, and what happens between two belongs to none', () => {
  const { told, ended, tree } = tracing()
  for (const _ of [1, 2]) {
    told('cluster.moved', { moves: [], reason: 'moved' }, 'draining', inPlace)
    told('rebuild.proven', { epoch: 1, tookMs: 0, gapMs: 0 }, 'consuming')
    told('link.reconnected', { nodeId: 1, endpoint: 'a:2', tookMs: 0, soft: false }, 'consuming')
    // a fact of the membership, which has states of its own
    told('member.joined', { epoch: 1, memberId: 'me', generation: 2 }, 'stable')
  }
  expect(tree()).toHaveLength(2)
  expect(new Set(ended().map((span) => span.spanContext().traceId)).size).toBe(2)
  expect(ended().map(({ name }) => name)).not.toContain('connected')
})

test('a hand-over that fails for good is an error, and one that a stop ends is over', () => {
  const { told, ended, spans } = tracing()
  told('cluster.moved', { moves, reason: 'moved' }, 'draining', inPlace)
  told('consumer.failed', { failure }, 'failed')
  told('cluster.moved', { moves, reason: 'moved' }, 'draining', inPlace)
  spans.close()
  spans.close()
  expect(ended().filter(({ name }) => name === 'relisten hand-over')).toMatchObject([
    { status: { code: SpanStatusCode.ERROR } },
    { status: { code: SpanStatusCode.UNSET } },
  ])
})

test('a report that nobody confirmed within a minute is none of a later move', () => {
  const { signs, told, tree } = tracing()
  signs.reported({ clusterId: 'ours', nodeId: 1, from: 'a:1', to: 'a:2' })
  after(61_000)
  signs.reported({ clusterId: 'ours', nodeId: 9, from: 'a:1', to: 'a:3' })
  told('cluster.moved', { moves: moves.slice(0, 1), reason: 'moved' }, 'draining', inPlace)
  told('rebuild.proven', { epoch: 1, tookMs: 0, gapMs: 0 }, 'consuming')
  expect(tree()).toMatchObject([['relisten hand-over', 61_000, 0, expect.anything()]])
})
