/** Where replicas and leaders are, in flat arrays by the numbers of brokers, partitions and replicas, so that a step is tried in a microsecond. */

import { type BrokerModel, type ClusterModel, type Resource, resources } from './cluster-model.ts'
import type { GoalSettings, Step } from './plan.ts'

/** Goals that count a load per broker, in the order of `loads`: the three resources, then leaders and replicas. */
export const counted = [...resources, 'leaders', 'replicas'] as const
export const width = counted.length
export interface Placement {
  readonly model: ClusterModel
  /** Those of the model, and one that is dead for each id that only a partition names. */
  readonly brokers: readonly BrokerModel[]
  /** Brokers that are evened out: alive, not excluded, not drained. */
  readonly isEligible: Uint8Array
  readonly eligible: number
  /** Brokers that may be given something. */
  readonly receives: Uint8Array
  readonly rack: Int32Array
  /** How many racks have a broker that is alive and not drained. */
  readonly racks: number
  /** The replicas of partition p are those from `first[p]` to `first[p + 1]`. */
  readonly first: Int32Array
  /** Of each replica: its partition, its broker. */
  readonly partition: Int32Array
  readonly holder: Int32Array
  /** The replica of each partition that leads, −1 where none does. */
  readonly leads: Int32Array
  /** Per partition: what each replica takes in, what the leader sends (replication included), what each replica keeps. */
  readonly takesIn: Float64Array
  readonly sends: Float64Array
  readonly keeps: Float64Array
  /** Per broker and counted goal. */
  readonly loads: Float64Array
  /** One over the share of the whole that a broker should carry; 0 for those that are not evened out. */
  readonly inverseShare: Float64Array
  /** What a broker may carry of each resource. */
  readonly limits: Float64Array
  /** Per counted goal, over eligible brokers: the load, the sum of squares over shares, and the goal's weight (0 where idle). */
  readonly total: Float64Array
  readonly squares: Float64Array
  readonly weight: Float64Array
  /** Per broker and topic with more than one partition: its replicas, those of a broker side by side. A partition's row is −1 for the other topics. */
  readonly spread: {
    readonly row: Int32Array
    readonly rows: number
    readonly counts: Uint16Array
    readonly least: number
    squares: number
    readonly weight: number
  }
  /** The replicas of each broker, as a list. */
  readonly head: Int32Array
  readonly next: Int32Array
  readonly previous: Int32Array
  /** 0: stays; 1: may move; 2: may only leave a broker that is drained or dead. */
  readonly mobility: Uint8Array
  /** Bytes of a mean replica: the unit in which steps without bytes have a price. */
  readonly meanSize: number
}

/** What of a partition goes from one broker to another. */
export interface Shift {
  readonly partition: number
  readonly from: number
  readonly to: number
  /** The replica that goes, or that becomes the leader. */
  readonly replica: number
  readonly kind: Step['kind']
}

const shareOut = (brokers: readonly BrokerModel[], isEligible: Uint8Array, isShared: boolean): Float64Array => {
  const shares = new Float64Array(brokers.length * width)
  const eligible = isEligible.reduce((sum, one) => sum + one, 0)
  const kinds: readonly Resource[] = isShared ? resources.slice(0, 2) : resources
  resources.forEach((resource, goal) => {
    const known = brokers.flatMap((broker, b) =>
      isEligible[b] && (broker.capacity[resource] ?? 0) > 0 ? [broker.capacity[resource]!] : [],
    )
    const mean = known.length === 0 ? 1 : known.reduce<number>((sum, one) => sum + one, 0) / known.length
    brokers.forEach((broker, b) => {
      const own = broker.capacity[resource] ?? 0
      if (isEligible[b]) shares[b * width + goal] = (own > 0 ? own : mean) / (mean * eligible)
    })
  })
  for (let b = 0; b < brokers.length; b++) {
    const mean = kinds.reduce<number>((sum, _, goal) => sum + shares[b * width + goal]!, 0) / kinds.length
    shares[b * width + 3] = mean
    shares[b * width + 4] = mean
  }
  return shares
}

const mobilityOf = (
  { pinnedBy, trust, isr, replicas, leader }: ClusterModel['partitions'][number],
  leastTrust: number,
): number => {
  if (leader < 0) return 0
  if (pinnedBy === null && trust >= leastTrust && replicas.every((id) => isr.includes(id))) return 1
  // A broker is emptied by order, not for its figures; and what a dead one holds is never in sync.
  return pinnedBy === null || pinnedBy === 'under-replicated' || pinnedBy === 'untrusted' || pinnedBy === 'internal'
    ? 2
    : 0
}

