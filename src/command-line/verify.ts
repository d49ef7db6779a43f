/** `relisten journal verify`: the chain, the order and the replay of a journal, told in a few lines. */

import { stateName } from '../../machines/state-value.ts'
import type { JournalRecord } from '../journal/journal.ts'
import type { JournalScan } from '../journal/journal-scan.ts'
import { many } from '../views/log.ts'
import { isStart, stateAfter } from './fold.ts'
import { duration } from './show.ts'

/** What `verify` says, and whether all is well. */
export interface Verdict {
  readonly lines: readonly string[]
  readonly isGood: boolean
}

export function verify(scan: JournalScan): Verdict {
  const clock: string[] = []
  let before: JournalRecord | undefined
  let lives = 0
  function* watched(): Generator<JournalRecord> {
    for (const record of scan) {
      if (isStart(record)) lives += 1
      if (before && record.at < before.at) {
        clock.push(`clock    went back by ${duration(before.at - record.at)} at record ${record.seq}`)
      }
      before = record
      yield record
    }
  }
  const replayed = replayLine(watched())
  const isGood = scan.damage === undefined && replayed.isGood
  return { lines: [...storedLines(scan), ...replayed.lines(lives), ...clock], isGood }
}

function replayLine(all: Generator<JournalRecord>) {
  // A replay that breaks off must not close it: the rest of the chain is still to be seen.
  const open: Iterable<JournalRecord> = { [Symbol.iterator]: () => ({ next: () => all.next() }) }
  try {
    const then = stateAfter(open)
    const membership = then.actor === 'consumer' ? then.membership : null
    const member = membership === null ? '' : `, its membership in ${membership.value}`
    const lines = (lives: number) => [
      `replay   good, ${many(lives, 'start')}, ends in ${stateName(then.machine.value)}${member}`,
    ]
    return { lines, isGood: true }
  } catch (error) {
    for (const _ of all);
    return { lines: () => [`replay   BROKEN: ${(error as Error).message}`], isGood: false }
  }
}

function storedLines(scan: JournalScan): string[] {
  const { segments, records, oldest, newest, unfinishedBytes } = scan
  const span =
    oldest && newest
      ? `, ${oldest.seq} to ${newest.seq}, ${new Date(oldest.at).toISOString()} to ${new Date(newest.at).toISOString()}`
      : ''
  return [
    `records  ${records}${span}, in ${many(segments.length, 'file')}`,
    ...(unfinishedBytes > 0
      ? [`tail     ${unfinishedBytes} bytes of a line without an end: being written, or cut off at the next start`]
      : []),
    ...(scan.damage ? damageLines(scan) : ['chain    good']),
  ]
}

/** Where a journal is damaged and what is still good; nothing when it is not. */
export function damageLines({ damage, oldest, newest }: JournalScan): string[] {
  if (!damage) return []
  const { file, line, offset, reason, linesBehind, filesBehind } = damage
  return [
    `chain    BROKEN: ${file}, line ${line} (byte ${offset}): ${reason}`,
    oldest && newest ? `good     records ${oldest.seq} to ${newest.seq}` : 'good     nothing',
    `behind   ${many(linesBehind, 'line')} of that file and ${many(filesBehind, 'later file')}`,
  ]
}
