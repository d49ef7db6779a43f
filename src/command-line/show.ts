/** `relisten journal show`: a journal as a time line. One line per record: when, which, state, how long the one before lasted, fact, cause. */

import type { JournalRecord } from '../journal/journal.ts'
import { upcast } from '../journal/upcast.ts'
import { sentenceFor } from '../views/log.ts'
import { actors } from './fold.ts'

export const heading = row(['time (UTC)', 'record', 'state', 'after', 'fact', 'cause', 'what it says'])

/** Makes the function that turns each record, in order, into its line. */
export function timeLine(): (record: JournalRecord) => string {
  const enteredAt = new Map<string, number>()
  return (written) => {
    const record = upcast(written)
    const { seq, at, actor, type, from, to, cause } = record
    const isChange = from !== to && to !== null
    const since = enteredAt.get(actor)
    if (isChange) enteredAt.set(actor, at)
    return row([
      new Date(at).toISOString().replace('T', ' ').replace('Z', ''),
      String(seq),
      `${actor === actors.membership ? 'member ' : ''}${isChange && from !== null ? `${from} → ${to}` : (to ?? '')}`,
      isChange && from !== null && since !== undefined ? duration(at - since) : '',
      type,
      cause === null ? '' : `by ${cause}`,
      type === 'actor.started' ? `A life of the ${actor} begins` : sentenceFor(record),
    ])
  }
}

/** A time as a person says it: two units at most. Below zero where the clock went back. */
export function duration(ms: number): string {
  if (ms < 0) return `-${duration(-ms)}`
  if (ms < 1000) return `${ms} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

function row(cells: readonly string[]): string {
  const widths = [23, 7, 26, 9, 26, 8]
  return cells
    .map((cell, column) => (column === 1 ? cell.padStart(7) : cell.padEnd(widths[column] ?? 0)))
    .join('  ')
    .trimEnd()
}
