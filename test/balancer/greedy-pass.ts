/**
 * The baseline: one greedy pass per network goal, without swaps and without a price for bytes. A broker over the bound gives its partitions, those with
 * the greatest load first, each to the candidate whose score is best; a broker under it pulls from those with the greatest load. What moves is the leader's
 * replica, with the lead. Loads are the true ones, with replication.
 */

import type { ClusterModel } from '../../machines/balancer/cluster-model.ts'
import { settled } from '../../machines/balancer/cluster-model.ts'
import { imbalanceOf } from '../../machines/balancer/imbalance.ts'
import type { GoalSettings, Plan, Step } from '../../machines/balancer/plan.ts'

const goals = ['networkIn', 'networkOut'] as const
type NetworkGoal = (typeof goals)[number]
/** Changes smaller than this share of the mean are undone. */
const trivial = 0.05
/** What the scores are normalised by: the bandwidth of a broker, in bytes per second. */
const bandwidth = 1024 ** 3

interface Moving {
  readonly at: number
  readonly load: Readonly<Record<NetworkGoal, number>>
  replicas: readonly number[]
  leader: number
}

/** From 1 for no distance to 0 for a great one. */
const scoreOf = (distance: number, allowed: number): number => {
  if (distance < allowed) return 1
  const step = allowed + bandwidth
  return distance <= step
    ? 1 - (0.9 * (distance - allowed)) / bandwidth
    : 1 - (0.9 + 0.1 * (1 - Math.log(step) / Math.log(distance)))
}

export const greedyPass = (model: ClusterModel, settings: GoalSettings): Plan => {
  const eligible = model.brokers.filter(({ isAlive, isExcluded, isDraining }) => isAlive && !isExcluded && !isDraining)
  const receivers = eligible.filter(({ isSlow }) => !isSlow).map(({ id }) => id)
  const loads = new Map(model.brokers.map(({ id }) => [id, { networkIn: 0, networkOut: 0 }]))
  const led = new Map(model.brokers.map(({ id }) => [id, new Set<Moving>()]))
  model.partitions.forEach((one, at) => {
    const load = { networkIn: one.bytesIn, networkOut: one.bytesOut + (one.replicas.length - 1) * one.bytesIn }
    for (const id of one.replicas) loads.get(id)!.networkIn += load.networkIn
    if (one.leader < 0) return
    loads.get(one.leader)!.networkOut += load.networkOut
    if (one.pinnedBy === null && one.trust >= settings.leastTrust)
      led.get(one.leader)!.add({ at, load, replicas: one.replicas, leader: one.leader })
  })
  const means = Object.fromEntries(
    goals.map((goal) => [goal, eligible.reduce((sum, { id }) => sum + loads.get(id)![goal], 0) / eligible.length]),
  ) as Record<NetworkGoal, number>
  const distance = (goal: NetworkGoal, load: number): number => Math.abs(load - means[goal])
  const isAcceptable = (goal: NetworkGoal, load: number): boolean =>
    (load < settings.idle[goal] && means[goal] < settings.idle[goal]) ||
    distance(goal, load) <= means[goal] * settings.target
  const scored = (goal: NetworkGoal, load: number): number =>
    scoreOf(distance(goal, load), means[goal] * settings.target)
  const actionScore = (goal: NetworkGoal, moving: Moving, to: number): number => {
    const [source, target] = [loads.get(moving.leader)![goal], loads.get(to)![goal]]
    const amount = moving.load[goal]
    const before = Math.min(scored(goal, source), scored(goal, target))
    return (Math.min(scored(goal, source - amount), scored(goal, target + amount)) - before + 1) / 2
  }
  const steps: Step[] = []
  const carry = (moving: Moving, to: number): void => {
    const from = moving.leader
    for (const goal of goals) {
      loads.get(from)![goal] -= moving.load[goal]
      loads.get(to)![goal] += moving.load[goal]
    }
    led.get(from)!.delete(moving)
    led.get(to)!.add(moving)
    moving.replicas = [to, ...moving.replicas.filter((id) => id !== from && id !== to)]
    moving.leader = to
  }
  const allows = (goal: NetworkGoal, moving: Moving, to: number): boolean => {
    if (to === moving.leader || moving.replicas.includes(to) || actionScore(goal, moving, to) <= 0.5) return false
    // Those that came before in the pass, which are all of one group and one weight.
    const earlier = goals.slice(0, goals.indexOf(goal) + 1)
    return earlier.reduce((sum, one) => sum + actionScore(one, moving, to), 0) / earlier.length >= 0.5
  }
  const byLoad = (goal: NetworkGoal, id: number): Moving[] =>
    [...led.get(id)!].sort((one, other) => other.load[goal] - one.load[goal])
  for (const goal of goals)
    for (const { id, isSlow } of eligible) {
      const before = loads.get(id)![goal]
      if (isAcceptable(goal, before)) continue
      const done: { moving: Moving; from: number; replicas: readonly number[]; to: number }[] = []
      const take = (moving: Moving, to: number): void => {
        done.push({ moving, from: moving.leader, replicas: moving.replicas, to })
        carry(moving, to)
      }
      if (before > means[goal]) {
        for (const moving of byLoad(goal, id)) {
          if (isAcceptable(goal, loads.get(id)![goal])) break
          let [best, score] = [-1, 0.5]
          for (const to of receivers) {
            if (!allows(goal, moving, to)) continue
            const own = actionScore(goal, moving, to)
            if (own > score) [best, score] = [to, own]
          }
          if (best >= 0) take(moving, best)
        }
      } else if (!isSlow) {
        const sources = eligible
          .filter((one) => one.id !== id)
          .sort((one, other) => loads.get(other.id)![goal] - loads.get(one.id)![goal])
        pull: for (const source of sources)
          for (const moving of byLoad(goal, source.id)) {
            if (isAcceptable(goal, loads.get(id)![goal])) break pull
            if (allows(goal, moving, id)) take(moving, id)
          }
      }
      if (Math.abs(loads.get(id)![goal] - before) < trivial * means[goal])
        for (const { moving, from, replicas } of done.toReversed()) {
          carry(moving, from)
          moving.replicas = replicas
        }
      else
        for (const { moving, from, to, replicas } of done) {
          const { topic, partition, size } = model.partitions[moving.at]!
          const after = [to, ...replicas.filter((id) => id !== from && id !== to)]
          const bytes = model.storage === 'shared' ? 0 : size
          steps.push({ topic, partition, kind: 'replica', from, to, replicas: after, bytes, why: goal, wins: 0 })
        }
    }
  const weighed = (imbalance: Plan['before']): number =>
    Object.entries(settings.weights).reduce(
      (sum, [goal, weight]) => sum + weight * imbalance[goal as keyof typeof imbalance],
      0,
    )
  const [before, after] = [imbalanceOf(model, settings), imbalanceOf(settled(model, steps), settings)]
  return {
    steps,
    before,
    after,
    total: { before: weighed(before), after: weighed(after) },
    left: [],
    stillness: steps.length > 0 ? null : 'no-gain',
  }
}
