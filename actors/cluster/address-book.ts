/** The address book: node id → accepted endpoint. The one place that knows where a node is; only the acceptance changes it. */

import type { Acceptance, AcceptanceInput, AcceptanceStep } from '../../machines/acceptance.ts'
import { accept, createAcceptance } from '../../machines/acceptance.ts'
import type { BookEntry } from '../../machines/book.ts'
import type { Claim } from '../../machines/claim.ts'
import type { BrokerEntry } from '../../machines/snapshot.ts'

/** What changed, by node id. */
export interface BookChange {
  readonly moved: readonly number[]
  readonly joined: readonly number[]
  readonly left: readonly number[]
}

export class AddressBook {
  private state: Acceptance
  private index = new Map<number, BookEntry>()
  private readonly listeners = new Set<(change: BookChange) => void>()

  /** `clusterId` is the one expected; without it the first answer decides. */
  constructor(clusterId?: string) {
    this.state = createAcceptance({ clusterId })
  }

  /** The id of the cluster these entries belong to; undefined until one is known. */
  get clusterId(): string | undefined {
    return this.state.clusterId
  }

  /** Moves that were reported and are not accepted yet. */
  get claims(): readonly Claim[] {
    return this.state.claims
  }

  /** Where other listeners than the one in use place the nodes, as far as they are known. */
  others(): readonly BrokerEntry[] {
    return [...this.state.history.values()].flatMap(({ elsewhere }) => elsewhere)
  }

  /** Every node ever accepted, absent ones included. */
  entries(): readonly BookEntry[] {
    return this.state.entries
  }

  entryOf(nodeId: number): BookEntry | undefined {
    return this.index.get(nodeId)
  }

  /** Whether the newest snapshot names this node. */
  names(nodeId: number): boolean {
    return this.entryOf(nodeId)?.present === true
  }

  /** Calls `listener` after each change of the book. Returns what takes the listener away again. */
  onChange(listener: (change: BookChange) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Puts in what a journal remembers. Does nothing and returns false once a snapshot was accepted or another cluster is expected. */
  restore(entries: readonly BrokerEntry[], clusterId: string): boolean {
    const { newestAt, clusterId: expected } = this.state
    if (newestAt > 0 || (expected !== undefined && expected !== clusterId)) return false
    this.state = createAcceptance({ clusterId, entries: entries.map((entry) => ({ ...entry, present: true })) })
    this.reindex()
    this.announce({ moved: [], joined: entries.map(({ nodeId }) => nodeId), left: [] })
    return true
  }

  /** Takes in a snapshot, a dead endpoint or what the source names. Only the cluster calls this. */
  take(input: AcceptanceInput): AcceptanceStep {
    const step = accept(this.state, input)
    this.state = step.state
    this.reindex()
    const { moves, joined, left } = step
    if (moves.length + joined.length + left.length > 0) {
      this.announce({ moved: moves.map(({ nodeId }) => nodeId), joined, left })
    }
    return step
  }

  private reindex(): void {
    this.index = new Map(this.state.entries.map((entry) => [entry.nodeId, entry]))
  }

  private announce(change: BookChange): void {
    for (const listener of [...this.listeners]) listener(change)
  }
}
