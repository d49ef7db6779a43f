/**
 * What no step may break, and what must be cured. Nothing goes to a broker that is dead, excluded, drained or slow, and nothing leaves one that is excluded; no step
 * brings a broker above the share of its capacity that it may use, or further above it; no two replicas are on one broker; no step leaves a
 * partition on fewer racks than it was on and could be on.
 */

import { resources } from './cluster-model.ts'
import { type Placement, replicaOn, type Shift, width } from './placement.ts'

const fits = ({ loads, limits }: Placement, broker: number, resource: number, amount: number): boolean =>
  amount <= 0 || loads[broker * width + resource]! + amount <= limits[broker * 3 + resource]!

/** On how many racks a partition is, or would be with one replica on another broker. */
const racksOf = ({ first, holder, rack }: Placement, partition: number, moved = -1, to = -1): number => {
  let count = 0
  const from = first[partition]!
  for (let replica = from; replica < first[partition + 1]!; replica++) {
    const own = rack[replica === moved ? to : holder[replica]!]
    let isNew = true
    for (let other = from; other < replica && isNew; other++)
      isNew = rack[other === moved ? to : holder[other]!] !== own
    if (isNew) count++
  }
  return count
}

/** A partition is on fewer racks than it could be. */
export const lacksRacks = (placement: Placement, partition: number): boolean =>
  placement.racks > 1 &&
  racksOf(placement, partition) <
    Math.min(placement.first[partition + 1]! - placement.first[partition]!, placement.racks)

/** Whether a replica on `to` may lead instead of the one that does. */
export const mayLead = (placement: Placement, partition: number, to: number): boolean => {
  const { brokers, holder, leads, receives, sends, mobility } = placement
  return (
    mobility[partition] === 1 &&
    receives[to] === 1 &&
    !brokers[holder[leads[partition]!]!]!.isExcluded &&
    fits(placement, to, 1, sends[partition]!)
  )
}

/** Whether a broker is to be emptied: it is drained or dead. */
export const mustLeave = ({ brokers }: Placement, broker: number): boolean => {
  const { isAlive, isDraining, isExcluded } = brokers[broker]!
  return !isExcluded && (isDraining || !isAlive)
}

/** Whether a replica may leave its broker at all. */
export const mayLeave = (placement: Placement, replica: number): boolean => {
  const mobility = placement.mobility[placement.partition[replica]!]!
  const from = placement.holder[replica]!
  return !placement.brokers[from]!.isExcluded && (mobility === 1 || (mobility === 2 && mustLeave(placement, from)))
}

/** Whether a replica that may leave its broker may go to another. */
export const mayGo = (placement: Placement, replica: number, to: number): boolean => {
  const { partition, leads, receives, takesIn, sends, keeps, racks } = placement
  const p = partition[replica]!
  return (
    receives[to] === 1 &&
    replicaOn(placement, p, to) < 0 &&
    fits(placement, to, 0, takesIn[p]!) &&
    fits(placement, to, 2, keeps[p]!) &&
    (leads[p] !== replica || fits(placement, to, 1, sends[p]!)) &&
    (racks === 1 || racksOf(placement, p, replica, to) >= Math.min(racksOf(placement, p), racks))
  )
}

/** Whether the whole step is legal as things are. */
export const isLegal = (placement: Placement, { partition, replica, from, to, kind }: Shift): boolean =>
  kind === 'replica'
    ? placement.holder[replica] === from && mayLeave(placement, replica) && mayGo(placement, replica, to)
    : placement.leads[partition]! >= 0 &&
      placement.holder[placement.leads[partition]!] === from &&
      placement.holder[replica] === to &&
      mayLead(placement, partition, to)

export const isOver = ({ loads, limits }: Placement, broker: number, resource: number): boolean =>
  loads[broker * width + resource]! > limits[broker * 3 + resource]!

/** The resources of which a broker carries more than it may. */
export const overloads = (placement: Placement, broker: number): number[] =>
  resources.flatMap((_, resource) => (isOver(placement, broker, resource) ? [resource] : []))

/** How far a step brings its broker towards what it may carry of a resource, in bytes. */
export const relief = (placement: Placement, { partition, replica, kind }: Shift, resource: number): number => {
  const { takesIn, sends, keeps, leads } = placement
  if (resource === 1) return kind === 'leader' || leads[partition] === replica ? sends[partition]! : 0
  return kind === 'leader' ? 0 : (resource === 0 ? takesIn : keeps)[partition]!
}
