/** The decisions of a balancer, as its records have them: the newest ones, by the number of their round. */

import type { Decision } from '../../machines/balancer/decision.ts'
import type { JournalRecord } from '../journal/journal.ts'

export class Decisions {
  private readonly known = new Map<number, Decision>()
  /** The newest round that has begun; 0 before the first. */
  newestRound = 0
  private readonly kept: number

  /** `kept`: how many; the journal has the others. */
  constructor(kept: number) {
    this.kept = kept
  }

  /** Takes in a record; one that is of another kind changes nothing. */
  note({ type, data }: JournalRecord): void {
    if (type === 'round.begun') this.newestRound = Math.max(this.newestRound, Number(data.round))
    if (type !== 'plan.proposed' && type !== 'round.closed') return
    const decision = data.decision as Decision | undefined
    if (decision === undefined) return
    this.known.set(decision.round, decision)
    const [oldest] = this.known.keys()
    if (this.known.size > this.kept && oldest !== undefined) this.known.delete(oldest)
  }

  /** From the oldest to the newest. */
  all(): readonly Decision[] {
    return [...this.known.values()]
  }

  /** The one of this round, or the newest; undefined where it is not kept. */
  of(round: number | undefined): Decision | undefined {
    return round === undefined ? this.all().at(-1) : this.known.get(round)
  }
}
