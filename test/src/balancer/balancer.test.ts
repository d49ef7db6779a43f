// A balancer on played parts: its rounds, what it records of them, and what ends it.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { balancingMachine } from '../../../machines/balancer/balancing.ts'
import { FailureError } from '../../../machines/failure.ts'
import { memoryJournal } from '../../../src/journal/memory-journal.ts'
import { plan, playedExecution, stagedBalancer } from '../../balancer/balancer-stage.ts'
import { stillPlan } from '../../balancer/decisions.ts'
import { replay } from '../../machines/replay.ts'

const start = Date.UTC(2026, 0, 1)

beforeEach(() => {
  vi.useFakeTimers({ now: start })
})
afterEach(() => {
  vi.useRealTimers()
})

test('the first round begins with the first samples, the next one when it is due', async () => {
  const { balancer, played, facts, pass } = stagedBalancer()
  balancer.start()
  await pass(5000)
  expect(facts()).toEqual([])
  expect(balancer.status()).toMatchObject({ state: 'blind', blindness: { since: null, reason: 'no-samples' } })
  played.newestAt = Date.now()
  await pass(1010)
  const round = ['round.begun', 'round.closed', 'cooling.ended']
  expect(facts()).toEqual(['samples.fresh', ...round])
  await pass(29_900)
  expect(facts()).toHaveLength(4)
  await pass(100)
  expect(facts().slice(4)).toEqual(round)
  expect(balancer.status()).toMatchObject({ state: 'observing', round: 2, blindness: null, rounds: { still: 2 } })
})

test('a round in which nothing is moved leaves its decision, with why', async () => {
  const { balancer, begin } = stagedBalancer()
  await begin()
  expect(balancer.decisions()).toMatchObject([{ round: 1, steps: [], stillness: 'balanced', topics: { orders: 2 } }])
  expect(balancer.status()).toMatchObject({ steps: 0, decision: { round: 1, stillness: 'balanced' } })
})

test('in a dry run a plan is shown, and the round ends', async () => {
  const { balancer, facts, begin } = stagedBalancer({ plan: () => plan })
  await begin()
  expect(facts()).toEqual(['samples.fresh', 'round.begun', 'plan.proposed', 'round.closed', 'cooling.ended'])
  expect(balancer.decisions()).toMatchObject([{ round: 1, steps: plan.steps, bytes: 0 }])
  expect(balancer.status()).toMatchObject({
    ...{ steps: 1, rounds: { proposed: 1, still: 0 } },
    decision: { round: 1, at: start, total: { before: 1, after: 0 }, stillness: null },
  })
})

test('figures that grow stale are said with their time, and nothing is decided until there are others', async () => {
  const { balancer, played, facts, pass, begin } = stagedBalancer({}, { staleAfterMs: 10_000, intervalMs: 20_000 })
  await begin()
  await pass(60_000)
  expect(facts().slice(4)).toEqual(['samples.stale'])
  const blindness = { since: start, reason: 'too-old' }
  expect(balancer.status()).toMatchObject({ state: 'blind', since: start + 11_000, blindness, round: 1 })
  played.newestAt = Date.now()
  await pass(1001)
  expect(facts().slice(5, 7)).toEqual(['samples.fresh', 'round.begun'])
})

test('a round is dropped whose figures grow stale while the cluster is read', async () => {
  const signals: AbortSignal[] = []
  const topology = (signal: AbortSignal) => {
    signals.push(signal)
    return new Promise<never>(() => {})
  }
  const { balancer, facts, pass, begin } = stagedBalancer({ topology }, { staleAfterMs: 10_000 })
  await begin()
  expect(balancer.status().state).toBe('deciding')
  await pass(60_000)
  expect(facts()).toEqual(['samples.fresh', 'round.begun', 'samples.stale'])
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
})

test('no round begins while it is paused', async () => {
  const { balancer, played, facts, pass, begin } = stagedBalancer()
  await begin()
  balancer.pause()
  played.newestAt = start + 3_600_000
  await pass(120_000)
  expect(facts().slice(4)).toEqual(['balancer.paused'])
  expect(balancer.status()).toMatchObject({ state: 'paused', isPaused: true })
  balancer.resume()
  await pass(1)
  expect(facts().slice(5, 7)).toEqual(['balancer.resumed', 'round.begun'])
  expect(balancer.status().isPaused).toBe(false)
})

