// Small models and plans, to make decisions of.
import type { BrokerModel, PartitionModel } from '../../machines/balancer/cluster-model.ts'
import type { GoalSettings, Imbalance, Plan, Step, Stillness } from '../../machines/balancer/plan.ts'

export const even: Imbalance = { networkIn: 0, networkOut: 0, disk: 0, leaders: 0, replicas: 0, spread: 0 }

export const goals: GoalSettings = {
  weights: { networkIn: 1, networkOut: 1, disk: 1, leaders: 0.25, replicas: 0.25, spread: 0.1 },
  ...{ target: 0.1, trigger: 0.2, idle: { networkIn: 0, networkOut: 0, disk: 0 } },
  ...{ capacityShare: 0.8, leastTrust: 0.5, seed: 1 },
}

export const broker = (id: number, own: Partial<BrokerModel> = {}): BrokerModel => ({
  ...{ id, rack: null, capacity: {}, isAlive: true, isDraining: false, isExcluded: false, isSlow: false },
  ...own,
})

export const partition = (topic: string, number: number, own: Partial<PartitionModel> = {}): PartitionModel => ({
  ...{ topic, partition: number, replicas: [1, 2], leader: 1, isr: [1, 2] },
  ...{ bytesIn: 1, bytesOut: 1, size: 1, trust: 1, pinnedBy: null },
  ...own,
})

/** A plan without a step. */
export const stillPlan = (stillness: Stillness): Plan => ({
  ...{ steps: [], before: even, after: even, total: { before: 0, after: 0 }, left: [], stillness },
})

/** A plan of these steps. */
export const planOf = (steps: readonly Step[]): Plan => ({ ...stillPlan('balanced'), steps, stillness: null })
