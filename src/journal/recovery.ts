/**
 * The recovery: what a life of a consumer takes from the journal of an earlier one: where the brokers were, which members may still be in
 * the group, how its topics were. So a service whose bootstrap list went obsolete while it was down still finds its cluster.
 */

import type { Remembered as RememberedCluster } from '../../actors/cluster/cluster.ts'
import { type Endpoint, parseEndpoint } from '../../machines/endpoint.ts'
import type { Fact } from '../../machines/fact.ts'
import type { LifecycleContext } from '../../machines/lifecycle.ts'
import { savedIn, snapshotType } from '../../machines/machine-snapshot.ts'
import { membersAfter } from '../../machines/members.ts'
import type { FactRecord, Journal, JournalRecord } from './journal.ts'
import { upcast } from './upcast.ts'

export interface Recovery {
  readonly cluster: RememberedCluster | undefined
  /** Members that neither left nor were evicted. */
  readonly members: readonly string[]
  readonly topics: Remembered['topics']
}

/** Reads the journal once, before anything is recorded in this life. */
export function recovery(journal: Journal): Recovery {
  let known = nothingRemembered
  let members: readonly string[] = []
  for (const record of journal.read(journal.snapshotSeq)) {
    known = remember(known, upcast(record))
    members = record.type === snapshotType ? membersIn(record) : membersAfter(members, factIn(record))
  }
  const endpoints = new Map<number, Endpoint>()
  for (const [nodeId, text] of Object.entries(known.brokers)) {
    const endpoint = parseEndpoint(text)
    if (endpoint) endpoints.set(Number(nodeId), endpoint)
  }
  const { clusterId, topics } = known
  return { cluster: clusterId !== null && endpoints.size > 0 ? { clusterId, endpoints } : undefined, members, topics }
}

const factIn = ({ type, data }: JournalRecord): Fact => ({ ...data, type }) as unknown as Fact

/** The members in a snapshot record: the lifecycle keeps them; before version 3 they were among what is remembered. */
function membersIn({ data }: JournalRecord): readonly string[] {
  const context = savedIn(data, undefined)?.saved.context as Partial<LifecycleContext> | undefined
  const { members = [] } = (data.remembered ?? {}) as { readonly members?: readonly string[] }
  return context?.members ?? members
}

/** What the facts tell of cluster and topics; snapshot records keep it. */
export interface Remembered {
  readonly clusterId: string | null
  /** Endpoints as `host:port` by node id, after the moves that were accepted, and where links were dialled anew. */
  readonly brokers: Readonly<Record<number, string>>
  /** Topics as they were when the consumer began to read them: id and number of partitions, none of one that came or was made again since. */
  readonly topics: Readonly<Record<string, { readonly topicId: string | null; readonly partitions: number }>>
}

export const nothingRemembered: Remembered = { clusterId: null, brokers: {}, topics: {} }

/** Folds one record. Pure. A snapshot record brings what was remembered before it. */
export function remember(known: Remembered, record: JournalRecord): Remembered {
  if (record.type === snapshotType) {
    const { clusterId, brokers, topics } = { ...known, ...(record.data.remembered as Partial<Remembered>) }
    return { clusterId, brokers, topics }
  }
  const { type, data } = record as FactRecord
  switch (type) {
    case 'cluster.reached':
      return { ...known, clusterId: data.clusterId, brokers: data.brokers }
    case 'cluster.moved': {
      const moved = Object.fromEntries(data.moves.map(({ nodeId, to }) => [nodeId, to]))
      return { ...known, brokers: { ...known.brokers, ...moved } }
    }
    // A link may be at a node's new place before the move is told, as moves are gathered: the node has shown there who it is.
    case 'link.reconnected':
      return { ...known, brokers: { ...known.brokers, [data.nodeId]: data.endpoint } }
    case 'topic.observed':
      return {
        ...known,
        topics: { ...known.topics, [data.topic]: { topicId: data.topicId, partitions: data.partitions } },
      }
    case 'topic.found':
      return data.recreated || !Object.hasOwn(known.topics, data.topic)
        ? { ...known, topics: { ...known.topics, [data.topic]: { topicId: null, partitions: 0 } } }
        : known
    default:
      return known
  }
}
