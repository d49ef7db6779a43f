/** The model of a cluster, made from what brokers say of its partitions and what is known of their load. */

import { partitionKey, type TopicPartition } from '../topic-partition.ts'
import type { BrokerModel, ClusterModel, PartitionModel, Pin, Resource } from './cluster-model.ts'
import type { Figure } from './sample.ts'

/** A reading of a cluster: who is there, and who holds what. */
export interface Topology {
  /** Those that are registered and not fenced. */
  readonly brokers: readonly { readonly id: number; readonly rack: string | null }[]
  readonly partitions: readonly PartitionPlace[]
  readonly underWay: readonly Reassignment[]
}

export interface PartitionPlace extends TopicPartition {
  /** The preferred leader first; with those that are being added and removed. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** −1 where none leads. */
  readonly leader: number
  /** The topic is Kafka's own: groups' offsets, or transactions. */
  readonly isInternal: boolean
}

/** A reassignment that has begun, whoever asked for it. */
export interface Reassignment extends TopicPartition {
  readonly adding: readonly number[]
  readonly removing: readonly number[]
}

/** What is known of the load. */
export interface Loads {
  /** By topic and partition, as `topic/partition`; one that is missing is not trusted. */
  readonly partitions: ReadonlyMap<string, Readonly<Record<'bytesIn' | 'bytesOut' | 'size', Figure>>>
  /** Brokers that are slow, against their own history and their peers. */
  readonly slow: ReadonlySet<number>
}

type Capacity = Readonly<Partial<Record<Resource, number>>>

export interface ModelSettings {
  readonly storage: 'shared' | 'replicated'
  /** What each broker can carry; default: nobody says. */
  readonly capacity?: Capacity
  /** What single brokers can carry instead, by id. */
  readonly capacityOf?: Readonly<Record<number, Capacity>>
  /** Topics of which nothing is moved: whole names, or patterns. */
  readonly excludedTopics: readonly (string | RegExp)[]
  /** Brokers to and from which nothing is moved. */
  readonly excludedBrokers: readonly number[]
  /** Brokers to be emptied. */
  readonly drainingBrokers: readonly number[]
  /** Figures with less trust than this decide nothing. */
  readonly leastTrust: number
}

/** Until when partitions are left alone after a move, in milliseconds since 1970, by `partitionKey`. */
export type Cooling = ReadonlyMap<string, number>

/**
 * Makes the model at `now`. Replicas are those that a partition will have when what is under way is done. A broker that holds replicas and is not
 * there is dead. With shared storage the trust in sizes does not count.
 */
export function clusterModel(
  topology: Topology,
  loads: Loads,
  settings: ModelSettings,
  cooling: Cooling,
  now: number,
): ClusterModel {
  const { storage, excludedTopics } = settings
  const alive = new Set(topology.brokers.map(({ id }) => id))
  const underWay = new Map(topology.underWay.map((each) => [partitionKey(each), each]))
  const excluded = new Map<string, boolean>()
  const isExcluded = (topic: string): boolean => {
    const known = excluded.get(topic) ?? excludedTopics.some((each) => matches(each, topic))
    excluded.set(topic, known)
    return known
  }
  const isLeaving = (id: number) => !alive.has(id) || settings.drainingBrokers.includes(id)

  function pinOf(place: PartitionPlace, trust: number): Pin | null {
    const { topic, replicas, isr, leader, isInternal } = place
    const key = partitionKey(place)
    if (isExcluded(topic)) return 'excluded'
    if (underWay.has(key)) return 'under-way'
    // Coordinators live there: each move costs every group on it a pause.
    if (isInternal && !replicas.some(isLeaving)) return 'internal'
    if (leader < 0) return 'leaderless'
    // What a dead broker held comes into sync on another one only.
    if (replicas.some((id) => alive.has(id) && !isr.includes(id))) return 'under-replicated'
    if ((cooling.get(key) ?? 0) > now) return 'cooling'
    return trust < settings.leastTrust ? 'untrusted' : null
  }

  const partitions = topology.partitions.map((place): PartitionModel => {
    const { topic, partition, isr, leader } = place
    const key = partitionKey(place)
    const { bytesIn = unknown, bytesOut = unknown, size = unknown } = loads.partitions.get(key) ?? {}
    const trust = Math.min(bytesIn.trust, bytesOut.trust, ...(storage === 'shared' ? [] : [size.trust]))
    const removing = underWay.get(key)?.removing ?? []
    return {
      ...{ topic, partition, leader, isr, trust, pinnedBy: pinOf(place, trust) },
      replicas: place.replicas.filter((id) => !removing.includes(id)),
      ...{ bytesIn: bytesIn.value, bytesOut: bytesOut.value, size: size.value },
    }
  })
  const dead = new Set(partitions.flatMap(({ replicas }) => replicas.filter((id) => !alive.has(id))))
  const broker = (id: number, rack: string | null): BrokerModel => ({
    ...{ id, rack, isAlive: alive.has(id), isSlow: loads.slow.has(id) },
    capacity: { ...settings.capacity, ...settings.capacityOf?.[id] },
    isDraining: settings.drainingBrokers.includes(id),
    isExcluded: settings.excludedBrokers.includes(id),
  })
  const brokers = [...topology.brokers, ...[...dead].map((id) => ({ id, rack: null }))]
  return {
    brokers: brokers.map(({ id, rack }) => broker(id, rack)).toSorted((one, other) => one.id - other.id),
    ...{ partitions, storage },
  }
}

const unknown: Figure = { value: 0, trust: 0, origin: 'unknown' }

/** A pattern has to match somewhere, and may be one that remembers where. */
const matches = (pattern: string | RegExp, topic: string): boolean =>
  typeof pattern === 'string' ? pattern === topic : topic.search(pattern) >= 0