test('a cluster that can not be read closes the round with its failure, and the next one tries again', async () => {
  const failure = { kind: 'unreachable', message: 'nobody there' } as const
  let isThere = false
  const { balancer, pass, begin } = stagedBalancer({
    topology: async () => {
      if (!isThere) throw new FailureError(failure)
      return { brokers: [], partitions: [], underWay: [] }
    },
  })
  await begin()
  expect(balancer.status()).toMatchObject({
    rounds: { failed: 1 },
    lastFailure: { ...failure, at: start },
    decision: null,
  })
  isThere = true
  await pass(30_001)
  expect(balancer.status()).toMatchObject({ rounds: { failed: 1, still: 1 }, decision: { round: 2 } })
})

test.each([
  ['a cluster that is not read in time', 30_000, { topology: () => new Promise<never>(() => {}) }, 'unreachable'],
  [
    'a planner that throws',
    0,
    {
      plan: () => {
        throw new Error('a mistake')
      },
    },
    'bug',
  ],
])('%s closes the round', async (_, afterMs, parts, kind) => {
  const { balancer, pass, begin } = stagedBalancer(parts)
  await begin()
  await pass(afterMs)
  expect(balancer.status()).toMatchObject({ rounds: { failed: 1 }, lastFailure: { kind } })
})

test('a plan that is carried out is settled by newer samples, and what was moved cools down', async () => {
  const execution = playedExecution()
  const { balancer, played, models, facts, pass, begin } = stagedBalancer(
    { plan: (model) => (model.partitions[1]?.pinnedBy ? stillPlan('no-gain') : plan), execution },
    { coolDownMs: 60_000 },
  )
  await begin()
  expect(facts().slice(2)).toEqual([
    ...['plan.proposed', 'execution.begun'],
    ...['step.begun', 'step.ended', 'execution.ended'],
  ])
  await pass(5000)
  expect(balancer.status().state).toBe('settling')
  played.newestAt = Date.now()
  await pass(1000)
  expect(balancer.status()).toMatchObject({ state: 'cooling', rounds: { executed: 1 } })
  await pass(90_000)
  expect(facts().filter((type) => type === 'round.begun').length).toBeGreaterThan(2)
  const pins = models.map(({ partitions }) => partitions[1]?.pinnedBy)
  expect([models[0]?.partitions[0]?.pinnedBy, pins[0], pins[1], pins.at(-1)]).toEqual([null, null, 'cooling', null])
})

test('a plan that can not be carried out ends it, and says why', async () => {
  const execution = { ...playedExecution(), carryOut: () => Promise.reject(new Error('a mistake')) }
  const { balancer, begin } = stagedBalancer({ plan: () => plan, execution })
  await begin()
  expect(balancer.status()).toMatchObject({ state: 'stopped', lastFailure: { kind: 'bug', message: 'a mistake' } })
})

test('samples that never come after a plan was carried out are not waited for without end', async () => {
  const execution = playedExecution()
  const { balancer, pass, begin } = stagedBalancer({ plan: () => plan, execution })
  await begin()
  await pass(121_000)
  expect(balancer.status()).toMatchObject({ state: 'cooling', rounds: { executed: 1 } })
})

test('a source of loads that never comes to its start does not hold up a stop', async () => {
  const { balancer, played } = stagedBalancer({ execution: playedExecution() })
  played.start = () => new Promise(() => {})
  balancer.start()
  await balancer.stop()
  expect(balancer.status().state).toBe('stopped')
})

test('a stop ends it with its source of loads, once, whenever it is asked for', async () => {
  const { balancer, played, facts, begin } = stagedBalancer()
  await begin()
  const ends = [balancer.stop(), balancer.stop()]
  await Promise.all(ends)
  balancer.start()
  balancer.pause()
  expect([played.isStopped, facts().slice(-2)]).toEqual([true, ['stop.requested', 'stop.completed']])
  expect(balancer.status()).toMatchObject({ state: 'stopped', lastFailure: null })
})

test('one that was never started can be stopped, and does not start any more', async () => {
  const { balancer, facts, pass } = stagedBalancer()
  await balancer.stop()
  balancer.start()
  await pass(1000)
  expect([facts(), balancer.status().state]).toEqual([[], 'blind'])
})

