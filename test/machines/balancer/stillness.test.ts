// That a balanced cluster stays as it is under noise, and that what was moved a moment ago is not moved back.
import { expect, test } from 'vitest'
import { type ClusterModel, settled } from '../../../machines/balancer/cluster-model.ts'
import { planMoves } from '../../../machines/balancer/planner.ts'
import { hotTopic, newBroker, randomCluster, randomFrom, settings, skewed } from '../../balancer/clusters.ts'

const shape = { seed: 3, brokers: 5, partitions: 150, topics: 20, racks: 1, popularity: 'even' } as const

/** The same cluster; what each broker leads has more load or less, by this share of it. */
const noisy = (model: ClusterModel, share: number, seed: number): ClusterModel => {
  const random = randomFrom(seed)
  const factors = new Map(model.brokers.map(({ id }) => [id, 1 + (random() < 0.5 ? -share : share)]))
  return {
    ...model,
    partitions: model.partitions.map((one) => {
      const factor = factors.get(one.leader)!
      return { ...one, bytesIn: one.bytesIn * factor, bytesOut: one.bytesOut * factor, size: one.size * factor }
    }),
  }
}

const { target, trigger } = settings
/** With no more noise than this, no broker that is within the target comes beyond the trigger. */
const allowed = (trigger - target) / (2 + trigger + target)
const rounds = Array.from({ length: 500 }, (_, seed) => seed)

test.each(Object.entries({ skewed, hotTopic, newBroker, randomCluster }))(
  'once a plan for %s is carried out, no noise that the band allows moves anything',
  (_, make) => {
    const model = make(shape)
    const still = settled(model, planMoves(model, settings).steps)
    const moved = rounds.filter((seed) => planMoves(noisy(still, allowed, seed), settings).steps.length > 0)
    expect(moved).toEqual([])
  },
)

test('planned from noisy figures and carried out round after round, a cluster is still after the first', () => {
  let model = skewed(shape)
  const sizes = Array.from({ length: 100 }, (_, round) => {
    const seen = noisy(model, allowed, round)
    const { steps } = planMoves(seen, settings)
    model = settled(model, steps)
    return steps.length
  })
  expect(sizes[0]).toBeGreaterThan(0)
  expect(sizes.slice(1)).toEqual(sizes.slice(1).map(() => 0))
})

test('what cools is not moved again, whatever its load has become', () => {
  const model = skewed(shape)
  const { steps } = planMoves(model, settings)
  const keys = new Set(steps.map(({ topic, partition }) => `${topic}/${partition}`))
  const after = settled(model, steps)
  const cooling: ClusterModel = {
    ...after,
    partitions: after.partitions.map((one) => ({
      ...one,
      bytesIn: one.bytesIn * (one.leader === 0 ? 5 : 1),
      pinnedBy: keys.has(`${one.topic}/${one.partition}`) ? 'cooling' : null,
    })),
  }
  const next = planMoves(cooling, settings)
  expect(next.steps.length).toBeGreaterThan(0)
  expect(next.steps.filter(({ topic, partition }) => keys.has(`${topic}/${partition}`))).toEqual([])
  expect(next.left.some(({ why }) => why.includes('cooling'))).toBe(true)
})
