/**
 * The earlier life of a consumer, as its journal tells it: where the brokers were, and which members may still be in the
 * group. So a service whose bootstrap list went obsolete while it was down still finds its cluster.
 */

import type { Remembered as RememberedCluster } from '../../actors/cluster/cluster.ts'
import { type Endpoint, parseEndpoint } from '../../machines/endpoint.ts'
import type { Journal } from './journal.ts'
import { nothingRemembered, type Remembered, remember } from './remembered.ts'
import { upcast } from './upcast.ts'

export interface EarlierLife {
  readonly cluster: RememberedCluster | undefined
  /** Members that neither left nor were evicted. */
  readonly members: readonly string[]
  readonly topics: Remembered['topics']
}

/** Reads the journal once, before anything is recorded in this life. */
export function earlierLife(journal: Journal): EarlierLife {
  let known = nothingRemembered
  for (const record of journal.read(journal.snapshotSeq)) known = remember(known, upcast(record))
  const endpoints = new Map<number, Endpoint>()
  for (const [nodeId, text] of Object.entries(known.brokers)) {
    const endpoint = parseEndpoint(text)
    if (endpoint) endpoints.set(Number(nodeId), endpoint)
  }
  const { clusterId, members, topics } = known
  return { cluster: clusterId !== null && endpoints.size > 0 ? { clusterId, endpoints } : undefined, members, topics }
}
