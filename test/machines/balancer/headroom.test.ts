// What brokers have left for moves.
import { expect, test } from 'vitest'
import { headroomIn } from '../../../machines/balancer/headroom.ts'
import type { Loads, Topology } from '../../../machines/balancer/model.ts'

const place = (partition: number, replicas: readonly number[], leader = replicas[0] ?? -1) => ({
  ...{ topic: 'orders', partition, replicas, isr: replicas, leader, isInternal: false },
})
const topology: Topology = {
  brokers: [1, 2, 3].map((id) => ({ id, rack: null })),
  partitions: [place(0, [1, 2, 3]), place(1, [1, 2], 2), place(2, [3])],
  underWay: [],
}
const figure = (value: number) => ({ value, trust: 1, origin: 'reported' as const })
const load = (bytesIn: number, bytesOut: number) => ({
  ...{ bytesIn: figure(bytesIn), bytesOut: figure(bytesOut), size: figure(0) },
})
const loads: Loads = {
  partitions: new Map([
    ['orders/0', load(100, 300)],
    ['orders/1', load(20, 50)],
  ]),
  slow: new Set(),
}
const capacity = { networkIn: 1000, networkOut: 2000 }

test('every replica takes what is written; its leader sends it to each other one, beside what is read', () => {
  const rate = headroomIn(topology, loads, { capacity }, 1)
  expect([1, 2, 3].map((id) => rate(id, 'follower'))).toEqual([1000 - 120, 1000 - 120, 1000 - 100])
  expect([1, 2, 3].map((id) => rate(id, 'leader'))).toEqual([2000 - 300 - 200, 2000 - 50 - 20, 2000])
})

test('only a share of the capacity is there to be used, and what is used is taken from the share', () => {
  const rate = headroomIn(topology, loads, { capacity }, 0.5)
  expect([rate(1, 'follower'), rate(1, 'leader')]).toEqual([500 - 120, 1000 - 500])
})

test('what one broker can carry wins over what all can, by its own resource', () => {
  const rate = headroomIn(topology, loads, { capacity, capacityOf: { 1: { networkIn: 5000 } } }, 1)
  expect([rate(1, 'follower'), rate(1, 'leader'), rate(2, 'follower')]).toEqual([4880, 1500, 880])
})

test('a broker has no rate where nobody has said what it can carry', () => {
  const unsaid = headroomIn(topology, loads, {}, 1)
  expect([unsaid(1, 'leader'), unsaid(1, 'follower')]).toEqual([null, null])
  const half = headroomIn(topology, loads, { capacity: { networkIn: 1000 }, capacityOf: { 2: { networkOut: 100 } } }, 1)
  expect([half(1, 'leader'), half(1, 'follower'), half(2, 'leader')]).toEqual([null, 880, 30])
})

test('a broker that carries more than it should has nothing left, not less', () => {
  const rate = headroomIn(topology, loads, { capacity: { networkIn: 50, networkOut: 50 } }, 1)
  expect([rate(1, 'follower'), rate(1, 'leader')]).toEqual([0, 0])
})

test('a broker that carries nothing has all of it', () => {
  expect(headroomIn(topology, loads, { capacity }, 0.5)(4, 'leader')).toBe(1000)
})