export const place = (model: ClusterModel, settings: GoalSettings): Placement => {
  const numbers = new Map(model.brokers.map(({ id }, b) => [id, b]))
  const brokers = [...model.brokers]
  const { partitions } = model
  for (const { replicas } of partitions)
    for (const id of replicas)
      if (!numbers.has(id)) {
        numbers.set(id, brokers.length)
        brokers.push({
          id,
          rack: null,
          capacity: {},
          isAlive: false,
          isDraining: false,
          isExcluded: false,
          isSlow: false,
        })
      }
  const isShared = model.storage === 'shared'
  const isEligible = Uint8Array.from(brokers, (broker) =>
    Number(broker.isAlive && !broker.isExcluded && !broker.isDraining),
  )
  const eligible = isEligible.reduce((sum, one) => sum + one, 0)
  const rackNumbers = new Map<string | null, number>()
  for (const { rack } of brokers) if (!rackNumbers.has(rack)) rackNumbers.set(rack, rackNumbers.size)
  const first = new Int32Array(partitions.length + 1)
  partitions.forEach(({ replicas }, p) => {
    first[p + 1] = first[p]! + replicas.length
  })
  const [replicas, shares] = [first[partitions.length]!, shareOut(brokers, isEligible, isShared)]
  const placement = {
    model,
    brokers,
    isEligible,
    eligible,
    receives: Uint8Array.from(brokers, ({ isSlow }, b) => Number(isEligible[b] === 1 && !isSlow)),
    rack: Int32Array.from(brokers, ({ rack }) => rackNumbers.get(rack)!),
    racks: new Set(brokers.filter(({ isAlive, isDraining }) => isAlive && !isDraining).map(({ rack }) => rack)).size,
    first,
    partition: new Int32Array(replicas),
    holder: new Int32Array(replicas),
    leads: Int32Array.from(partitions, (one, p) =>
      one.replicas.includes(one.leader) ? first[p]! + one.replicas.indexOf(one.leader) : -1,
    ),
    takesIn: Float64Array.from(partitions, ({ bytesIn }) => bytesIn),
    sends: Float64Array.from(partitions, (one) => one.bytesOut + (one.replicas.length - 1) * one.bytesIn),
    keeps: Float64Array.from(partitions, ({ size }) => (isShared ? 0 : size)),
    loads: new Float64Array(brokers.length * width),
    inverseShare: shares.map((share) => (share > 0 ? 1 / share : 0)),
    limits: Float64Array.from({ length: brokers.length * 3 }, (_, at) => {
      const capacity = brokers[Math.trunc(at / 3)]!.capacity[resources[at % 3]!]
      return capacity === undefined || (isShared && at % 3 === 2)
        ? Number.POSITIVE_INFINITY
        : capacity * settings.capacityShare
    }),
    total: new Float64Array(width),
    squares: new Float64Array(width),
    weight: Float64Array.from(counted, (goal) => settings.weights[goal]),
    spread: spreadOf(model, brokers.length, eligible, settings),
    head: new Int32Array(brokers.length).fill(-1),
    next: new Int32Array(replicas).fill(-1),
    previous: new Int32Array(replicas).fill(-1),
    mobility: Uint8Array.from(partitions, (one) => mobilityOf(one, settings.leastTrust)),
    meanSize: 1,
  }
  for (let p = partitions.length - 1; p >= 0; p--)
    for (let slot = 0; slot < partitions[p]!.replicas.length; slot++) {
      const replica = first[p]! + slot
      placement.partition[replica] = p
      placement.holder[replica] = numbers.get(partitions[p]!.replicas[slot]!)!
      link(placement, replica)
      carry(placement, replica, placement.holder[replica]!, 1, true, placement.leads[p] === replica)
    }
  const bytes = partitions.reduce((sum, one, p) => sum + placement.keeps[p]! * one.replicas.length, 0)
  if (bytes > 0) placement.meanSize = bytes / replicas
  counted.forEach((_, goal) => {
    const least = goal < 3 ? settings.idle[resources[goal]!] : 0
    if (placement.total[goal] === 0 || placement.total[goal]! / eligible < least) placement.weight[goal] = 0
  })
  return placement
}

