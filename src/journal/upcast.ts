/** An upcast: a record of an older machine version, lifted to the one in force, so that old journals stay readable. */

import type { FactType } from '../../machines/fact.ts'
import type { JournalRecord } from './journal.ts'

/** Lifts a record by one version; what it returns names that version. The chain is checked on the record as it was written. */
export type Upcast = (record: JournalRecord) => JournalRecord

/**
 * By the machine version they lift from. Facts only: where the machine itself would lead elsewhere by the same facts, a replay takes the
 * recorded state, see machines/replay.ts.
 */
const upcasts: Readonly<Record<string, Upcast>> = {
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

/** The record as the newest version would have written it. One of a newer version than ours comes back as it is. */
export function upcast(record: JournalRecord, steps: Readonly<Record<string, Upcast>> = upcasts): JournalRecord {
  const seen = new Set<string>()
  let lifted = record
  for (let step = steps[lifted.machineVersion]; step; step = steps[lifted.machineVersion]) {
    if (seen.has(lifted.machineVersion))
      throw new Error(`The upcasts of version ${lifted.machineVersion} go in a circle`)
    seen.add(lifted.machineVersion)
    lifted = step(lifted)
  }
  return lifted
}
