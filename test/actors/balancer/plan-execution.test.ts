// The executions of one life after another: what was left is taken up, and a life may end at each fact it records and each change it asks for.
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Execution } from '../../../actors/balancer/execution-progress.ts'
import { PlanExecution } from '../../../actors/balancer/plan-execution.ts'
import type { Step } from '../../../machines/balancer/plan.ts'
import { nothingUnfinished, reduceUnfinished, throttleKey } from '../../../machines/balancer/unfinished.ts'
import type { Fact } from '../../../machines/fact.ts'
import { partitionKey } from '../../../machines/topic-partition.ts'
import { quick, stepTo } from '../../balancer/execution-stage.ts'
import { controlsThrough, FakeControls } from '../../balancer/fake-controls.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const never = new AbortController().signal
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const rate = 'leader.replication.throttled.rate'
const settings = { ...quick, rates: () => () => 5e6 }

/** A cluster that copies what is under way by the third reading, and what was recorded of it over all lives. */
function world(placement: readonly (readonly number[])[]) {
  const fake = new FakeControls()
  for (const [partition, replicas] of placement.entries()) fake.put('orders', partition, replicas)
  fake.values.set(`broker 1 ${rate}`, '3000000')
  fake.values.set('topic orders leader.replication.throttled.replicas', '9:9')
  const facts: Fact[] = []
  const seen = new Map<string, number>()
  const grow = () => {
    for (const key of [...fake.moves.keys()]) {
      seen.set(key, (seen.get(key) ?? 0) + 1)
      if (seen.get(key) === 3 && seen.delete(key)) fake.copy(key)
    }
  }
  const unfinished = () =>
    facts.reduce((fold, { type, ...data }) => reduceUnfinished(fold, { type, data }), nothingUnfinished)
  return { fake, facts, grow, unfinished }
}
type World = ReturnType<typeof world>

type Outcome = 'done' | 'lost' | 'refused'

/**
 * One life. At its point `lastPoint` it ends: nothing is recorded or asked for any more, and what it waits for never comes. Its first requests have
 * these outcomes.
 */
function life(
  { fake, facts, grow, unfinished }: World,
  round: number,
  lastPoint = Number.POSITIVE_INFINITY,
  outcomes: readonly Outcome[] = [],
) {
  const left = [...outcomes]
  let points = 0
  const isOver = () => points >= lastPoint
  const emit = (fact: Fact) => {
    if (isOver()) return
    facts.push(fact)
    points++
  }
  const controls = controlsThrough(fake, async (request, ask) => {
    if (isOver()) return new Promise<never>(() => {})
    const outcome = left.shift()
    if (outcome === 'refused') throw new Error('it is refused')
    if (request === 'topology') grow()
    const value = await ask()
    if (['reassign', 'elect', 'configure'].includes(request)) points++
    if (isOver()) return new Promise<never>(() => {})
    if (outcome === 'lost') throw new Error('its answer is lost')
    return value
  })
  const execution = new PlanExecution({ controls: () => controls, settings })
  const context = { round, emit, signal: never }
  /** Resolves with undefined where the life ended before. */
  const through = async (steps: readonly Step[]): Promise<Execution | undefined> => {
    let result: Execution | undefined
    const old = unfinished()
    const work = async () => {
      const taken = await execution.takeUp(old, { ...context, round: old.round ?? 0 })
      if (old.round !== null) emit({ type: 'execution.ended', round: old.round, ...taken })
      emit({ type: 'execution.begun', round })
      result = await execution.carryOut(steps, context)
      emit({ type: 'execution.ended', round, ...result })
    }
    let isAtRest = false
    void work().finally(() => (isAtRest = true))
    for (let turns = 0; turns < 200 && !isAtRest && !isOver(); turns++) await pass(quick.lookMs)
    return isOver() ? undefined : result
  }
  return { execution, context, through }
}

/** Lives, one after the other, each of which ends at its point, and one that comes to an end; returns whether the last of them was needed. */
async function survives(
  placement: readonly (readonly number[])[],
  steps: readonly Step[],
  points: readonly number[],
  outcomes: readonly Outcome[] = [],
) {
  const at = world(placement)
  const before = Object.fromEntries(at.fake.values)
  // What is left to do is planned on what the cluster shows.
  const left = () =>
    steps.filter((step) => {
      const { replicas, leader } = at.fake.places.get(partitionKey(step)) ?? { replicas: [], leader: -1 }
      return `${replicas}` !== `${step.replicas}` || leader !== step.replicas[0]
    })
  let ends = 0
  for (const point of points) if ((await life(at, ends + 1, point, outcomes).through(left())) === undefined) ends++
  const last = left()
  expect(await life(at, ends + 1).through(last)).toEqual({ moved: last.length, failed: 0 })
  expect(left()).toEqual([])
  const asked = at.fake.asked.filter((each) => each.startsWith('reassign'))
  expect(asked).toEqual([...new Set(asked)])
  expect(asked.filter((each) => each.endsWith('null'))).toEqual([])
  expect(Object.fromEntries(at.fake.values)).toEqual(before)
  const { round, steps: open, throttles } = at.unfinished()
  expect([round, open.size, throttles.size]).toEqual([null, 0, 0])
  // Each throttle of a life that ended is explained by its records.
  const found = at.facts.flatMap((fact) => (fact.type === 'throttle.found' ? [fact.value] : []))
  expect(new Set(found)).toEqual(new Set(['3000000', '9:9']))
  return ends === points.length
}

