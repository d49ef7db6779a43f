/** Random clusters, the same for the same seed: those of Cruise Control's published parameters, and those of single troubles. */

import type { BrokerModel, ClusterModel, PartitionModel } from '../../machines/balancer/cluster-model.ts'
import type { GoalSettings } from '../../machines/balancer/plan.ts'

export const settings: GoalSettings = {
  weights: { networkIn: 1, networkOut: 1, disk: 1, leaders: 0.25, replicas: 0.25, spread: 0.1 },
  target: 0.1,
  trigger: 0.2,
  idle: { networkIn: 1, networkOut: 1, disk: 1 },
  capacityShare: 0.8,
  leastTrust: 0.5,
  seed: 1,
}

/** Numbers from 0 to below 1. */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const broker = (id: number, more: Partial<BrokerModel> = {}): BrokerModel => ({
  id,
  rack: null,
  capacity: {},
  isAlive: true,
  isDraining: false,
  isExcluded: false,
  isSlow: false,
  ...more,
})

/** A partition that its first replica leads, and that all are in sync with. */
const partition = (
  number: number,
  replicas: readonly number[],
  more: Partial<PartitionModel> = {},
): PartitionModel => ({
  topic: 'orders',
  partition: number,
  replicas,
  leader: replicas[0] ?? -1,
  isr: replicas,
  bytesIn: 1e6,
  bytesOut: 1e6,
  size: 1e9,
  trust: 1,
  pinnedBy: null,
  ...more,
})

export interface ClusterShape {
  readonly seed: number
  readonly brokers: number
  readonly partitions: number
  readonly racks?: number
  readonly topics?: number
  /** Replicas of each partition. */
  readonly factor?: number
  /** How likely a broker is given a replica, by its place from 0 to 1. */
  readonly placement?: 'uniform' | 'linear' | 'exponential'
  /** How loads differ between partitions: hardly, or by a topic's popularity, which falls off exponentially or steeply. */
  readonly popularity?: 'even' | 'exponential' | 'steep'
  readonly storage?: ClusterModel['storage']
}

const likelihoods = {
  uniform: () => 1,
  linear: (place: number) => 0.2 + place,
  exponential: (place: number) => Math.exp(2 * place),
}

/** A cluster by its shape; the brokers' capacity is said only where `capacityOf` says it. */
export const randomCluster = (shape: ClusterShape, capacityOf?: (id: number) => number): ClusterModel => {
  const { seed, brokers, partitions, factor = 3, storage = 'replicated' } = shape
  const {
    racks = brokers < 6 ? 1 : Math.max(6, Math.round(brokers / 10)),
    topics = Math.max(1, Math.round(partitions / 6)),
  } = shape
  const random = randomFrom(seed)
  const likelihood = likelihoods[shape.placement ?? 'uniform']
  const exponential = (): number => -Math.log(1 - random())
  const popularity = Array.from({ length: topics }, () => {
    if (shape.popularity === 'even') return { in: 1, out: 1, size: 1 }
    const [base, power] = [exponential(), shape.popularity === 'steep' ? 2 : 1]
    return { in: base ** power, out: (base * (0.5 + random())) ** power, size: exponential() }
  })
  const sums: number[] = []
  for (let id = 0, sum = 0; id < brokers; id++) {
    sum += likelihood(id / brokers)
    sums.push(sum)
  }
  const draw = (): number => {
    const at = random() * sums[brokers - 1]!
    let [low, high] = [0, brokers - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! > at) high = middle
      else low = middle + 1
    }
    return low
  }
  const counts = new Int32Array(topics)
  const replicasOfOne = (): number[] => {
    const replicas: number[] = []
    while (replicas.length < factor) {
      const next = draw()
      const isNewRack = replicas.length >= racks || replicas.every((other) => other % racks !== next % racks)
      if (isNewRack && !replicas.includes(next)) replicas.push(next)
    }
    return replicas
  }
  return {
    storage,
    brokers: Array.from({ length: brokers }, (_, id) => {
      const share = capacityOf?.(id)
      const capacity = share === undefined ? {} : { networkIn: share, networkOut: share, disk: share * 1000 }
      return broker(id, { rack: `rack-${id % racks}`, capacity })
    }),
    partitions: Array.from({ length: partitions }, () => {
      const topic = Math.floor(random() * topics)
      const { in: bytesIn, out, size } = popularity[topic]!
      const noise = (): number => 0.9 + 0.2 * random()
      const loads = { bytesIn: 1e6 * bytesIn * noise(), bytesOut: 2e6 * out * noise(), size: 1e9 * size * noise() }
      return partition(counts[topic]!++, replicasOfOne(), { topic: `topic-${topic}`, ...loads })
    }),
  }
}

const withBroker = (model: ClusterModel, id: number, more: Partial<BrokerModel>): ClusterModel => ({
  ...model,
  brokers: model.brokers.map((one) => (one.id === id ? { ...one, ...more } : one)),
})

/** The last brokers have seven times as many replicas as the first. */
export const skewed = (shape: ClusterShape): ClusterModel => randomCluster({ placement: 'exponential', ...shape })

/** Evenly placed; of one topic in ten the partitions that a fifth of the brokers lead have ten times the load of the others. */
export const hotTopic = (shape: ClusterShape): ClusterModel => {
  const model = randomCluster({ popularity: 'even', ...shape })
  const hot = Math.max(2, Math.ceil(shape.brokers / 5))
  return {
    ...model,
    partitions: model.partitions.map((one) =>
      Number(one.topic.slice(6)) % 10 === 0 && one.leader < hot
        ? { ...one, bytesIn: one.bytesIn * 10, bytesOut: one.bytesOut * 10 }
        : one,
    ),
  }
}

/** The last broker has just joined. */
export const newBroker = (shape: ClusterShape): ClusterModel => {
  const model = randomCluster(shape)
  return {
    ...model,
    brokers: [...model.brokers, broker(shape.brokers, { rack: 'rack-0', capacity: model.brokers[0]!.capacity })],
  }
}

/** The first broker is gone: what it led is led by the next replica. */
export const lostBroker = (shape: ClusterShape): ClusterModel => {
  const model = withBroker(randomCluster(shape), 0, { isAlive: false })
  return {
    ...model,
    partitions: model.partitions.map((one) => {
      const isr = one.replicas.filter((id) => id !== 0)
      if (isr.length === one.replicas.length) return one
      const leader = isr[0] ?? -1
      return { ...one, isr, leader, pinnedBy: leader < 0 ? 'leaderless' : 'under-replicated' }
    }),
  }
}

/** Brokers of one, two and four sizes, and replicas laid out as if they were alike. */
export const mixedCapacity = (shape: ClusterShape): ClusterModel => {
  const bytes = 4e7 * (shape.partitions / shape.brokers)
  return randomCluster(shape, (id) => bytes * [1, 2, 4][(id + Math.floor(id / 6)) % 3]!)
}

/** A broker is slow, and has too much. */
export const slowBroker = (shape: ClusterShape): ClusterModel =>
  withBroker(skewed(shape), shape.brokers - 1, { isSlow: true })
