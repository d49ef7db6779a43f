/** The rounds of a balancer as a journal has them, a line for each. */

import type { Decision } from '../../machines/balancer/decision.ts'
import type { FactRecord, JournalRecord } from '../journal/journal.ts'
import { columns } from './columns.ts'

const heading = ['round', 'time (UTC)', 'steps', 'imbalance', 'result']
const right: ReadonlySet<number> = new Set([0, 2])

export class BalanceHistory {
  private readonly rows: string[][] = []
  private open: string[] | undefined

  note(record: JournalRecord): void {
    const { type, data, at } = record as FactRecord
    if (type === 'round.begun') {
      this.open = [String(data.round), new Date(at).toISOString().slice(0, 19).replace('T', ' '), '', '', 'not closed']
      this.rows.push(this.open)
    }
    if (type === 'plan.proposed') this.decided(data.decision)
    if (type !== 'round.closed') return
    if (data.decision) this.decided(data.decision)
    const { stillness } = (data.decision ?? {}) as Partial<Decision>
    this.set(
      4,
      data.failure ? `${data.result}: ${data.failure.message}` : `${data.result}${stillness ? `: ${stillness}` : ''}`,
    )
  }

  lines(): string[] {
    return this.rows.length === 0 ? [] : columns([heading, ...this.rows], right)
  }

  private decided(decision: object): void {
    const { steps, total } = decision as Decision
    this.set(2, String(steps.length))
    this.set(3, `${total.before.toFixed(4)} → ${total.after.toFixed(4)}`)
  }

  /** The beginning of its round may no longer be in the journal. */
  private set(column: number, text: string): void {
    if (this.open) this.open[column] = text
  }
}
