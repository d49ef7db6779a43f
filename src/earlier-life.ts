/**
 * The earlier life of a consumer, as its journal tells it: where the brokers were, and which member may still be in the
 * group. So a service whose bootstrap list went obsolete while it was down still finds its cluster.
 */

import type { Remembered } from '../actors/cluster.ts'
import { type Endpoint, parseEndpoint } from '../machines/endpoint.ts'
import type { FactRecord, Journal } from './journal.ts'

export interface EarlierLife {
  readonly cluster: Remembered | undefined
  /** The member that neither left nor was evicted. */
  readonly memberId: string | undefined
}

/** Reads the journal once, before anything is recorded in this life. */
export function earlierLife(journal: Journal): EarlierLife {
  const endpoints = new Map<number, Endpoint>()
  let clusterId: string | undefined
  let memberId: string | undefined
  const place = (nodeId: number, text: string) => {
    const endpoint = parseEndpoint(text)
    if (endpoint) endpoints.set(nodeId, endpoint)
  }
  for (const { type, data } of journal.read() as Iterable<FactRecord>) {
    if (type === 'cluster.reached') {
      clusterId = data.clusterId
      endpoints.clear()
      for (const [nodeId, endpoint] of Object.entries(data.brokers)) place(Number(nodeId), endpoint)
    }
    if (type === 'cluster.moved') for (const { nodeId, to } of data.moves) place(nodeId, to)
    if (type === 'session.joined') memberId = data.memberId
    if ((type === 'member.evicted' || type === 'member.lost') && data.memberId === memberId) memberId = undefined
  }
  const cluster = clusterId !== undefined && endpoints.size > 0 ? { clusterId, endpoints } : undefined
  return { cluster, memberId }
}
