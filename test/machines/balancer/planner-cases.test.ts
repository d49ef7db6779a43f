// Small clusters where the right plan is known by hand, one for each goal.
import { expect, test } from 'vitest'
import {
  type BrokerModel,
  type ClusterModel,
  type PartitionModel,
  settled,
} from '../../../machines/balancer/cluster-model.ts'
import { decisionOf, explain, whyPartition } from '../../../machines/balancer/decision.ts'
import type { GoalSettings, SoftGoal } from '../../../machines/balancer/plan.ts'
import { planMoves } from '../../../machines/balancer/planner.ts'
import { broker, goals, partition } from '../../balancer/decisions.ts'

const idle = { bytesIn: 0, bytesOut: 0, size: 0 }

/** A partition of `orders` on these brokers, the first of which leads it. */
const on = (number: number, replicas: readonly number[], own: Partial<PartitionModel> = {}): PartitionModel =>
  partition('orders', number, { ...idle, replicas, leader: replicas[0] ?? -1, isr: replicas, ...own })

const cluster = (
  brokers: readonly BrokerModel[],
  partitions: readonly PartitionModel[],
  storage: ClusterModel['storage'] = 'replicated',
): ClusterModel => ({ brokers, partitions, storage })

/** Only these goals count. */
const only = (...counting: readonly SoftGoal[]): GoalSettings => ({
  ...goals,
  weights: {
    ...{ networkIn: 0, networkOut: 0, disk: 0, leaders: 0, replicas: 0, spread: 0 },
    ...Object.fromEntries(counting.map((goal) => [goal, 1])),
  },
})

/** The plan in words: what goes from where to where, and why. */
const planned = (model: ClusterModel, settings = goals): string[] =>
  planMoves(model, settings).steps.map(
    ({ topic, partition: number, kind, from, to, why }) => `${kind} of ${topic}/${number} ${from} → ${to}: ${why}`,
  )

const pair = [broker(1), broker(2)]
const trio = [broker(1), broker(2), broker(3)]

test('network in: the partition that makes both brokers equal goes', () => {
  const model = cluster(
    pair,
    [1e6, 1e6, 1e6, 3e6].map((bytesIn, number) => on(number, [1], { bytesIn })),
  )
  expect(planned(model, only('networkIn'))).toEqual(['replica of orders/3 1 → 2: networkIn'])
})

test('network out: another replica leads, and nothing is copied', () => {
  const model = cluster(pair, [
    on(0, [1, 2], { bytesOut: 5e6, size: 9e9 }),
    on(1, [1, 2], { bytesOut: 5e6, size: 9e9 }),
  ])
  const { steps } = planMoves(model, only('networkOut'))
  expect(steps).toMatchObject([{ kind: 'leader', from: 1, to: 2, bytes: 0, why: 'networkOut' }])
})

test('disk: the bytes go where there are none', () => {
  const model = cluster(pair, [on(0, [1], { size: 5e9 }), on(1, [1], { size: 5e9 })])
  expect(planMoves(model, only('disk')).steps).toMatchObject([
    { kind: 'replica', from: 1, to: 2, bytes: 5e9, why: 'disk' },
  ])
})

test.each([
  ['leader', 'leaders', [1, 2]],
  ['replica', 'replicas', [1]],
] as const)('where no load is known, each broker has as many %ss, give or take one', (kind, goal, replicas) => {
  const model = cluster(
    pair,
    [0, 1, 2, 3].map((number) => on(number, replicas)),
  )
  const { steps, left } = planMoves(model, only(goal))
  expect(steps).toMatchObject([{ kind, from: 1, to: 2, why: goal }])
  expect(left).toEqual([])
})

test('spread: of partitions alike, one of each topic goes', () => {
  const of = (topic: string, number: number, id: number) =>
    partition(topic, number, { ...idle, bytesIn: 1e6, replicas: [id], leader: id, isr: [id] })
  const model = cluster(pair, [
    ...[0, 1].map((number) => of('orders', number, 1)),
    ...[0, 1].map((number) => of('clicks', number, 1)),
  ])
  const { steps, after } = planMoves(model, only('networkIn', 'spread'))
  expect(steps.map(({ topic }) => topic).toSorted()).toEqual(['clicks', 'orders'])
  expect(after).toMatchObject({ networkIn: 0, spread: 0 })
})

