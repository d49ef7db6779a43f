// The decision of a round: what it keeps of model and plan, what it says in lines, and why a partition is moved or stays.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatBytes } from '../../../machines/balancer/byte-count.ts'
import type { ClusterModel, PartitionModel } from '../../../machines/balancer/cluster-model.ts'
import { decisionOf, explain, whyPartition } from '../../../machines/balancer/decision.ts'
import { digestOf } from '../../../machines/balancer/model-digest.ts'
import { isWithin, rangesOf } from '../../../machines/balancer/partition-ranges.ts'
import type { GoalSettings, Plan } from '../../../machines/balancer/plan.ts'
import { broker, even, goals, partition, stillPlan } from '../../balancer/decisions.ts'

const model: ClusterModel = {
  storage: 'replicated',
  brokers: [1, 2].map((id) => broker(id)),
  partitions: [
    partition('orders', 0),
    partition('orders', 1, { pinnedBy: 'cooling' }),
    partition('orders', 2, { pinnedBy: 'cooling' }),
    partition('orders', 3),
    partition('__proto__', 0, { pinnedBy: 'excluded' }),
  ],
}

const plan: Plan = {
  before: { ...even, networkIn: 0.5 },
  after: { ...even, networkIn: 0.125 },
  total: { before: 0.5, after: 0.125 },
  left: [{ goal: 'capacity', brokers: [1, 2], why: 'no broker has room' }],
  stillness: null,
  steps: [
    {
      topic: 'orders',
      partition: 0,
      kind: 'leader',
      from: 1,
      to: 2,
      replicas: [2, 1],
      bytes: 0,
      why: 'networkIn',
      wins: 0.25,
    },
    {
      topic: 'orders',
      partition: 0,
      kind: 'replica',
      from: 1,
      to: 3,
      replicas: [2, 3],
      bytes: 3072,
      why: 'networkIn',
      wins: 0.125,
    },
  ],
}

const decision = decisionOf({ round: 7, at: 0 }, model, goals, plan)

test('a decision survives the journal', () => {
  expect(JSON.parse(JSON.stringify(decision))).toEqual(decision)
  expect(decision).toMatchObject({ round: 7, at: 0, brokers: [1, 2], bytes: 3072 })
  expect(Object.entries(decision.topics)).toEqual([
    ['orders', 4],
    ['__proto__', 1],
  ])
  expect(decision.pinned.cooling).toEqual({ orders: '1-2' })
})

test('it says in lines what is moved, won and left, and what may not be moved', () => {
  expect(explain(decision)).toEqual([
    'Round 7, 1970-01-01T00:00:00.000Z: 2 steps, 3.0 KiB to copy; imbalance 0.5000 → 0.1250',
    `Made from 2 brokers and 5 partitions, digest ${digestOf(model, goals)}`,
    '  networkIn  0.5000 → 0.1250',
    ...['networkOut', 'disk', 'leaders', 'replicas', 'spread'].map((goal) => `  ${goal.padEnd(10)} 0.0000 → 0.0000`),
    '  1. orders/0: leadership from broker 1 to 2 for networkIn; wins 0.2500, copies nothing',
    '  2. orders/0: a replica from broker 1 to 3 for networkIn; wins 0.1250, copies 3.0 KiB',
    'Left: capacity on brokers 1, 2: no broker has room',
    'Not to be moved, as it was moved a short while ago: orders 1-2',
    'Not to be moved, as its topic is excluded: __proto__ 0',
  ])
})

test('where nothing is moved, it says why', () => {
  const still = decisionOf({ round: 1, at: 0 }, model, goals, stillPlan('below-trigger'))
  expect(explain(still)).toContain('Nothing is moved: no broker is far enough from the mean to begin')
  expect(explain(still)[0]).toBe('Round 1, 1970-01-01T00:00:00.000Z: 0 steps; imbalance 0.0000 → 0.0000')
  expect(whyPartition(still, 'orders', 0)).toEqual([
    'orders/0 stays in round 1, as nothing is to be gained by it: no broker is far enough from the mean to begin',
  ])
})

test.each<[string, number, readonly string[]]>([
  [
    ...(['orders', 0] as const),
    [
      'orders/0 is moved in round 7: orders/0: leadership from broker 1 to 2 for networkIn; wins 0.2500, copies nothing',
      'orders/0 is moved in round 7: orders/0: a replica from broker 1 to 3 for networkIn; wins 0.1250, copies 3.0 KiB',
    ],
  ],
  ['orders', 2, ['orders/2 stays in round 7, as it was moved a short while ago']],
  [
    ...(['orders', 3] as const),
    [
      'orders/3 stays in round 7, as nothing is to be gained by it: no step that breaks no hard goal wins enough for its cost',
    ],
  ],
  ['__proto__', 0, ['__proto__/0 stays in round 7, as its topic is excluded']],
  ['orders', 4, ['orders/4 was not there in round 7']],
  ['toString', 0, ['toString/0 was not there in round 7']],
])('it says why %s/%i is moved or stays', (topic, number, lines) => {
  expect(whyPartition(decision, topic, number)).toEqual(lines)
})

test('the digest is that of the inputs, in whichever order they were read', () => {
  const { brokers, partitions } = model
  const reordered: PartitionModel[] = partitions.map(
    (each) => Object.fromEntries(Object.entries(each).reverse()) as never,
  )
  const same = { ...model, brokers: brokers.toReversed(), partitions: reordered.reverse() }
  const digest = digestOf(model, goals)
  expect(digest).toMatch(/^[0-9a-f]{16}$/)
  expect(digestOf(same, goals)).toBe(digest)
  const others: [ClusterModel, GoalSettings][] = [
    [{ ...model, storage: 'shared' }, goals],
    [{ ...model, brokers: brokers.slice(1) }, goals],
    [{ ...model, partitions: partitions.map((each) => ({ ...each, bytesIn: each.bytesIn + 1 })) }, goals],
    [{ ...model, partitions: partitions.map((each) => ({ ...each, replicas: each.replicas.toReversed() })) }, goals],
    [model, { ...goals, seed: 2 }],
  ]
  const digests = others.map(([changed, settings]) => digestOf(changed, settings))
  expect(new Set([digest, ...digests]).size).toBe(others.length + 1)
})

test('partitions that are written short are those that were written', () => {
  const numbers = fc.uniqueArray(fc.nat(40), { minLength: 1 })
  fc.assert(
    fc.property(numbers, (chosen) => {
      const ranges = rangesOf(chosen.map((each) => ({ topic: 'orders', partition: each })))
      const read = Array.from({ length: 45 }, (_, each) => each).filter((each) => isWithin(ranges, 'orders', each))
      expect(read).toEqual(chosen.toSorted((one, other) => one - other))
    }),
    { numRuns: 100 },
  )
  expect([isWithin(undefined, 'orders', 0), isWithin({}, 'toString', 0)]).toEqual([false, false])
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [102_400, '100 KiB'],
  [3 * 2 ** 40, '3.0 TiB'],
  [5000 * 2 ** 50, '5000 PiB'],
])('%i bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})
