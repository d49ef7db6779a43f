/** What is to be seen of a consumer beside its facts and its status: partitions and brokers as they are at the moment. Computed when somebody looks. */

import type { Cluster } from '../../actors/cluster/cluster.ts'
import type { Dispatcher } from '../../actors/delivery/dispatcher.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import type { TopicPartition } from '../../machines/fact.ts'

/** Times in milliseconds since 1970, offsets as decimal strings; null where something is not known. */
export interface Sight {
  readonly partitions: readonly PartitionSight[]
  readonly brokers: readonly BrokerSight[]
}

/** One assigned partition. */
export interface PartitionSight extends TopicPartition {
  /** The first offset that is not handled. */
  readonly position: string | null
  /** What the group knows of it. */
  readonly committed: string | null
  /** Messages from the position to where the log ended at the last fetch that brought some. */
  readonly lag: string | null
  /** Batches that wait for the handler, or are with it. */
  readonly waiting: number
  /** When the handler that is at work was given its message; null while none is. */
  readonly handlingSince: number | null
  /** Who keeps it from being read: `user`, `handler` or `prefetch`. */
  readonly pausedBy: readonly string[]
}

/** One broker. */
export interface BrokerSight {
  readonly nodeId: number
  /** As `host:port`. */
  readonly endpoint: string
  /** Whether the newest metadata names it. */
  readonly isPresent: boolean
  /** When the poller last heard it. */
  readonly heardAt: number | null
  /** How long it takes to respond, in milliseconds. */
  readonly roundTripMs: number | null
}

export const sightOf = (dispatcher: Dispatcher, cluster: Cluster | undefined): Sight => {
  return { partitions: dispatcher.assigned().map(partitionSeen), brokers: cluster ? brokersSeen(cluster) : [] }
}

function partitionSeen(queue: ReturnType<Dispatcher['assigned']>[number]): PartitionSight {
  const { topic, partition, progress, end, depth, busy, movedAt, pausedBy } = queue
  const { mark, acknowledged } = progress
  const lag = mark === undefined || end === 0n ? undefined : end > mark ? end - mark : 0n
  return {
    ...{ topic, partition, position: text(mark), committed: text(acknowledged), lag: text(lag), waiting: depth },
    ...{ handlingSince: busy && movedAt > 0 ? onCalendar(movedAt) : null, pausedBy: [...pausedBy] },
  }
}

function brokersSeen({ book, contact }: Pick<Cluster, 'book' | 'contact'>): BrokerSight[] {
  return book.entries().map((entry) => {
    const { heardAt, roundTripMs = null } = contact(entry)
    const { nodeId, present: isPresent } = entry
    return {
      ...{ nodeId, endpoint: formatEndpoint(entry), isPresent, roundTripMs },
      heardAt: heardAt === undefined ? null : onCalendar(Math.min(heardAt, performance.now())),
    }
  })
}

/** A time of `performance.now()`, in milliseconds since 1970. */
const onCalendar = (at: number): number => Math.round(performance.timeOrigin + at)

const text = (offset: bigint | undefined): string | null => (offset === undefined ? null : `${offset}`)
