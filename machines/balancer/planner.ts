/** The planner: from a cluster as it is to the steps that bring it into balance. The same model and settings give the same plan. */

import { bytesOf } from './candidates.ts'
import { type ClusterModel, settled } from './cluster-model.ts'
import { cure } from './cure.ts'
import { imbalanceIn, isWithin, servedMost, weightedSum } from './imbalance.ts'
import { stillnessOf, violationsIn } from './left-over.ts'
import { type Ordered, order, originOf, prune, rewind } from './ordering.ts'
import { type Placement, place, replicasOf, type Shift, shift } from './placement.ts'
import type { GoalSettings, Plan, Step } from './plan.ts'
import { improve } from './search.ts'

/** How often a plan that has been pruned is searched once more. */
const rounds = 3
/** How often a whole plan is looked at for what it has left. */
const mostAgain = 8

/**
 * Plans one round. Cures of hard goals come first, whatever they cost; then, if there were any or a broker is beyond the trigger, steps that win more than
 * they cost until all are within the target. Each prefix of the steps keeps the hard goals.
 */
export const planMoves = (model: ClusterModel, settings: GoalSettings): Plan => {
  let plan = planOnce(model, settings)
  // A search ends where its effort does; what one from there would find belongs to this round.
  for (let again = 0; again < mostAgain && plan.steps.length > 0; again++) {
    const next = planOnce(settled(model, plan.steps), rest(settings, plan.steps))
    if (next.steps.length === 0) return plan
    plan = joined(plan, next)
  }
  return plan
}

/** What the bounds leave for more steps. */
const rest = (settings: GoalSettings, steps: readonly Step[]): GoalSettings => {
  const { mostSteps, mostBytes } = settings
  const bytes = steps.reduce((sum, one) => sum + one.bytes, 0)
  return {
    ...settings,
    ...(mostSteps === undefined ? {} : { mostSteps: mostSteps - steps.length }),
    ...(mostBytes === undefined ? {} : { mostBytes: mostBytes - bytes }),
  }
}

const joined = (one: Plan, next: Plan): Plan => ({
  ...next,
  steps: [...one.steps, ...next.steps],
  before: one.before,
  total: { before: one.total.before, after: next.total.after },
})

const planOnce = (model: ClusterModel, settings: GoalSettings): Plan => {
  const placement = place(model, settings)
  const before = imbalanceIn(placement)
  const total = weightedSum(placement)
  const stillness = placement.eligible < 2 ? 'too-few-brokers' : null
  const steps = stillness === null ? bounded(placement, settings, stepsFor(placement, settings)) : []
  const after = imbalanceIn(placement)
  return {
    steps,
    before,
    after,
    total: { before: total, after: weightedSum(placement) },
    left: violationsIn(placement, settings),
    stillness: steps.length > 0 ? null : (stillness ?? stillnessOf(placement, settings)),
  }
}

const stepsFor = (placement: Placement, settings: GoalSettings): Ordered[] => {
  const origin = originOf(placement)
  let steps: Ordered[] = []
  let isTriggered = false
  for (let round = 1; ; round++) {
    const taken: Shift[] = [...steps]
    // The same for each round as for the first of a new plan, which therefore finds nothing more.
    const effort = { looks: 2000 + 60 * placement.brokers.length, pairs: 400 }
    cure(placement, settings, taken)
    isTriggered ||= taken.length > 0 || !isWithin(placement, settings.trigger)
    if (isTriggered) improve(placement, settings, effort, taken)
    if (taken.length === steps.length) return steps
    steps = order(placement, origin, taken)
    if (round === rounds) return steps
    steps = prune(placement, settings.target, steps)
  }
}

/** Describes the steps, of those that the bounds allow as many as leave the least imbalance, and all cures. Where they end is where the placement is left. */
const bounded = (placement: Placement, settings: GoalSettings, shifts: readonly Ordered[]): Step[] => {
  const { mostSteps = Number.POSITIVE_INFINITY, mostBytes = Number.POSITIVE_INFINITY } = settings
  rewind(placement, shifts)
  const steps: Step[] = []
  let sum = weightedSum(placement)
  const total = sum
  let least = sum
  let length = 0
  let bytes = 0
  for (const one of shifts) {
    bytes += bytesOf(placement, one)
    if (steps.length === mostSteps || bytes > mostBytes) break
    const why = one.cures ?? servedMost(placement, one)
    shift(placement, one)
    const next = weightedSum(placement)
    const { topic, partition } = placement.model.partitions[one.partition]!
    const [from, to] = [placement.brokers[one.from]!.id, placement.brokers[one.to]!.id]
    const replicas = replicasOf(placement, one.partition)
    steps.push({
      topic,
      partition,
      kind: one.kind,
      from,
      to,
      replicas,
      bytes: bytesOf(placement, one),
      why,
      wins: sum - next,
    })
    sum = next
    if (sum < least || one.cures !== null) {
      least = sum
      length = steps.length
    }
  }
  if (steps.length === shifts.length && sum < total) return steps
  rewind(placement, shifts.slice(length, steps.length))
  return steps.slice(0, length)
}
