/** First of all: what breaks a hard goal is cured, as far as a legal step does it, at whatever price in balance and bytes. */

import { candidatesFrom, refugeFor } from './candidates.ts'
import { isOver, lacksRacks, mayLeave, mustLeave, overloads, relief } from './hard-goals.ts'
import { type Placement, type Shift, shift } from './placement.ts'
import type { GoalSettings, HardGoal } from './plan.ts'

/** The hard goal that a step cures, as things are before it; null if it cures none. */
export const curedBy = (placement: Placement, one: Shift): HardGoal | null => {
  if (one.kind === 'replica' && mustLeave(placement, one.from)) return 'draining'
  if (one.kind === 'replica' && lacksRacks(placement, one.partition)) return 'racks'
  for (let resource = 0; resource < 3; resource++)
    if (isOver(placement, one.from, resource) && relief(placement, one, resource) > 0) return 'capacity'
  return null
}

export const replicasOn = ({ head, next }: Placement, broker: number): number[] => {
  const found: number[] = []
  for (let replica = head[broker]!; replica >= 0; replica = next[replica]!) found.push(replica)
  return found
}

/** Empties brokers that are drained or dead, spreads partitions over racks, unloads brokers above their capacity. */
export const cure = (placement: Placement, settings: GoalSettings, taken: Shift[]): void => {
  const take = (one: Shift | undefined): void => {
    if (one === undefined) return
    shift(placement, one)
    taken.push(one)
  }
  const { seed } = settings
  const { brokers, first, leads, keeps, takesIn, sends, holder, rack, mobility } = placement
  for (let broker = 0; broker < brokers.length; broker++) {
    if (!mustLeave(placement, broker)) continue
    // The largest first: they are the hardest to find a place for.
    const weightOf = (replica: number): number => {
      const p = placement.partition[replica]!
      return keeps[p]! + takesIn[p]! + (leads[p] === replica ? sends[p]! : 0)
    }
    const leaving = replicasOn(placement, broker).toSorted(
      (one, other) => weightOf(other) - weightOf(one) || one - other,
    )
    for (const replica of leaving) take(refugeFor(placement, replica, seed))
  }
  for (let p = 0; p < mobility.length; p++) {
    if (mobility[p] !== 1) continue
    for (let replica = first[p + 1]! - 1; replica >= first[p]! && lacksRacks(placement, p); replica--) {
      if (!mayLeave(placement, replica)) continue
      const isAlone = () => {
        for (let other = first[p]!; other < first[p + 1]!; other++)
          if (other !== replica && rack[holder[other]!] === rack[holder[replica]!]) return false
        return true
      }
      if (!isAlone()) take(newRackFor(placement, replica, seed))
    }
  }
  for (let broker = 0; broker < brokers.length; broker++)
    for (const resource of overloads(placement, broker)) {
      // Each step takes something off the broker, so this ends.
      while (isOver(placement, broker, resource)) {
        const found = candidatesFrom(placement, broker, settings).filter((one) => relief(placement, one, resource) > 0)
        if (found.length === 0) break
        take(found.reduce((best, one) => (Number(one.kind === 'leader') > Number(best.kind === 'leader') ? one : best)))
      }
    }
}

const newRackFor = (placement: Placement, replica: number, seed: number): Shift | undefined => {
  const { first, partition, holder, rack } = placement
  const p = partition[replica]!
  const used = new Set<number>()
  for (let other = first[p]!; other < first[p + 1]!; other++) used.add(rack[holder[other]!]!)
  return refugeFor(placement, replica, seed, (to) => !used.has(rack[to]!))
}