test('a broker with twice the capacity carries twice the load', () => {
  const brokers = [broker(1, { capacity: { networkIn: 1e9 } }), broker(2, { capacity: { networkIn: 2e9 } })]
  const model = cluster(
    brokers,
    [0, 1, 2].map((number) => on(number, [1], { bytesIn: 1e6 })),
  )
  const plan = planMoves(model, only('networkIn'))
  expect(plan.steps).toHaveLength(2)
  expect(plan.after.networkIn).toBeCloseTo(0, 12)
})

test('capacity: a broker that carries more than it may is relieved, though nothing else is wrong', () => {
  const brokers = [broker(1, { capacity: { disk: 10e9 } }), broker(2, { capacity: { disk: 10e9 } })]
  const model = cluster(brokers, [on(0, [1], { size: 5e9 }), on(1, [1], { size: 4e9 }), on(2, [2], { size: 1e9 })])
  const plan = planMoves(model, only('leaders'))
  expect(plan.steps[0]).toMatchObject({ from: 1, to: 2, why: 'capacity' })
  expect(plan.left.filter(({ goal }) => goal === 'capacity')).toEqual([])
})

test('capacity: no step goes where there is no room, and the plan says so', () => {
  const brokers = [broker(1, { isDraining: true }), broker(2, { capacity: { disk: 10e9 } }), broker(3)]
  const model = cluster(brokers, [on(0, [1, 3], { size: 9e9 })])
  const { steps, left } = planMoves(model, goals)
  expect(steps).toEqual([])
  expect(left).toContainEqual({ goal: 'draining', brokers: [1], why: '1 no broker may take it' })
})

test('racks: one of two replicas in one rack goes to the other rack', () => {
  const brokers = [broker(1, { rack: 'a' }), broker(2, { rack: 'a' }), broker(3, { rack: 'b' })]
  expect(planned(cluster(brokers, [on(0, [1, 2], { size: 1e9 })]))).toEqual(['replica of orders/0 2 → 3: racks'])
})

test('racks: a replica that is alone in its rack does not leave it for balance', () => {
  const brokers = [broker(1, { rack: 'a' }), broker(2, { rack: 'a' }), broker(3, { rack: 'b' })]
  const model = cluster(
    brokers,
    [0, 1, 2].map((number) => on(number, [3, 1], { size: 5e9 })),
  )
  const { steps } = planMoves(model, only('disk'))
  expect(steps).toMatchObject([{ from: 1, to: 2 }])
})

test('distinct brokers: a partition that is on every broker stays there', () => {
  const model = cluster(pair, [on(0, [1, 2], { size: 3e9 }), on(1, [1], { size: 6e9 })])
  expect(planMoves(model, only('disk'))).toMatchObject({ steps: [], stillness: 'no-gain' })
})

test('an excluded broker neither gives nor takes', () => {
  const brokers = [broker(1, { isExcluded: true }), broker(2), broker(3)]
  const model = cluster(brokers, [
    ...[0, 1, 2].map((number) => on(number, [1], { bytesIn: 9e6 })),
    ...[3, 4].map((number) => on(number, [2], { bytesIn: 1e6 })),
  ])
  expect(planMoves(model, only('networkIn')).steps).toMatchObject([{ from: 2, to: 3 }])
})

test('what is pinned stays, and another goes in its place', () => {
  const model = cluster(pair, [
    on(0, [1], { bytesIn: 4e6, pinnedBy: 'excluded' }),
    on(1, [1], { bytesIn: 4e6, pinnedBy: 'cooling' }),
    on(2, [1], { bytesIn: 4e6, trust: 0.4 }),
    on(3, [1], { bytesIn: 3e6 }),
  ])
  expect(planned(model, only('networkIn'))).toEqual(['replica of orders/3 1 → 2: networkIn'])
})

test('a drained broker is emptied, whatever it costs', () => {
  const brokers = [broker(1), broker(2), broker(3, { isDraining: true })]
  const model = cluster(
    brokers,
    [0, 1].map((number) => on(number, [3], { size: 5e9, pinnedBy: 'internal' })),
  )
  const { steps, left } = planMoves(model, goals)
  expect(steps.map(({ from, to, why }) => [from, to, why]).toSorted()).toEqual([
    [3, 1, 'draining'],
    [3, 2, 'draining'],
  ])
  expect(left.filter(({ goal }) => goal === 'draining')).toEqual([])
})

