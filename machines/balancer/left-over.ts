/** What a plan leaves undone, and why. */

import { resources } from './cluster-model.ts'
import { replicasOn } from './cure.ts'
import { lacksRacks, mustLeave, overloads } from './hard-goals.ts'
import { beyond, deciding, imbalanceIn, isWithin } from './imbalance.ts'
import { counted, type Placement } from './placement.ts'
import type { GoalSettings, Stillness, Violation } from './plan.ts'

/** Why these partitions stay, the commonest reason first: `3 cooling, 1 no broker may take it`. */
const reasonsFor = (
  { model, mobility }: Placement,
  partitions: readonly number[],
  isOrder: boolean,
  leastTrust: number,
): string => {
  const counts = new Map<string, number>()
  for (const p of partitions) {
    const { pinnedBy, leader, trust } = model.partitions[p]!
    const isFree = mobility[p] === 1 || (isOrder && mobility[p] === 2)
    const why = isFree
      ? isOrder
        ? 'no broker may take it'
        : 'no step is worth its price'
      : leader < 0
        ? 'leaderless'
        : (pinnedBy ?? (trust < leastTrust ? 'untrusted' : 'under-replicated'))
    counts.set(why, (counts.get(why) ?? 0) + 1)
  }
  const common = [...counts].toSorted((one, other) => other[1] - one[1])
  return common.map(([why, count]) => `${count} ${why}`).join(', ')
}

/** The goals that are violated as things are, hard ones first. A soft goal is where a broker is beyond the target. */
export const violationsIn = (placement: Placement, { target, leastTrust }: GoalSettings): Violation[] => {
  const { brokers, partition, mobility, first, holder } = placement
  const ids = (numbers: readonly number[]): number[] =>
    [...new Set(numbers)].map((broker) => brokers[broker]!.id).toSorted((one, other) => one - other)
  const held = (numbers: readonly number[]): number[] =>
    numbers.flatMap((broker) => replicasOn(placement, broker).map((replica) => partition[replica]!))
  const left: Violation[] = []
  const all = brokers.map((_, broker) => broker)
  const full = all.filter((broker) => mustLeave(placement, broker) && placement.head[broker]! >= 0)
  if (full.length > 0)
    left.push({ goal: 'draining', brokers: ids(full), why: reasonsFor(placement, held(full), true, leastTrust) })
  const close = [...mobility.keys()].filter((p) => lacksRacks(placement, p))
  if (close.length > 0) {
    const on = close.flatMap((p) => [...holder.subarray(first[p], first[p + 1])])
    left.push({ goal: 'racks', brokers: ids(on), why: reasonsFor(placement, close, true, leastTrust) })
  }
  const over = all.filter((broker) => overloads(placement, broker).length > 0)
  if (over.length > 0) {
    const which = resources.filter((_, resource) =>
      over.some((broker) => overloads(placement, broker).includes(resource)),
    )
    left.push({
      goal: 'capacity',
      brokers: ids(over),
      why: `${which.join(', ')}: ${reasonsFor(placement, held(over), true, leastTrust)}`,
    })
  }
  const decides = deciding(placement)
  counted.forEach((goal, at) => {
    const uneven = beyond(placement, at, target)
    if (uneven.length > 0)
      left.push({
        goal,
        brokers: ids(uneven),
        why:
          !decides.includes(at) && isWithin(placement, target)
            ? 'the resources are in balance'
            : reasonsFor(placement, held(uneven), false, leastTrust) || 'it holds nothing',
      })
  })
  if (placement.spread.weight > 0 && imbalanceIn(placement).spread > target)
    left.push({ goal: 'spread', brokers: [], why: 'no step is worth its price' })
  return left
}

/** Why nothing moves in a cluster for which no step was found. */
export const stillnessOf = (placement: Placement, { target, trigger, leastTrust }: GoalSettings): Stillness => {
  if (isWithin(placement, target)) return 'balanced'
  if (isWithin(placement, trigger)) return 'below-trigger'
  const { partitions } = placement.model
  const isTrusted = partitions.some(
    (one, p) => placement.mobility[p] === 1 || (one.trust >= leastTrust && one.pinnedBy !== 'untrusted'),
  )
  return isTrusted ? 'no-gain' : 'untrusted'
}
