// How far a step is, by one reading of the cluster.
import { expect, test } from 'vitest'
import type { PartitionPlace, Reassignment, Topology } from '../../../machines/balancer/model.ts'
import { lagging, mayCancel, placeOf, sightOf } from '../../../machines/balancer/step-place.ts'
import { stepTo } from '../../balancer/execution-stage.ts'

const orders = { topic: 'orders', partition: 0 }
const place = (replicas: readonly number[], own: Partial<PartitionPlace> = {}): PartitionPlace => ({
  ...{ ...orders, replicas, isr: replicas, leader: replicas[0] ?? -1, isInternal: false },
  ...own,
})
const sight = (partition: PartitionPlace | undefined, own: Partial<Topology> = {}) =>
  sightOf({
    brokers: [1, 2, 3, 4].map((id) => ({ id, rack: null })),
    ...{ partitions: partition ? [partition] : [], underWay: [] },
    ...own,
  })
const under = (adding: readonly number[], removing: readonly number[]): Reassignment => ({
  ...orders,
  adding,
  removing,
})

/** Of 1, which leads, to 3; of 2, which follows, to 3; and 2 leads instead of 1. */
const moveLeader = stepTo('orders', 0, 'replica', 1, 3, [3, 2])
const moveFollower = stepTo('orders', 0, 'replica', 2, 3, [1, 3])
const lead = stepTo('orders', 0, 'leader', 1, 2, [2, 1])

test.each([
  ['it is as the step found it', moveFollower, place([1, 2]), 'ahead'],
  ['its replicas stand in another order', moveFollower, place([2, 1]), 'ahead'],
  ['its replicas are those of after', moveFollower, place([1, 3]), 'done'],
  ['a follower was moved, and whoever leads is not of the step', moveFollower, place([3, 1]), 'done'],
  ['the new replica is the first, and does not lead yet', moveLeader, place([3, 2], { leader: 2 }), 'ordered'],
  ['the new replica is the first and leads', moveLeader, place([3, 2]), 'done'],
  ['the first is another one', lead, place([1, 2]), 'ahead'],
  ['the first is the right one, and another one leads', lead, place([2, 1], { leader: 1 }), 'ordered'],
  ['the first is the right one and leads', lead, place([2, 1]), 'done'],
  ['the right one leads, and is not the first', lead, place([1, 2], { leader: 2 }), 'ahead'],
  ['a replica is on a third broker', moveFollower, place([1, 4]), 'changed'],
  ['a replica is added', lead, place([1, 2, 3]), 'changed'],
  ['a replica is out of sync', moveFollower, place([1, 2], { isr: [1] }), 'under-replicated'],
  ['nobody leads', lead, place([1, 2], { leader: -1 }), 'under-replicated'],
  ['there is none', lead, undefined, 'gone'],
] as const)('where %s (%#)', (_, step, partition, expected) => {
  expect(placeOf(step, sight(partition))).toBe(expected)
})

test.each([
  ['its own', moveFollower, place([1, 3, 2]), under([3], [2]), 'moving'],
  ['its own, by a broker that does not know of it yet', moveFollower, place([1, 2]), under([3], [2]), 'moving'],
  ['one that adds another replica', moveFollower, place([1, 4, 2]), under([4], [2]), 'foreign'],
  ['one that removes another replica', moveFollower, place([3, 2, 1]), under([3], [1]), 'foreign'],
  ['one that adds two', moveFollower, place([1, 3, 4, 2]), under([3, 4], [2]), 'foreign'],
  ['one that adds and removes nothing of others', lead, place([1, 3, 2]), under([3], [2]), 'foreign'],
  ['the same one, beside a replica it does not know', moveFollower, place([1, 4, 3, 2]), under([3], [2]), 'foreign'],
] as const)('a reassignment is under way: %s', (_, step, partition, underWay, expected) => {
  expect(placeOf(step, sight(partition, { underWay: [underWay] }))).toBe(expected)
})

test('what leads to a broker that is not there is not asked for, also where a replica on another one that is gone is out of sync', () => {
  const brokers = [1, 2].map((id) => ({ id, rack: null }))
  expect(placeOf(moveFollower, sight(place([1, 2]), { brokers }))).toBe('absent')
  const away = sight(place([1, 2], { isr: [1] }), { brokers: [1, 3].map((id) => ({ id, rack: null })) })
  // The replica on broker 2 can't come into sync before it is moved.
  expect(placeOf(moveFollower, away)).toBe('ahead')
})

test('a move may be taken back while enough of its replicas of before are in sync', () => {
  const move = under([3], [2])
  expect(mayCancel(place([1, 3, 2]), move, 2)).toBe(true)
  expect(mayCancel(place([1, 3, 2], { isr: [1, 3] }), move, 2)).toBe(false)
  expect(mayCancel(place([1, 3, 2], { isr: [1] }), move, 1)).toBe(true)
  expect(mayCancel(place([1, 3, 2], { isr: [3] }), move, 1)).toBe(false)
})

test('a partition lags whose replica on one of these brokers is out of sync and not being copied', () => {
  const lags = (partition: PartitionPlace, brokers: readonly number[], underWay: readonly Reassignment[] = []) =>
    lagging(sight(partition, { underWay }), new Set(brokers)).length > 0
  expect(lags(place([1, 2]), [1, 2])).toBe(false)
  expect(lags(place([1, 2], { isr: [1] }), [1, 2])).toBe(true)
  expect(lags(place([1, 2], { isr: [1] }), [1])).toBe(false)
  expect(lags(place([1, 3, 2], { isr: [1, 2] }), [1, 2, 3], [under([3], [2])])).toBe(false)
  expect(lags(place([1, 3, 2], { isr: [1] }), [1, 2, 3], [under([3], [2])])).toBe(true)
})
