/** Local search: the steps that win most per price, one broker after the other, then pairs of steps of which the first alone may win nothing. */

import { candidatesFrom, leastGainOf, takeFrom } from './candidates.ts'
import { deciding, gainOfShift, isBeyond, isWithin } from './imbalance.ts'
import { type Placement, reverse, type Shift, shift } from './placement.ts'
import type { GoalSettings } from './plan.ts'

/** How many more brokers may be looked at; a number that hangs on the size of the cluster, not on the clock. */
export interface Effort {
  looks: number
  pairs: number
}

/** Steps are taken while they win this share per price of what the best of all does; with many replicas a smaller share. */
const finely = 0.7
const coarsely = 0.2
const fine = 20_000
/** First steps tried for a pair, per broker. */
const firsts = 24

/** Takes steps until every broker is within the target, or none is left that is worth its price. They are appended to `taken`. */
export const improve = (placement: Placement, settings: GoalSettings, effort: Effort, taken: Shift[]): void => {
  while (!isWithin(placement, settings.target)) {
    const before = taken.length
    descend(placement, settings, effort, taken)
    if (isWithin(placement, settings.target)) return
    if (!takePair(placement, settings, effort, taken) || taken.length === before) return
  }
}

/** Takes single steps, those of the best rates first, until no broker has one that is worth it. */
const descend = (placement: Placement, settings: GoalSettings, effort: Effort, taken: Shift[]): void => {
  const { brokers, head, partition } = placement
  const near = partition.length > fine ? coarsely : finely
  // What each broker promised when it was last looked at. Brokers fill, so a promise is rarely less than what it yields.
  const promises = Float64Array.from(brokers, (_, broker) => (head[broker]! < 0 ? 0 : Number.POSITIVE_INFINITY))
  const lookedAt = new Int32Array(brokers.length).fill(-1)
  while (effort.looks > 0) {
    const bar = near * promises.reduce((most, one) => Math.max(most, one), 0)
    if (bar === 0) {
      // Each said no, but some before steps that others have taken since.
      for (let broker = 0; broker < brokers.length; broker++)
        if (lookedAt[broker]! < taken.length && head[broker]! >= 0) promises[broker] = Number.POSITIVE_INFINITY
      if (promises.every((one) => one === 0)) return
      continue
    }
    for (let broker = 0; broker < brokers.length && effort.looks > 0; broker++) {
      if (promises[broker]! < bar) continue
      effort.looks--
      const count = taken.length
      promises[broker] = takeFrom(placement, broker, settings, bar, (one) => {
        shift(placement, one)
        taken.push(one)
      })
      lookedAt[broker] = count
      if (taken.length > count && isWithin(placement, settings.target)) return
    }
  }
}

/** Takes the first pair of steps that is worth it together: a swap, or a chain over a broker in the middle. Each is legal by itself. */
const takePair = (placement: Placement, settings: GoalSettings, effort: Effort, taken: Shift[]): boolean => {
  for (let broker = 0; broker < placement.brokers.length; broker++) {
    if (!deciding(placement).some((goal) => isBeyond(placement, broker, goal, settings.target))) continue
    const all = candidatesFrom(placement, broker, settings)
    const stride = Math.max(1, all.length / firsts)
    for (let at = 0; at < all.length; at += stride) {
      if (effort.pairs-- <= 0) return false
      const first = all[Math.floor(at)]!
      const gain = gainOfShift(placement, first)
      shift(placement, first)
      const second = candidatesFrom(placement, first.to, settings).find((one) => one.partition !== first.partition)
      if (second !== undefined && gain + second.gain > leastGainOf(placement, first) + leastGainOf(placement, second)) {
        shift(placement, second)
        taken.push(first, second)
        return true
      }
      shift(placement, reverse(placement, first))
    }
  }
  return false
}
