/** How far a step is, by what the cluster shows of its partition. */

import { partitionKey } from '../topic-partition.ts'
import type { PartitionPlace, Reassignment, Topology } from './model.ts'
import type { Step } from './plan.ts'

/**
 * - `ahead`: the partition is as the step found it · `moving`: its reassignment is under way
 * - `ordered`: its replicas are as they should be, and another one than the first still leads · `done`
 * - `foreign`: another reassignment than this one is under way · `changed`: its replicas are neither those of before nor those of after
 * - `under-replicated`: a replica on a broker that is there is not in sync · `absent`: the broker it leads to is not there, and
 * Kafka would accept the step and never complete it · `gone`: there is no such partition
 */
export type StepPlace =
  | 'ahead'
  | 'moving'
  | 'ordered'
  | 'done'
  | 'foreign'
  | 'changed'
  | 'under-replicated'
  | 'absent'
  | 'gone'

export type PlannedMove = Omit<Step, 'bytes' | 'why' | 'wins'>

/** A reading of a cluster, by partition. */
export interface Sight {
  /** By `partitionKey`. */
  readonly places: ReadonlyMap<string, PartitionPlace>
  readonly underWay: ReadonlyMap<string, Reassignment>
  readonly brokers: ReadonlySet<number>
}

export const sightOf = ({ brokers, partitions, underWay }: Topology): Sight => ({
  places: new Map(partitions.map((each) => [partitionKey(each), each])),
  underWay: new Map(underWay.map((each) => [partitionKey(each), each])),
  brokers: new Set(brokers.map(({ id }) => id)),
})

export function placeOf(step: PlannedMove, { places, underWay: moves, brokers }: Sight): StepPlace {
  const { kind, from, to, replicas } = step
  const place = places.get(partitionKey(step))
  const underWay = moves.get(partitionKey(step))
  if (!place) return 'gone'
  if (underWay) return kind === 'replica' && isMoveOf(step, place, underWay) ? 'moving' : 'foreign'
  const isThere = sameSet(place.replicas, replicas)
  const isOrdered = place.replicas.every((id, index) => id === replicas[index])
  if (isThere && (kind === 'replica' || isOrdered)) {
    const isLed = place.leader === replicas[0] || (kind === 'replica' && replicas[0] !== to)
    return isLed ? 'done' : 'ordered'
  }
  const before = kind === 'leader' ? replicas : replicas.map((id) => (id === to ? from : id))
  if (!sameSet(place.replicas, before)) return 'changed'
  const lags = place.replicas.some((id) => brokers.has(id) && !place.isr.includes(id))
  if (!brokers.has(to)) return 'absent'
  // Nobody can lead who is not in sync, and a second replica to copy would make the first one later.
  return lags || place.leader < 0 ? 'under-replicated' : 'ahead'
}

/** A reassignment of the same partition that leads where the step does. */
function isMoveOf({ from, to, replicas }: PlannedMove, place: PartitionPlace, { adding, removing }: Reassignment) {
  // What a broker says of replicas may be from before the reassignment.
  const after = [...new Set([...place.replicas, ...adding])].filter((id) => !removing.includes(id))
  return sameSet(adding, [to]) && sameSet(removing, [from]) && sameSet(after, replicas)
}

/** Whether a move may be taken back: enough of its replicas of before are in sync (KAFKA-14424). */
export function mayCancel(place: PartitionPlace, { adding }: Reassignment, leastInSync: number): boolean {
  return place.isr.filter((id) => !adding.includes(id)).length >= leastInSync
}

/** Partitions with a replica, on one of these brokers, that is not in sync and is not being copied. */
export function lagging({ places, underWay }: Sight, brokers: ReadonlySet<number>): readonly PartitionPlace[] {
  return [...places.values()].filter((place) => {
    const adding = underWay.get(partitionKey(place))?.adding
    return place.replicas.some((id) => brokers.has(id) && !place.isr.includes(id) && !adding?.includes(id))
  })
}

const sameSet = (one: readonly number[], other: readonly number[]): boolean =>
  one.length === other.length && one.every((id) => other.includes(id))
