// A balancer that carries plans out, on played parts: over restarts, stopped in the middle, with a journal that fails, and what its status says.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Execution } from '../../../actors/balancer/execution-progress.ts'
import type { Unfinished } from '../../../machines/balancer/unfinished.ts'
import type { Fact } from '../../../machines/fact.ts'
import type { BalancerOptions, BalancerParts } from '../../../src/balancer/balancer-options.ts'
import type { Journal } from '../../../src/journal/journal.ts'
import { memoryJournal } from '../../../src/journal/memory-journal.ts'
import { plan, playedExecution, stagedBalancer } from '../../balancer/balancer-stage.ts'

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }))
afterEach(() => void vi.useRealTimers())

type Played = NonNullable<BalancerParts['execution']>
type Context = Parameters<Played['carryOut']>[1]

/** An execution whose plan is under way until the test ends it; what it is stopped with becomes its reason. */
function heldExecution() {
  const held = { contexts: [] as Context[], taken: [] as Unfinished[], end: (_: Execution) => {}, isStoppable: true }
  const execution: Played = {
    ...playedExecution(),
    takeUp: async (unfinished) => {
      held.taken.push(unfinished)
      return { moved: 0, failed: unfinished.steps.size, reason: 'restarted' }
    },
    carryOut: (_, context) => {
      held.contexts.push(context)
      return new Promise((resolve) => {
        held.end = resolve
        context.signal.addEventListener('abort', () => {
          if (held.isStoppable) resolve({ moved: 0, failed: 1, reason: 'stopped' })
        })
      })
    },
  }
  const emit = (...facts: readonly Fact[]) => {
    for (const fact of facts) held.contexts.at(-1)?.emit(fact)
  }
  return { held, execution, emit }
}

/** The next life's journal: what a life that was killed by now has recorded. */
function bequeathed(journal: Journal): Journal {
  const next = memoryJournal()
  for (const record of journal.read()) next.append(record, record.seq - 1)
  return next
}

const step = { round: 1, topic: 'orders', partition: 1, kind: 'leader', from: 1, to: 2 } as const
const begun: Fact = { type: 'step.begun', ...step, replicas: [2, 1], bytes: 0 }
const ended = (result: 'done' | 'cancelled' | 'failed', bytes: number): Fact => ({
  ...{ type: 'step.ended', ...step, kind: 'replica', result, bytes },
  reason: result === 'done' ? null : 'stalled',
})
const rate = { on: 'broker', name: '1', config: 'leader.replication.throttled.rate' } as const

const executing = (execution: Played, options: BalancerOptions = {}) =>
  stagedBalancer({ plan: () => plan, execution }, options)

test.each([
  ['within its time', 30_000, 'cooling'],
  ['after it', 61_000, null],
])('what an earlier life has moved cools down in the next one too: %s', async (_, afterMs, pin) => {
  const journal = memoryJournal()
  const first = executing(playedExecution(), { journal })
  await first.begin()
  await first.pass(afterMs)
  const later = stagedBalancer({}, { journal: bequeathed(journal), coolDownMs: 60_000 })
  await later.begin()
  expect(later.models[0]?.partitions.map(({ pinnedBy }) => pinnedBy)).toEqual([null, pin])
})

test('a plan that is stopped in the middle is ended once, before the balancer has stopped', async () => {
  const { held, execution } = heldExecution()
  held.isStoppable = false
  const { balancer, facts, pass, begin } = executing(execution)
  await begin()
  expect(balancer.status().state).toBe('executing')
  let isStopped = false
  const stopped = balancer.stop().then(() => (isStopped = true))
  await pass(60_000)
  // What is under way is ended by the execution's own deadlines.
  expect([held.contexts[0]?.signal.aborted, isStopped, balancer.status().state]).toEqual([true, false, 'stopping'])
  held.end({ moved: 0, failed: 1, reason: 'stopped' })
  await stopped
  expect(facts().slice(3)).toEqual(['execution.begun', 'stop.requested', 'execution.ended', 'stop.completed'])
  const [end] = [...balancer.journal.read()].filter(({ type }) => type === 'execution.ended')
  expect(end?.data).toEqual({ round: 1, moved: 0, failed: 1, reason: 'stopped' })
})

test('a plan that comes to its end is ended once', async () => {
  const { held, execution } = heldExecution()
  const { balancer, facts, pass, begin } = executing(execution)
  await begin()
  held.end({ moved: 1, failed: 0 })
  await pass(1000)
  await balancer.stop()
  expect(facts().filter((type) => type === 'execution.ended')).toHaveLength(1)
})

