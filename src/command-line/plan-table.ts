/** A plan as a table: what goes from where to where, why, what it wins and what it costs. */

import { formatBytes } from '../../machines/balancer/byte-count.ts'
import type { Decision } from '../../machines/balancer/decision.ts'
import { columns } from './columns.ts'

const heading = ['#', 'what', 'from', 'to', 'why', 'wins', 'costs']
const right: ReadonlySet<number> = new Set([0, 2, 3, 5, 6])

/** No line where there is no step. */
export function planTable({ steps }: Decision): string[] {
  const rows = steps.map(({ kind, topic, partition, from, to, why, wins, bytes }, index) => [
    ...[String(index + 1), `${kind === 'leader' ? 'leader of' : 'replica of'} ${topic}/${partition}`],
    ...[String(from), String(to), why, wins.toFixed(4), formatBytes(bytes)],
  ])
  return rows.length === 0 ? [] : columns([heading, ...rows], right)
}
