/** The address book: node id → accepted endpoint. The one place that knows where a node is; it shows what the acceptance has accepted. */

import { type Acceptance, type AcceptanceStep, createAcceptance } from '../../machines/acceptance.ts'
import type { BookEntry } from '../../machines/book.ts'
import type { Claim } from '../../machines/claim.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import type { BrokerEntry, Snapshot } from '../../machines/snapshot.ts'
import { verdict } from '../../machines/verdict.ts'

/** What changed, by node id. */
export interface BookChange {
  readonly moved: readonly number[]
  readonly joined: readonly number[]
  readonly left: readonly number[]
}

export class AddressBook {
  private accepted: Acceptance
  private index = new Map<number, BookEntry>()
  private readonly listeners = new Set<(change: BookChange) => void>()

  constructor(accepted = createAcceptance()) {
    this.accepted = accepted
    this.reindex()
  }

  /** The id of the cluster these entries belong to; undefined until one is known. */
  get clusterId(): string | undefined {
    return this.accepted.clusterId
  }

  /** Moves that were reported and are not accepted yet. */
  get claims(): readonly Claim[] {
    return this.accepted.claims
  }

  /** Where other listeners than the one in use announce the nodes, as far as they are known. */
  others(): readonly BrokerEntry[] {
    return [...this.accepted.history.values()].flatMap(({ elsewhere }) => elsewhere)
  }

  /** Every node ever accepted, absent ones included. */
  entries(): readonly BookEntry[] {
    return this.accepted.entries
  }

  entryOf(nodeId: number): BookEntry | undefined {
    return this.index.get(nodeId)
  }

  /** Whether the newest snapshot names this node. */
  names(nodeId: number): boolean {
    return this.entryOf(nodeId)?.present === true
  }

  /** Why an answer can't be used: it comes from another cluster, or makes no sense. Undefined when it can. */
  flawIn(snapshot: Snapshot): Failure | undefined {
    const found = verdict({ clusterId: this.clusterId, entries: [] }, snapshot)
    const endpoint = formatEndpoint(snapshot.answeredBy)
    if (found.kind === 'foreign') {
      const message = `Cluster ${found.got} answers at ${endpoint}, not ${found.expected}: the address is used by another cluster now, or \`brokers\` names the wrong one.`
      return { kind: 'foreign-cluster', message, endpoint }
    }
    if (found.kind !== 'unknown') return undefined
    return { kind: 'unreachable', message: `${endpoint} gave no usable answer: ${found.why}.`, endpoint }
  }

  /** Calls `listener` after each change of the book. Returns a function that removes it. */
  onChange(listener: (change: BookChange) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Shows what was accepted. Only the cluster calls this. */
  update({ state, moves, joined, left }: AcceptanceStep): void {
    this.accepted = state
    this.reindex()
    if (moves.length + joined.length + left.length === 0) return
    const change = { moved: moves.map(({ nodeId }) => nodeId), joined, left }
    for (const listener of [...this.listeners]) listener(change)
  }

  private reindex(): void {
    this.index = new Map(this.accepted.entries.map((entry) => [entry.nodeId, entry]))
  }
}