test('what a life that was killed has left is taken up first, its round is ended once, and none is decided before', async () => {
  const journal = memoryJournal()
  const { execution, emit } = heldExecution()
  const first = executing(execution, { journal })
  await first.begin()
  emit(begun, { type: 'throttle.set', ...rate, before: null, value: '7' })
  const taken: Unfinished[] = []
  let release = () => {}
  const takeUp: Played['takeUp'] = (unfinished) => {
    taken.push(unfinished)
    return new Promise((resolve) => (release = () => resolve({ moved: 0, failed: 1, reason: 'restarted' })))
  }
  const second = executing({ ...heldExecution().execution, takeUp }, { journal: bequeathed(journal) })
  const before = second.facts().length
  await second.begin()
  await second.pass(20_000)
  expect(taken).toMatchObject([{ round: 1 }])
  expect([...(taken[0]?.steps.keys() ?? [])]).toEqual(['orders/1'])
  expect([...(taken[0]?.throttles.values() ?? [])]).toEqual([{ ...rate, before: null, values: ['7'] }])
  expect([second.models.length, second.facts().slice(before)]).toEqual([0, ['samples.fresh', 'round.begun']])
  release()
  await second.pass(1)
  expect(second.facts().slice(before + 2)).toEqual(['execution.ended', 'plan.proposed', 'execution.begun'])
  const ends = [...second.balancer.journal.read()].filter(({ type }) => type === 'execution.ended')
  expect(ends.map(({ data }) => data)).toEqual([{ round: 1, moved: 0, failed: 1, reason: 'restarted' }])
})

test('where an earlier life has left no round, none is ended', async () => {
  const { held, execution } = heldExecution()
  const { facts, begin } = executing(execution)
  await begin()
  expect(held.taken).toMatchObject([{ round: null }])
  expect(facts()).not.toContain('execution.ended')
})

test('a journal that fails in the middle of a plan stops it; what is under way is ended first', async () => {
  const journal = memoryJournal()
  const { held, execution, emit } = heldExecution()
  held.isStoppable = false
  const { balancer, played, pass, begin } = executing(execution, { journal })
  await begin()
  journal.close()
  expect(() => emit(begun)).not.toThrow()
  await pass(1)
  expect(balancer.status()).toMatchObject({ state: 'stopped', journal: 'failed' })
  expect([held.contexts[0]?.signal.aborted, played.isStopped]).toEqual([true, false])
  // It goes on to take back what it has set, and nothing of that can be recorded.
  emit({ type: 'throttle.restored', ...rate, value: null })
  held.end({ moved: 0, failed: 1, reason: 'stopped' })
  await pass(1)
  expect(played.isStopped).toBe(true)
  await balancer.stop()
})

test('with a journal that may degrade, a plan is carried to its end', async () => {
  const journal = memoryJournal()
  const { held, execution, emit } = heldExecution()
  const { balancer, pass, begin } = executing(execution, { journal, onJournalError: 'degrade' })
  await begin()
  journal.close()
  emit(begun, ended('done', 10))
  held.end({ moved: 1, failed: 0 })
  await pass(1)
  expect(balancer.status()).toMatchObject({ state: 'settling', journal: 'degraded', moves: { done: 1 } })
})

test('the status counts steps by what became of them, and the bytes that they have copied', async () => {
  const { execution, emit } = heldExecution()
  const { balancer, begin } = executing(execution)
  await begin()
  expect(balancer.status()).toMatchObject({ moves: { done: 0, cancelled: 0, failed: 0 }, copiedBytes: 0 })
  emit(ended('done', 100), ended('done', 0), ended('cancelled', 30), ended('failed', 5))
  expect(balancer.status()).toMatchObject({ moves: { done: 2, cancelled: 1, failed: 1 }, copiedBytes: 135 })
})

test('the status names the throttles that are set and not yet restored', async () => {
  const { execution, emit } = heldExecution()
  const { balancer, begin } = executing(execution)
  await begin()
  const set = (name: string, value = '7'): Fact => ({ type: 'throttle.set', ...rate, name, before: null, value })
  const named = (name: string) => `broker ${name} leader.replication.throttled.rate`
  emit(set('1'), set('2'), set('3'), set('1', '8'))
  expect(balancer.status().throttles).toEqual(['1', '2', '3'].map(named))
  emit(
    { type: 'throttle.restored', ...rate, name: '1', value: null },
    { type: 'throttle.left', ...rate, name: '2', reason: 'changed' },
    { type: 'throttle.left', ...rate, name: '3', reason: 'unreachable' },
    // Of an earlier life: it is still there.
    { type: 'throttle.left', ...rate, name: '4', reason: 'unreachable' },
    { type: 'throttle.found', ...rate, name: '5', value: '7' },
  )
  expect(balancer.status().throttles).toEqual(['3', '4'].map(named))
})

test('the status shows how far a plan is', async () => {
  const { execution } = heldExecution()
  const progress = { waiting: 1, underWay: [], done: 2, failed: 0, bytes: { copied: 10, total: 20 }, leftMs: 5 }
  const { balancer, begin } = executing({ ...execution, progress: () => progress })
  await begin()
  expect(balancer.status().execution).toEqual(progress)
  expect(stagedBalancer().balancer.status().execution).toBeNull()
})
