/** The status of brokers: where each is, and how it is reached. */

import type { Cluster } from '../../actors/cluster/cluster.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'

/** One broker. Times in milliseconds since 1970; null where something is not known. */
export interface BrokerStatus {
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

/** The brokers as they are now; none before the start. */
export function brokerStatuses(cluster: Pick<Cluster, 'book' | 'contact'> | undefined): BrokerStatus[] {
  const entries = cluster?.book.entries() ?? []
  return entries.map((entry) => {
    const { heardAt, roundTripMs = null } = cluster?.contact(entry) ?? {}
    const { nodeId, present: isPresent } = entry
    const silentMs = heardAt === undefined ? undefined : Math.max(0, performance.now() - heardAt)
    return {
      ...{ nodeId, endpoint: formatEndpoint(entry), isPresent, roundTripMs },
      heardAt: silentMs === undefined ? null : Math.round(Date.now() - silentMs),
    }
  })
}
