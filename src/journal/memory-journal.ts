/** A journal in memory: bounded, gone with the process. The default, as embedding a consumer should need no disk. */

import {
  assertAppendable,
  type ChainEnd,
  chainStart,
  checkSize,
  type Journal,
  type JournalRecord,
  journalError,
} from './journal.ts'

/** How a memory journal is kept. */
export interface MemoryJournalOptions {
  /**
   * Maximum number of records kept; the oldest is dropped for a new one.
   * @defaultValue `10000`
   * @bounds 1 or more records
   */
  readonly capacity?: number | undefined
  /**
   * Where the chain of another journal ended that this one continues.
   * @defaultValue a new chain
   */
  readonly after?: ChainEnd
}

/** Opens a journal in memory. Throws `invalid-option` for a capacity below 1. */
export function memoryJournal({ capacity = 10_000, after = chainStart }: MemoryJournalOptions = {}): Journal {
  checkSize('capacity', capacity, 1, 'records')
  const kept: JournalRecord[] = []
  let end = after
  let oldest = 0
  let closed = false
  return {
    append(record, expectedSeq) {
      if (closed) throw journalError('the journal is closed.')
      assertAppendable(record, expectedSeq, end)
      // A ring: dropping from the front of a long array would move all the others.
      if (kept.length < capacity) kept.push(record)
      else {
        kept[oldest] = record
        oldest = (oldest + 1) % capacity
      }
      end = record
    },
    *read(from = 1) {
      for (const record of [...kept.slice(oldest), ...kept.slice(0, oldest)]) if (record.seq >= from) yield record
    },
    close() {
      closed = true
    },
  }
}