const spreadOf = (
  { partitions }: ClusterModel,
  brokers: number,
  eligible: number,
  { weights }: GoalSettings,
): Placement['spread'] => {
  const sizes = new Map<string, { partitions: number; replicas: number }>()
  for (const { topic, replicas } of partitions) {
    const size = sizes.get(topic) ?? { partitions: 0, replicas: 0 }
    sizes.set(topic, { partitions: size.partitions + 1, replicas: size.replicas + replicas.length })
  }
  const rows = new Map<string, number>()
  let least = 0
  for (const [topic, size] of sizes)
    if (size.partitions > 1) {
      rows.set(topic, rows.size)
      const each = Math.floor(size.replicas / eligible)
      least += eligible * each ** 2 + (size.replicas % eligible) * (2 * each + 1)
    }
  return {
    row: Int32Array.from(partitions, ({ topic }) => rows.get(topic) ?? -1),
    rows: rows.size,
    counts: new Uint16Array(rows.size * brokers),
    least,
    squares: 0,
    weight: least > 0 ? weights.spread : 0,
  }
}

const link = ({ holder, head, next, previous }: Placement, replica: number): void => {
  const broker = holder[replica]!
  next[replica] = head[broker]!
  previous[replica] = -1
  if (head[broker]! >= 0) previous[head[broker]!] = replica
  head[broker] = replica
}

const unlink = ({ holder, head, next, previous }: Placement, replica: number): void => {
  if (previous[replica]! >= 0) next[previous[replica]!] = next[replica]!
  else head[holder[replica]!] = next[replica]!
  if (next[replica]! >= 0) previous[next[replica]!] = previous[replica]!
}

const add = (placement: Placement, broker: number, goal: number, amount: number): void => {
  const at = broker * width + goal
  const before = placement.loads[at]!
  placement.loads[at] = before + amount
  if (placement.isEligible[broker] === 0) return
  placement.squares[goal]! += amount * (2 * before + amount) * placement.inverseShare[at]!
  placement.total[goal]! += amount
}

/** A broker takes up (1) or lays down (−1) a replica, the lead, or both. */
const carry = (
  placement: Placement,
  replica: number,
  broker: number,
  sign: 1 | -1,
  isReplica: boolean,
  isLead: boolean,
): void => {
  const p = placement.partition[replica]!
  if (isLead) {
    add(placement, broker, 1, sign * placement.sends[p]!)
    add(placement, broker, 3, sign)
  }
  if (!isReplica) return
  add(placement, broker, 0, sign * placement.takesIn[p]!)
  add(placement, broker, 2, sign * placement.keeps[p]!)
  add(placement, broker, 4, sign)
  const { spread } = placement
  if (spread.row[p]! < 0) return
  const at = broker * spread.rows + spread.row[p]!
  if (placement.isEligible[broker] === 1) spread.squares += sign * 2 * spread.counts[at]! + 1
  spread.counts[at]! += sign
}

/** Takes a step; its reverse takes it back. */
export const shift = (placement: Placement, { partition, from, to, replica, kind }: Shift): void => {
  const isReplica = kind === 'replica'
  const isLead = !isReplica || placement.leads[partition] === replica
  carry(placement, replica, from, -1, isReplica, isLead)
  carry(placement, replica, to, 1, isReplica, isLead)
  if (isReplica) {
    unlink(placement, replica)
    placement.holder[replica] = to
    link(placement, replica)
  } else placement.leads[partition] = replica
}

/** The step that takes this one back, from where it has led. */
export const reverse = (placement: Placement, { partition, from, to, replica, kind }: Shift): Shift => ({
  partition,
  from: to,
  to: from,
  replica: kind === 'replica' ? replica : replicaOn(placement, partition, from),
  kind,
})

/** The replica of a partition on a broker, −1 where it has none there. */
export const replicaOn = ({ first, holder }: Placement, partition: number, broker: number): number => {
  for (let replica = first[partition]!; replica < first[partition + 1]!; replica++)
    if (holder[replica] === broker) return replica
  return -1
}

/** Its replicas by their brokers' ids, the leader first. */
export const replicasOf = ({ brokers, first, holder, leads }: Placement, partition: number): number[] => {
  const leader = leads[partition]!
  const ids = leader < 0 ? [] : [brokers[holder[leader]!]!.id]
  for (let replica = first[partition]!; replica < first[partition + 1]!; replica++)
    if (replica !== leader) ids.push(brokers[holder[replica]!]!.id)
  return ids
}
