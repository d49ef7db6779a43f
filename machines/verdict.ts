/** A verdict: what one snapshot means against what was accepted before. A pure function; it accepts nothing by itself. */

import { type Book, type BookEntry, samePlace, wasSeen } from './book.ts'
import { sameEndpoint } from './endpoint.ts'
import type { BrokerEntry, Snapshot } from './snapshot.ts'

/** One node that a snapshot shows elsewhere. `resolved-anew`: the same host and port, but none of the addresses it had. */
export interface Relocation {
  readonly nodeId: number
  readonly from: BrokerEntry
  readonly to: BrokerEntry
  readonly reason: 'moved' | 'resolved-anew'
}

/**
 * What a snapshot means:
 * - `same` nothing changed · `membership` nodes came or went · `moved` known nodes are shown elsewhere (nodes may have come or gone as well)
 * - `foreign` another cluster answered · `unknown` the answer says nothing that can be used; it is never read as a change
 */
export type Verdict =
  | {
      readonly kind: 'same' | 'membership' | 'moved'
      readonly moves: readonly Relocation[]
      readonly joined: readonly number[]
      readonly left: readonly number[]
    }
  | { readonly kind: 'foreign'; readonly expected: string; readonly got: string }
  | { readonly kind: 'unknown'; readonly why: string }

/** More brokers than this in one answer are taken for nonsense. */
export const maxBrokers = 10_000

/**
 * Judges a snapshot against the book; to an empty one every broker has joined.
 * Fewer brokers are never a move: a restarting broker vanishes from the answers for a while.
 */
export function verdict({ clusterId: expected, entries }: Book, snapshot: Snapshot): Verdict {
  const why = nonsenseIn(snapshot)
  if (why !== undefined) return { kind: 'unknown', why }
  if (expected !== undefined && expected !== snapshot.clusterId) {
    return { kind: 'foreign', expected, got: snapshot.clusterId }
  }
  const accepted = new Map(entries.map((entry) => [entry.nodeId, entry]))
  const named = new Set(snapshot.brokers.map(({ nodeId }) => nodeId))
  const moves = snapshot.brokers.flatMap((to) => {
    const from = accepted.get(to.nodeId)
    return from === undefined || samePlace(from, to) || wasSeen(from, to) ? [] : [relocation(from, to)]
  })
  const joined = [...named].filter((nodeId) => accepted.get(nodeId)?.present !== true)
  const left = [...accepted.values()].filter(({ nodeId, present }) => present && !named.has(nodeId))
  const kind = moves.length > 0 ? 'moved' : joined.length + left.length > 0 ? 'membership' : 'same'
  return { kind, moves, joined, left: left.map(({ nodeId }) => nodeId) }
}

function nonsenseIn({ clusterId, brokers }: Snapshot): string | undefined {
  // Null in the protocol.
  if (!clusterId) return 'the answer has no cluster id'
  if (brokers.length === 0) return 'the answer names no broker'
  if (brokers.length > maxBrokers) return `the answer names ${brokers.length} brokers, more than ${maxBrokers}`
  if (new Set(brokers.map(({ nodeId }) => nodeId)).size < brokers.length) return 'the answer names a node id twice'
  const bad = brokers.find(({ nodeId, host, port }) => !isNodeId(nodeId) || host === '' || !isPort(port))
  return bad && `the answer places node ${bad.nodeId} at "${bad.host}" port ${bad.port}`
}

const isNodeId = (value: number): boolean => Number.isInteger(value) && value >= 0

const isPort = (value: number): boolean => Number.isInteger(value) && value > 0 && value < 65536

const relocation = (from: BookEntry, to: BrokerEntry): Relocation => ({
  nodeId: to.nodeId,
  from,
  to,
  reason: sameEndpoint(from, to) ? 'resolved-anew' : 'moved',
})