test('a slow broker gets nothing new, and gives what it has too much of', () => {
  const at = (id: number) => (number: number) => on(number, [id], { bytesIn: 1e6 })
  const slow = [broker(1), broker(2), broker(3, { isSlow: true })]
  expect(planned(cluster(slow, [0, 1, 2].map(at(1))), only('networkIn'))).toEqual([
    expect.stringMatching(/^replica of orders\/\d 1 → 2: networkIn$/),
  ])
  const { steps } = planMoves(cluster(slow, [0, 1, 2].map(at(3))), only('networkIn'))
  expect(steps.map(({ from, to }) => [from, to]).toSorted()).toEqual([
    [3, 1],
    [3, 2],
  ])
})

test('shared storage: moves cost nothing, and disk is nobody’s', () => {
  const partitions = [0, 1].map((number) => on(number, [1], { bytesIn: 1e6, size: 5e9 }))
  expect(planMoves(cluster(pair, partitions, 'shared'), goals).steps).toMatchObject([{ kind: 'replica', bytes: 0 }])
  const stored = [0, 1].map((number) => on(number, [1 + number], { bytesIn: 1e6, size: 1e9 + number * 9e9 }))
  expect(planMoves(cluster(pair, stored, 'shared'), goals)).toMatchObject({ steps: [], stillness: 'balanced' })
})

test('of two steps that win as much, the one with fewer bytes is taken', () => {
  const partitions = [on(0, [1], { bytesIn: 5e6, size: 9e9 }), on(1, [1], { bytesIn: 5e6, size: 1e9 })]
  expect(planned(cluster(pair, partitions), only('networkIn'))).toEqual(['replica of orders/1 1 → 2: networkIn'])
})

test('no step is in a plan that could be left out', () => {
  const model = cluster(
    trio,
    [1, 1, 1, 1, 1, 1].map((bytesIn, number) => on(number, [1], { bytesIn: bytesIn * 1e6 })),
  )
  const { steps, total } = planMoves(model, only('networkIn'))
  expect(steps).toHaveLength(4)
  for (const out of steps) {
    const rest = settled(
      model,
      steps.filter((one) => one !== out),
    )
    expect(planMoves(rest, only('networkIn')).total.before).toBeGreaterThan(total.after)
  }
})

test.each<[string, ClusterModel, string]>([
  ['every goal is met', cluster(pair, [on(0, [1], { bytesIn: 1e6 }), on(1, [2], { bytesIn: 1e6 })]), 'balanced'],
  [
    'the distance is below the trigger',
    cluster(pair, [on(0, [1], { bytesIn: 1.3e6 }), on(1, [2], { bytesIn: 1e6 })]),
    'below-trigger',
  ],
  ['the one partition can be nowhere better', cluster(pair, [on(0, [1], { bytesIn: 1e6 })]), 'no-gain'],
  [
    'no figure is trusted',
    cluster(
      pair,
      [0, 1].map((number) => on(number, [1], { bytesIn: 1e6, trust: 0.1 })),
    ),
    'untrusted',
  ],
  ['there is one broker', cluster([broker(1)], [on(0, [1], { bytesIn: 1e6 })]), 'too-few-brokers'],
])('nothing moves, as %s', (_, model, stillness) => {
  expect(planMoves(model, only('networkIn'))).toMatchObject({ steps: [], stillness })
})

test('a decision says which goals are left, and why', () => {
  const brokers = [broker(1, { capacity: { disk: 10e9 } }), broker(2, { rack: null }), broker(3, { isDraining: true })]
  const model = cluster(brokers, [
    on(0, [1], { size: 6e9, pinnedBy: 'cooling' }),
    on(1, [1], { size: 6e9, pinnedBy: 'excluded' }),
    on(2, [3], { size: 1e9, pinnedBy: 'under-way' }),
  ])
  const decision = decisionOf({ round: 1, at: 0 }, model, only('disk'), planMoves(model, only('disk')))
  expect(decision.left).toEqual([
    { goal: 'draining', brokers: [3], why: '1 under-way' },
    { goal: 'capacity', brokers: [1], why: 'disk: 1 cooling, 1 excluded' },
    { goal: 'disk', brokers: [1, 2], why: '1 cooling, 1 excluded' },
  ])
  expect(explain(decision)).toContain('Left: capacity on broker 1: disk: 1 cooling, 1 excluded')
  expect(whyPartition(decision, 'orders', 2)).toEqual([
    'orders/2 stays in round 1, as a reassignment of it is under way',
  ])
})
