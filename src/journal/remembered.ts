/** What a later process can use of an earlier one's facts: which cluster it was, where its brokers were, who was in the group for it. */

import type { FactRecord, JournalRecord } from './journal.ts'

export interface Remembered {
  readonly clusterId: string | null
  /** Endpoints as `host:port` by node id, after the moves that were accepted, and where links were dialled anew. */
  readonly brokers: Readonly<Record<number, string>>
  /** Members that brokers named and that are not known to have left. */
  readonly members: readonly string[]
  /** Topics as they were when the consumer began to read them: id and number of partitions, none of one that came or was made again since. */
  readonly topics: Readonly<Record<string, { readonly topicId: string | null; readonly partitions: number }>>
}

export const nothingRemembered: Remembered = { clusterId: null, brokers: {}, members: [], topics: {} }

/** Folds one record. Pure. A snapshot record brings what was remembered before it. */
export function remember(known: Remembered, record: JournalRecord): Remembered {
  if (record.type === 'journal.snapshot') return { ...known, ...(record.data.remembered as Partial<Remembered>) }
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
    case 'member.named':
    case 'session.joined':
      return { ...known, members: [...known.members.filter((id) => id !== data.memberId), data.memberId] }
    case 'member.lost':
    case 'member.evicted':
      return { ...known, members: known.members.filter((id) => id !== data.memberId) }
    case 'topic.observed':
      return {
        ...known,
        topics: { ...known.topics, [data.topic]: { topicId: data.topicId, partitions: data.partitions } },
      }
    case 'topic.found':
      return data.recreated || !Object.hasOwn(known.topics, data.topic)
        ? { ...known, topics: { ...known.topics, [data.topic]: { topicId: null, partitions: 0 } } }
        : known
    case 'stop.completed':
      return data.forced ? known : { ...known, members: [] }
    default:
      return known
  }
}
