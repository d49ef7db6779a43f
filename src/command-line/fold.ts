/** A fold of a journal for its command line: what the lifecycle, the status and the memory were after a record. */

import type { StateValue } from 'xstate'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { machineVersion } from '../../machines/machine-version.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { foldOf } from '../../machines/replay.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { nothingRemembered, type Remembered, remember } from '../journal/recovery.ts'
import { upcast } from '../journal/upcast.ts'
import { emptyStatus, reduceStatus, type Status, viewStatus } from '../views/status.ts'

/** The state after a record. JSON throughout. */
export interface StateThen {
  readonly record: number
  readonly time: string
  readonly machine: MachineThen
  /** The membership of the newest session; null before the first. */
  readonly membership: MachineThen | null
  /** What `status()` said then; null when the start of that process is no longer in the journal. */
  readonly status: Status | null
  readonly remembered: Remembered
}

interface MachineThen {
  readonly value: StateValue
  readonly status: string
  readonly context: unknown
}

/** The actors of a journal, by the names that records give them. */
export const actors = { consumer: 'consumer', membership: 'membership' } as const

/**
 * Replays the records. Throws with the number of the record where the machine leads elsewhere than the record says, or that a newer
 * version wrote.
 */
export function stateAfter(records: Iterable<JournalRecord>): StateThen {
  const consumer = foldOf(lifecycleMachine, actors.consumer)
  const membership = foldOf(membershipMachine, actors.membership)
  let newest: JournalRecord | undefined
  let hasStarted = false
  let status = emptyStatus
  let remembered = nothingRemembered
  try {
    for (const written of records) {
      const record = upcast(written)
      newest = record
      if (Number(record.machineVersion) > Number(machineVersion)) {
        throw new Error(
          `it was written by machine version ${record.machineVersion}, and this is version ${machineVersion}`,
        )
      }
      hasStarted ||= isStart(record)
      status = reduceStatus(status, record)
      remembered = remember(remembered, record)
      // By the version that wrote it, a replay knows whose states these are.
      const { machineVersion: version } = written
      for (const fold of [consumer, membership]) fold.take({ ...record, machineVersion: version })
    }
    if (!newest || !consumer.snapshot) throw new Error('Nothing to replay: no step of the consumer')
    const { seq, at } = newest
    return {
      ...{ record: seq, time: new Date(at).toISOString(), machine: then(consumer.snapshot) },
      membership: membership.snapshot ? then(membership.snapshot) : null,
      ...{ status: hasStarted ? viewStatus(status, at) : null, remembered },
    }
  } catch (error) {
    throw new Error(`Replay ends at record ${newest?.seq ?? 0}: ${(error as Error).message}`, { cause: error })
  }
}

/** Whether a life of the consumer begins here. */
export const isStart = ({ actor, type }: JournalRecord): boolean =>
  type === 'actor.started' && actor === actors.consumer

const then = ({ value, status, context }: MachineThen): MachineThen => ({ value, status, context })