const placement = [
  [1, 2],
  [1, 2],
  [2, 1],
]
const steps = [
  stepTo('orders', 0, 'leader', 1, 2, [2, 1]),
  stepTo('orders', 1, 'replica', 1, 3, [3, 2], 100),
  stepTo('orders', 2, 'replica', 1, 4, [2, 4], 100),
]

test('a life may end at each fact and each change: nothing is moved twice, nothing stays throttled', async () => {
  let point = 1
  while (await survives(placement, steps, [point])) point++
  // Three steps, each with two facts and one or two changes; five throttles, each with two facts and two changes.
  expect(point).toBeGreaterThan(30)
}, 30_000)

const partitionPlan = fc
  .record({
    brokers: fc.shuffledSubarray([1, 2, 3, 4], { minLength: 3, maxLength: 3 }),
    kind: fc.constantFrom('leader', 'leading', 'following'),
  })
  .map(({ brokers: [first = 1, second = 2, third = 3], kind }) => ({ first, second, third, kind }))

test('so it is for any small plan, where several lives end, and where requests and their answers are lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(partitionPlan, { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 3 }),
      fc.array(fc.constantFrom('done', 'done', 'done', 'lost', 'refused'), { maxLength: 30 }),
      async (plans, points, outcomes) => {
        const planned = plans.map(({ first, second, third, kind }, partition) => {
          if (kind === 'leader') return stepTo('orders', partition, kind, first, second, [second, first])
          const [from, replicas] = kind === 'leading' ? [first, [third, second]] : [second, [first, third]]
          return stepTo('orders', partition, 'replica', from, third, replicas, 10)
        })
        const places = plans.map(({ first, second }) => [first, second])
        await survives(places, planned, points, outcomes)
      },
    ),
    { numRuns: 100 },
  )
}, 30_000)

/** What an earlier life has left: a move that is under way, and its throttle. */
function leftBehind() {
  const at = world([[1, 2]])
  at.fake.put('orders', 0, [1, 3, 2], { isr: [1, 2] })
  at.fake.moves.set('orders/0', { topic: 'orders', partition: 0, adding: [3], removing: [2] })
  at.fake.values.set(`broker 2 ${rate}`, '4000000')
  const { why: _, wins: __, ...step } = stepTo('orders', 0, 'replica', 2, 3, [1, 3], 100)
  const throttle = { on: 'broker' as const, name: '2', config: rate }
  const unfinished = {
    round: 7,
    steps: new Map([['orders/0', { round: 7, ...step }]]),
    throttles: new Map([[throttleKey(throttle), { ...throttle, before: '9', values: ['4000000'] }]]),
  }
  return { at, unfinished }
}

test('what is under way from an earlier life is waited for and not asked for, then its throttles are restored', async () => {
  const { at, unfinished } = leftBehind()
  const { execution, context } = life(at, 7)
  const taken = execution.takeUp(unfinished, context)
  await pass(50)
  expect(execution.progress()).toMatchObject({ underWay: [{ topic: 'orders', partition: 0, to: 3 }], done: 0 })
  expect(at.fake.values.get(`broker 2 ${rate}`)).toBe('4000000')
  await pass(500)
  expect(await taken).toEqual({ moved: 1, failed: 0, reason: 'restarted' })
  expect(at.fake.asked).toEqual([`configure broker 2 ${rate} 9`])
  expect(at.facts.map(({ type }) => type)).toEqual([
    ...['step.ended', 'throttle.restored'],
    // On brokers 1 and 2, and on the topic.
    ...Array(3).fill('throttle.found'),
  ])
})

test('a throttle whose broker is out of reach at the start is restored with those of the first plan', async () => {
  const { at, unfinished } = leftBehind()
  const { execution, context } = life(at, 8)
  at.fake.failing.set('configs broker 2', 'refused')
  const taken = execution.takeUp(unfinished, context)
  await pass(1000)
  expect((await taken).moved).toBe(1)
  expect(at.fake.values.get(`broker 2 ${rate}`)).toBe('4000000')
  at.fake.failing.clear()
  const carried = execution.carryOut([stepTo('orders', 0, 'replica', 3, 4, [1, 4], 10)], context)
  await pass(1000)
  expect(await carried).toEqual({ moved: 1, failed: 0 })
  expect(at.fake.values.get(`broker 2 ${rate}`)).toBe('9')
})

test('throttles that no record explains are deleted where they are to be taken back', async () => {
  const at = world([[1, 2]])
  const { context } = life(at, 1)
  const execution = new PlanExecution({ controls: () => at.fake, settings, takeBack: true })
  expect(execution.progress()).toBeUndefined()
  expect(await execution.takeUp(nothingUnfinished, context)).toEqual({ moved: 0, failed: 0, reason: 'restarted' })
  expect(at.fake.values.size).toBe(0)
})

test('a cluster that can not be read at the start is given up at a deadline, and nothing is thrown', async () => {
  const { at, unfinished } = leftBehind()
  at.fake.failing.set('topology', 'refused')
  at.fake.failing.set('configs', 'refused')
  const execution = new PlanExecution({ controls: () => at.fake, settings: { ...settings, blindMs: 2000 } })
  const taken = execution.takeUp(unfinished, life(at, 1).context)
  await pass(2500)
  expect(await taken).toEqual({ moved: 0, failed: 0, reason: 'restarted' })
  expect(at.facts).toMatchObject([{ type: 'throttle.left', reason: 'unreachable' }])
})
