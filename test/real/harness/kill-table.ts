/** The table of a kill matrix: a row for each kill and what became of it. */
import Table from 'cli-table3'
import type { KillStep } from './life.ts'

/** Where a kill happens. */
export interface MatrixStep extends KillStep {
  readonly during: 'start' | 'move' | 'unproven move' | 'replacement' | 'stop'
}

export interface KillRow {
  readonly step: MatrixStep
  /** Milliseconds from the next start to the first message, and until all partitions had one. */
  readonly backMs: number
  readonly allBackMs: number
  /** Messages handled and not committed at the kill, and how many messages were handled again. */
  readonly uncommitted: number
  readonly again: number
  /** Members that the kill left in the group. */
  readonly left: number
  readonly violations: readonly string[]
}

export const nameOf = ({ during, type, nth = 1 }: MatrixStep): string =>
  `${during}, ${type}${nth > 1 ? ` (${nth})` : ''}`

export function printKills(rows: readonly KillRow[]): void {
  const head = ['killed in', 'at', 'back after', 'all after', 'uncommitted', 'again', 'members left', '']
  const table = new Table({ head, style: { head: [], border: [] } })
  for (const { step, backMs, allBackMs, uncommitted, again, left, violations } of rows) {
    const [during = '', at = ''] = nameOf(step).split(', ')
    const verdict = violations.length === 0 ? 'ok' : 'FAILED'
    table.push([during, at, `${backMs} ms`, `${allBackMs} ms`, uncommitted, again, left, verdict])
  }
  console.log(table.toString())
}
