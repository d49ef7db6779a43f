/** A fold of a journal for its command line: what the lifecycle, the status and the memory were after a record. */

import type { StateValue } from 'xstate'
import { lifecycleMachine, machineVersion } from '../../machines/lifecycle.ts'
import { replay } from '../../machines/replay.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { nothingRemembered, type Remembered, remember } from '../journal/recovery.ts'
import { upcast } from '../journal/upcast.ts'
import { emptyStatus, reduceStatus, type Status, viewStatus } from '../views/status.ts'

/** The state after a record. JSON throughout. */
export interface StateThen {
  readonly record: number
  readonly time: string
  readonly machine: { readonly value: StateValue; readonly status: string; readonly context: unknown }
  /** What `status()` said then; null when the start of that process is no longer in the journal. */
  readonly status: Status | null
  readonly remembered: Remembered
}

/** The lifecycle's actor, as the consumer names it. */
const actor = 'consumer'

/**
 * Replays the records. Throws with the number of the record where the machine leads elsewhere than the record says, or that a newer
 * version wrote.
 */
export function stateAfter(records: Iterable<JournalRecord>): StateThen {
  let newest: JournalRecord | undefined
  let hasStarted = false
  let status = emptyStatus
  let remembered = nothingRemembered
  function* watched(): Generator<JournalRecord> {
    for (const written of records) {
      const record = upcast(written)
      newest = record
      if (Number(record.machineVersion) > Number(machineVersion)) {
        throw new Error(
          `it was written by machine version ${record.machineVersion}, and this is version ${machineVersion}`,
        )
      }
      hasStarted ||= record.type === 'actor.started'
      status = reduceStatus(status, record)
      remembered = remember(remembered, record)
      // By the version that wrote it, a replay knows whose states these are.
      yield { ...record, machineVersion: written.machineVersion }
    }
  }
  try {
    const { value, status: machineStatus, context } = replay(lifecycleMachine, watched(), actor)
    if (!newest) throw new Error('Nothing to replay')
    const { seq, at } = newest
    return {
      ...{ record: seq, time: new Date(at).toISOString(), machine: { value, status: machineStatus, context } },
      ...{ status: hasStarted ? viewStatus(status, at) : null, remembered },
    }
  } catch (error) {
    throw new Error(`Replay ends at record ${newest?.seq ?? 0}: ${(error as Error).message}`, { cause: error })
  }
}
