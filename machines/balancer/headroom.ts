/** What a broker's network has left beside its load: what moves may be copied with. */

import { partitionKey } from '../topic-partition.ts'
import type { Loads, ModelSettings, Topology } from './model.ts'

/** Bytes per second that a broker may send to (`leader`) or take from (`follower`) others for moves; null: it is not throttled. */
export type ThrottleRate = (broker: number, direction: Direction) => number | null
export type Direction = 'leader' | 'follower'

const resourceOf = { leader: 'networkOut', follower: 'networkIn' } as const

/** What is left of `share` of its capacity; null where nobody has said what a broker can carry. */
export function headroomIn(
  { partitions }: Topology,
  loads: Loads,
  { capacity, capacityOf }: Pick<ModelSettings, 'capacity' | 'capacityOf'>,
  share: number,
): ThrottleRate {
  const used: Readonly<Record<Direction, Map<number, number>>> = { leader: new Map(), follower: new Map() }
  const add = (direction: Direction, id: number, bytes: number) =>
    used[direction].set(id, (used[direction].get(id) ?? 0) + bytes)
  for (const place of partitions) {
    const load = loads.partitions.get(partitionKey(place))
    if (!load) continue
    const { bytesIn, bytesOut } = load
    for (const id of place.replicas) add('follower', id, bytesIn.value)
    add('leader', place.leader, bytesOut.value + bytesIn.value * (place.replicas.length - 1))
  }
  return (broker, direction) => {
    const resource = resourceOf[direction]
    const most = capacityOf?.[broker]?.[resource] ?? capacity?.[resource]
    return most === undefined ? null : Math.max(0, most * share - (used[direction].get(broker) ?? 0))
  }
}
