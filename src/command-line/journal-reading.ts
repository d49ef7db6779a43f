/** A journal that a command reads: its good records, and what it says of the others. */

import { failureFrom } from '../error.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { JournalScan } from '../journal/journal-scan.ts'
import type { Output } from './output.ts'
import { UsageError } from './usage-error.ts'
import { damageLines } from './verify.ts'

/** Tells each good record; then, if there is damage, where it is and what is good. */
export function eachRecord(path: string, output: Output, tell: (record: JournalRecord) => void): number {
  const scan = openedJournal(path)
  for (const record of scan) tell(record)
  if (scan.unfinishedBytes > 0) output.error(`The last line has no end: ${scan.unfinishedBytes} bytes are left out.`)
  const damage = damageLines(scan)
  for (const line of damage) output.error(line)
  return damage.length > 0 ? 1 : 0
}

/** The records at `path`. A path without a journal is wrong usage. */
export function openedJournal(path: string): JournalScan {
  try {
    return new JournalScan(path)
  } catch (error) {
    throw new UsageError(failureFrom(error, 'journal-failed').message)
  }
}
