// The model of a cluster: what of a reading may be moved, and how far its load is trusted.

import { describe, expect, test } from 'vitest'
import {
  clusterModel,
  type Loads,
  type ModelSettings,
  type PartitionPlace,
  type Topology,
} from '../../../machines/balancer/model.ts'
import type { Figure } from '../../../machines/balancer/sample.ts'
import { partitionKey } from '../../../machines/topic-partition.ts'

const figure = (value: number, trust = 1): Figure => ({ value, trust, origin: 'reported' })

const settings: ModelSettings = {
  ...{ storage: 'replicated', excludedTopics: [], excludedBrokers: [], drainingBrokers: [], leastTrust: 0.5 },
}

const place: PartitionPlace = {
  ...{ topic: 'orders', partition: 0, replicas: [1, 2], isr: [1, 2], leader: 1, isInternal: false },
}

const brokers = [1, 2, 3].map((id) => ({ id, rack: `rack-${id}` }))

const known: Loads = {
  partitions: new Map([['orders/0', { bytesIn: figure(10), bytesOut: figure(20, 0.9), size: figure(30, 0.7) }]]),
  slow: new Set(),
}

interface Given {
  readonly changed?: Partial<PartitionPlace>
  readonly topology?: Partial<Topology>
  readonly loads?: Partial<Loads>
  readonly settings?: Partial<ModelSettings>
  readonly cooling?: ReadonlyMap<string, number>
}

const modelOf = ({ changed = {}, topology = {}, loads = {}, settings: own = {}, cooling = new Map() }: Given = {}) =>
  clusterModel(
    { brokers, partitions: [{ ...place, ...changed }], underWay: [], ...topology },
    { ...known, ...loads },
    { ...settings, ...own },
    cooling,
    1000,
  )

const partitionOf = (given: Given = {}) => modelOf(given).partitions[0]

test('a partition has its figures, and the least of their trusts', () => {
  expect(partitionOf()).toEqual({
    ...{ topic: 'orders', partition: 0, replicas: [1, 2], isr: [1, 2], leader: 1 },
    ...{ bytesIn: 10, bytesOut: 20, size: 30, trust: 0.7, pinnedBy: null },
  })
})

test('the trust in a size does not count with shared storage', () => {
  expect(partitionOf({ settings: { storage: 'shared' } })?.trust).toBe(0.9)
})

test('replicas are those that are there when what is under way is done', () => {
  const underWay = [{ topic: 'orders', partition: 0, adding: [3], removing: [1] }]
  const changed = { replicas: [3, 2, 1] }
  expect(partitionOf({ changed, topology: { underWay } })).toMatchObject({ replicas: [3, 2], pinnedBy: 'under-way' })
})

describe('a partition is pinned', () => {
  test.each<[string, Given, string | null]>([
    ['by the name of its topic', { settings: { excludedTopics: ['orders'] } }, 'excluded'],
    ['by no part of the name', { settings: { excludedTopics: ['order'] } }, null],
    ['by a pattern', { settings: { excludedTopics: [/^ord/g] } }, 'excluded'],
    ["as one of Kafka's own", { changed: { isInternal: true } }, 'internal'],
    [
      'not as that where its broker is drained',
      { changed: { isInternal: true }, settings: { drainingBrokers: [2] } },
      null,
    ],
    ['where none leads', { changed: { leader: -1 } }, 'leaderless'],
    ['where a replica is not in sync', { changed: { isr: [1] } }, 'under-replicated'],
    ['not where that replica is on a dead broker', { changed: { replicas: [1, 9], isr: [1] } }, null],
    ['while it cools down', { cooling: new Map([['orders/0', 1001]]) }, 'cooling'],
    ['not when it has cooled down', { cooling: new Map([['orders/0', 1000]]) }, null],
    ['where its load is not trusted', { settings: { leastTrust: 0.71 } }, 'untrusted'],
    ['where its load is not known', { loads: { partitions: new Map() } }, 'untrusted'],
  ])('%s', (_, given, pin) => {
    expect(partitionOf(given)?.pinnedBy).toBe(pin)
  })
})

test('brokers have their capacity, their own before that of all, and what they are set apart for', () => {
  const own: Partial<ModelSettings> = {
    ...{ capacity: { networkIn: 100, disk: 1 }, capacityOf: { 2: { networkIn: 50 } } },
    ...{ excludedBrokers: [2], drainingBrokers: [3] },
  }
  const broker = { isAlive: true, isDraining: false, isExcluded: false, isSlow: false, capacity: own.capacity }
  expect(modelOf({ settings: own, loads: { slow: new Set([1]) } }).brokers).toEqual([
    { ...broker, id: 1, rack: 'rack-1', isSlow: true },
    { ...broker, id: 2, rack: 'rack-2', isExcluded: true, capacity: { networkIn: 50, disk: 1 } },
    { ...broker, id: 3, rack: 'rack-3', isDraining: true },
  ])
})

test('a broker that holds replicas and is not there is dead', () => {
  const changed = { replicas: [0, 1], isr: [1] }
  const ids = modelOf({ changed }).brokers.map(({ id, rack, isAlive }) => ({ id, rack, isAlive }))
  expect(ids[0]).toEqual({ id: 0, rack: null, isAlive: false })
  expect(ids).toHaveLength(4)
})

test('the key of a partition is what loads and cooling go by', () => {
  expect(partitionKey({ topic: 'orders', partition: 7 })).toBe('orders/7')
})
