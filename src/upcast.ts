/** An upcast: a record of an older machine version, lifted to the one in force, so that old journals stay readable. */

import type { JournalRecord } from './journal.ts'

/** Lifts a record by one version; what it returns names that version. The chain is checked on the record as it was written. */
export type Upcast = (record: JournalRecord) => JournalRecord

/** By the machine version they lift from. Empty while there is only one. */
const upcasts: Readonly<Record<string, Upcast>> = {}

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
