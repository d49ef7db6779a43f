// The promises of a plan, held against a few hundred random clusters.
import { describe, expect, test } from 'vitest'
import { type ClusterModel, settled } from '../../../machines/balancer/cluster-model.ts'
import type { Plan, Step } from '../../../machines/balancer/plan.ts'
import { planMoves } from '../../../machines/balancer/planner.ts'
import {
  type ClusterShape,
  hotTopic,
  lostBroker,
  mixedCapacity,
  newBroker,
  randomCluster,
  randomFrom,
  settings,
  skewed,
  slowBroker,
} from '../../balancer/clusters.ts'

type Part = ClusterModel['partitions'][number]

/** Some brokers drained or excluded, some partitions pinned, little room. */
const troubled = (shape: ClusterShape): ClusterModel => {
  const random = randomFrom(shape.seed + 1)
  const model = mixedCapacity({ ...shape, placement: 'exponential' })
  return {
    ...model,
    brokers: model.brokers.map((one) => ({
      ...one,
      isDraining: random() < 0.1,
      isExcluded: random() < 0.1,
      capacity: { networkIn: (one.capacity.networkIn ?? 0) * 0.12, disk: (one.capacity.disk ?? 0) * 0.12 },
    })),
    partitions: model.partitions.map((one) => (random() < 0.1 ? { ...one, pinnedBy: 'excluded' } : one)),
  }
}

const kinds = { randomCluster, skewed, hotTopic, newBroker, lostBroker, mixedCapacity, slowBroker, troubled }

const clustersOf = (make: (shape: ClusterShape) => ClusterModel): ClusterModel[] =>
  Array.from({ length: 24 }, (_, at) => {
    const seed = 100 + at
    const brokers = 3 + (at % 10)
    const factor = 1 + (at % 3)
    const racks = [1, 3, brokers][at % 3]!
    const storage = at % 7 === 0 ? 'shared' : 'replicated'
    return make({
      seed,
      brokers,
      factor,
      racks,
      storage,
      partitions: brokers * (5 + (at % 4) * 5),
      popularity: 'exponential',
    })
  })

const carried = (model: ClusterModel, id: number) => ({
  networkIn: model.partitions.reduce((sum, one) => sum + (one.replicas.includes(id) ? one.bytesIn : 0), 0),
  disk:
    model.storage === 'shared'
      ? 0
      : model.partitions.reduce((sum, one) => sum + (one.replicas.includes(id) ? one.size : 0), 0),
  networkOut: model.partitions.reduce(
    (sum, one) => sum + (one.leader === id ? one.bytesOut + (one.replicas.length - 1) * one.bytesIn : 0),
    0,
  ),
})

const racksOf = (model: ClusterModel, replicas: readonly number[]): number =>
  new Set(replicas.map((id) => model.brokers.find((one) => one.id === id)?.rack)).size

/** What a step breaks, by the words of the hard goals and not by the planner's own arithmetic. */
const brokenBy = (before: ClusterModel, after: ClusterModel, step: Step, was: Part): string[] => {
  const broken: string[] = []
  const to = before.brokers.find(({ id }) => id === step.to)!
  const from = before.brokers.find(({ id }) => id === step.from)!
  if (!to.isAlive || to.isDraining || to.isExcluded || to.isSlow) broken.push('goes to a broker that takes nothing')
  if (from.isExcluded) broken.push('leaves an excluded broker')
  if (was.pinnedBy === 'excluded') broken.push('moves an excluded partition')
  if (new Set(step.replicas).size !== was.replicas.length) broken.push('puts two replicas on one broker')
  const available = new Set(before.brokers.filter((one) => one.isAlive && !one.isDraining).map(({ rack }) => rack)).size
  if (racksOf(before, step.replicas) < Math.min(racksOf(before, was.replicas), available)) broken.push('loses a rack')
  const [had, has] = [carried(before, step.to), carried(after, step.to)]
  for (const resource of ['networkIn', 'networkOut', 'disk'] as const) {
    const limit = (to.capacity[resource] ?? Number.POSITIVE_INFINITY) * settings.capacityShare
    if (has[resource] > had[resource] + 1e-3 && has[resource] > limit + 1e-3) broken.push(`overloads ${resource}`)
  }
  return broken
}

const brokenIn = (model: ClusterModel, { steps }: Plan): string[] => {
  let current = model
  return steps.flatMap((step, at) => {
    const was = current.partitions.find((one) => one.topic === step.topic && one.partition === step.partition)!
    const next = settled(current, [step])
    const broken = brokenBy(current, next, step, was)
    current = next
    return broken.map((what) => `step ${at} ${what}`)
  })
}

const isSound = (model: ClusterModel, { steps }: Plan): boolean =>
  model.brokers.every((one) => one.isAlive && !one.isDraining) &&
  steps.every(({ why }) => why !== 'racks' && why !== 'capacity')

describe.each(Object.entries(kinds))('plans for %s', (_, make) => {
  const planned = clustersOf(make).map((model) => ({ model, plan: planMoves(model, settings) }))
  const sound = planned.filter(({ model, plan }) => isSound(model, plan))

  test('break no hard goal in any prefix', () => {
    expect(planned.map(({ model, plan }) => brokenIn(model, plan)).filter(({ length }) => length > 0)).toEqual([])
  })

  test('make the imbalance no worse where nothing is to be cured', () => {
    expect(sound.filter(({ plan: { total, steps } }) => steps.length > 0 && total.after >= total.before)).toEqual([])
  })

  test('win by their steps what they say', () => {
    for (const { plan } of planned)
      expect(plan.steps.reduce((sum, { wins }) => sum + wins, 0)).toBeCloseTo(plan.total.before - plan.total.after, 6)
  })

  test('leave nothing to do for a second plan', () => {
    const seconds = planned.map(({ model, plan }) => planMoves(settled(model, plan.steps), settings))
    expect(seconds.map(({ steps }) => steps.length).filter((length) => length > 0)).toEqual([])
  })

  test('are the same for the same inputs', () => {
    const { model, plan } = planned[0]!
    expect(planMoves(structuredClone(model), settings)).toEqual(plan)
  })

  test('say why there is no step, and only then', () => {
    for (const { plan } of planned) expect(plan.stillness === null).toBe(plan.steps.length > 0)
  })

  test('keep to the most steps and bytes, and lose nothing by them', () => {
    for (const { model } of sound.slice(0, 8)) {
      const { steps, total } = planMoves(model, { ...settings, mostSteps: 5, mostBytes: 4e9 })
      expect(steps.length).toBeLessThanOrEqual(5)
      expect(steps.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(4e9)
      expect(total.after).toBeLessThanOrEqual(total.before)
    }
  })
})