test('a source of loads that does not stop is waited for 5 s', async () => {
  const { balancer, played, pass, begin } = stagedBalancer()
  played.stop = () => new Promise<never>(() => {})
  await begin()
  const stopped = balancer.stop()
  await pass(5000)
  await stopped
  const last = [...balancer.journal.read()].find(({ type }) => type === 'stop.completed')
  expect(last?.data).toMatchObject({ forced: true })
})

test('a source of loads that can not start ends it, and says why', async () => {
  const { balancer, played, pass, begin } = stagedBalancer()
  played.start = () => Promise.reject(new FailureError({ kind: 'not-authorized', message: 'no ACL' }))
  await begin()
  await pass(1)
  expect(balancer.status()).toMatchObject({ state: 'stopped', lastFailure: { kind: 'not-authorized' } })
})

test('what the source of loads says is recorded, in its turn', async () => {
  const { balancer, played, begin } = stagedBalancer()
  await begin()
  played.emit({ type: 'topic.missing', topic: 'metrics' })
  const last = [...balancer.journal.read()].at(-1)
  expect(last).toMatchObject({
    type: 'topic.missing',
    data: { topic: 'metrics' },
    actor: 'balancing',
    from: 'observing',
  })
})

test('a journal leads a replay to where the machine is, and the next life counts on from it', async () => {
  const journal = memoryJournal()
  const first = stagedBalancer({ plan: () => plan }, { journal })
  await first.begin()
  await first.pass(30_001)
  expect(first.balancer.status().round).toBe(2)
  const { value, context } = replay(balancingMachine, journal.read(), 'balancing')
  expect([value, context.round]).toEqual(['observing', 2])
  // The journal is closed with the first life, and read by the second one.
  const later = stagedBalancer(
    {},
    { journal: { ...journal, read: () => journal.read(), append: () => {}, close: () => {} } },
  )
  expect(later.balancer.decisions().map(({ round }) => round)).toEqual([1, 2])
  await later.begin()
  expect(later.balancer.status()).toMatchObject({ round: 3, rounds: { proposed: 0, still: 1 } })
})

test('a journal that fails ends it, and its source of loads with it', async () => {
  const journal = memoryJournal()
  const { balancer, played, pass, begin } = stagedBalancer({}, { journal })
  await begin()
  journal.close()
  played.newestAt = null
  await pass(1000)
  expect(played.isStopped).toBe(true)
  expect(balancer.status()).toMatchObject({ state: 'stopped', journal: 'failed' })
  await balancer.stop()
})

test('listeners hear of facts, and a logger has a line for each', async () => {
  const lines: string[] = []
  const line = (_: object, message: string) => void lines.push(message)
  const logger = { debug: line, info: line, warn: line, error: line }
  const { balancer, begin } = stagedBalancer({ plan: () => plan }, { logger })
  const heard: number[] = []
  balancer.on('plan.proposed', ({ data }) => heard.push(data.steps))
  balancer.on('round.closed', () => {
    throw new Error('by the user')
  })
  await begin()
  expect(heard).toEqual([1])
  expect(lines).toContain('Round 1 proposes 1 step, 0 bytes to copy')
  expect(lines).toContain('A listener of round.closed threw: by the user')
})

test.each([
  [{ mode: 'wet-run' }, /Expected `mode` to be 'dry-run' or 'execute'/],
  [{ mode: 'execute', execution: { bytesPerSecond: 1000 } }, /Expected `execution.bytesPerSecond` to be at least/],
  [{ mode: 'execute', execution: { onStop: 'wait' } }, /Expected `execution.onStop`/],
  [{ mode: 'execute', execution: { stallMs: 0 } }, /Expected `execution.stallMs`/],
  [{ mode: 'execute', execution: { limits: { leaders: 0 } } }, /Expected `execution.limits.leaders`/],
  [{ intervalMs: 999 }, /Expected `intervalMs` to be a whole number of milliseconds from 1000/],
  [{ coolDownMs: -1 }, /Expected `coolDownMs`/],
  [{ staleAfterMs: 1.5 }, /Expected `staleAfterMs`/],
])('options that can not be right are refused: %j', (options, message) => {
  expect(() => stagedBalancer({}, options as never)).toThrow(message)
})
