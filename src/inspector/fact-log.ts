/** A fact log: what one consumer or balancer has told, kept for those who look later. Its newest records, and what the older ones left behind. */

import type { AnyRecord, JournalRecord } from '../journal/journal.ts'
import { nothingRemembered, type Remembered, remember } from '../journal/recovery.ts'
import type { Watched, WatchedBalancer } from '../views/inspection.ts'

/** At least the newest of these are kept; at most twice as many. */
const kept = 5000

export class FactLog {
  readonly id: number
  readonly name: string
  /** The consumer or balancer; undefined where a journal is shown. */
  readonly watched: Watched | WatchedBalancer | undefined
  /** The state after a record of a journal, as JSON; undefined where that can't be asked. */
  readonly stateAt: ((seq: number) => unknown) | undefined
  /** False once it has ended. */
  isOpen = true
  /** How many records were dropped. */
  dropped = 0
  /** What the dropped ones said of the cluster. */
  remembered: Remembered = nothingRemembered
  /** How many records all viewers that have caught up were sent. */
  sent = 0
  private records: JournalRecord[] = []

  constructor(
    id: number,
    name: string,
    from: { readonly watched?: Watched | WatchedBalancer; readonly stateAt?: FactLog['stateAt'] },
  ) {
    this.id = id
    this.name = name
    this.watched = from.watched
    this.stateAt = from.stateAt
  }

  /** How many records there were in all. */
  get end(): number {
    return this.dropped + this.records.length
  }

  /** Takes a record in. Nothing is encoded or copied here: this happens with nobody looking. */
  push(record: AnyRecord | JournalRecord): void {
    this.records.push(record)
    if (this.watched && this.records.length >= 2 * kept) this.drop(kept)
  }

  /** The records from number `from` on, at most `most` of them. */
  slice(from: number, most: number): readonly JournalRecord[] {
    const start = Math.max(0, from - this.dropped)
    return this.records.slice(start, start + most)
  }

  private drop(count: number): void {
    for (const record of this.records.splice(0, count)) this.remembered = remember(this.remembered, record)
    this.dropped += count
  }
}
