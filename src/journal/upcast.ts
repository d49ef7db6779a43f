/** An upcast: a record of an older machine version, lifted to the one in force, so that old journals stay readable. */

import type { FactType } from '../../machines/fact.ts'
import type { JournalRecord } from './journal.ts'

/**
 * By the machine version they lift from; what they return names the next one. Facts only: where the machine itself would lead elsewhere by the same facts, a replay takes the
 * recorded state, see machines/replay.ts.
 */
const upcasts: Readonly<Record<string, (record: JournalRecord) => JournalRecord>> = {
  1: (record) => ({ ...record, data: { ...record.data, ...stalledIn(record) }, machineVersion: '2' }),
  2: (record) => ({ ...record, type: renamed.get(record.type) ?? record.type, machineVersion: '3' }),
}

/** Facts that had another name up to version 2, by that name. */
export const renamed: ReadonlyMap<string, FactType> = new Map<string, FactType>([
  ['wire.redialled', 'link.reconnected'],
  ['session.sealed', 'session.fenced'],
  ['offsets.pinned', 'offset.reset'],
  ['handout.fenced', 'batch.fenced'],
])

/** A stall of version 1 is one of a single partition; from 2 on it names all that have its cause. */
const stalledIn = ({ type, data }: JournalRecord): object =>
  type === 'partition.stalled' || type === 'partition.resumed'
    ? { partitions: { [String(data.topic)]: [data.partition] } }
    : {}

/**
 * The record as the newest version would have written it. One of a newer version than ours comes back as it is. The chain is checked on
 * the record as it was written.
 */
export function upcast(record: JournalRecord): JournalRecord {
  const step = upcasts[record.machineVersion]
  return step ? upcast(step(record)) : record
}
