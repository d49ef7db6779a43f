/** A cluster as it is balanced: its brokers, what each can carry, and the partitions with their replicas and load. */

import { partitionKey, type TopicPartition } from '../topic-partition.ts'

/** In and out in bytes per second, disk in bytes. */
export type Resource = 'networkIn' | 'networkOut' | 'disk'
export const resources = ['networkIn', 'networkOut', 'disk'] as const satisfies readonly Resource[]

export interface BrokerModel {
  readonly id: number
  readonly rack: string | null
  /** What it can carry; undefined where nobody has said: then no capacity is guarded, and all such brokers count alike. */
  readonly capacity: Readonly<Partial<Record<Resource, number>>>
  /** It is registered and not fenced. */
  readonly isAlive: boolean
  /** It is to be emptied. */
  readonly isDraining: boolean
  /** Nothing is moved to it or from it. */
  readonly isExcluded: boolean
  /** It is slow: nothing new goes to it. */
  readonly isSlow: boolean
}

export interface PartitionModel extends TopicPartition {
  /** The brokers that hold it, as they will be after what is under way; the preferred leader first. */
  readonly replicas: readonly number[]
  /** −1 where none leads. */
  readonly leader: number
  readonly isr: readonly number[]
  readonly bytesIn: number
  /** To consumers, without replication. */
  readonly bytesOut: number
  /** Of one replica. */
  readonly size: number
  /** The least trust of the figures above, from 0 to 1; below `leastTrust` it is moved only off a broker that is drained or dead, and its figures count as they are. */
  readonly trust: number
  /** It may be moved: not excluded, not cooling, nothing under way, all its replicas in sync. If not, why. */
  readonly pinnedBy: Pin | null
}

export type Pin = 'excluded' | 'cooling' | 'under-way' | 'under-replicated' | 'leaderless' | 'untrusted' | 'internal'

export interface ClusterModel {
  readonly brokers: readonly BrokerModel[]
  readonly partitions: readonly PartitionModel[]
  /** With shared storage a broker holds no bytes: moves cost none, and disk is nobody's. */
  readonly storage: 'shared' | 'replicated'
}

/** The same cluster when these steps have been carried out. */
export const settled = (
  model: ClusterModel,
  steps: readonly (TopicPartition & { readonly replicas: readonly number[] })[],
): ClusterModel => {
  const last = new Map(steps.map((step) => [partitionKey(step), step.replicas]))
  return {
    ...model,
    partitions: model.partitions.map((one) => {
      const replicas = last.get(partitionKey(one))
      return replicas === undefined ? one : { ...one, replicas, leader: replicas[0]!, isr: replicas }
    }),
  }
}
