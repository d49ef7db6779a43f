/**
 * A claim: a move that somebody reported and that is not accepted yet, with those who said so.
 *
 * Metadata names the addresses of the listener that it was asked at. So an answer from an endpoint that is not in use speaks for another
 * listener of the same brokers, or for one that has taken the place of the one in use. Which of the two it is, the one in use tells.
 */

import { samePlace } from './book.ts'
import { type Endpoint, sameEndpoint } from './endpoint.ts'
import type { BrokerEntry, Snapshot } from './snapshot.ts'
import type { Relocation } from './verdict.ts'

/**
 * Who said it: another broker by its node id, or the node itself at the claimed endpoint (`self`) or elsewhere (`old`). `inUse`: it was
 * said at an endpoint in use. Only what is heard at the same endpoint takes it back.
 */
export interface Witness {
  readonly who: number | 'self' | 'old'
  readonly heardAt: Endpoint
  readonly at: number
  readonly inUse: boolean
}

export interface Claim extends Relocation {
  readonly witnesses: readonly Witness[]
  /** When it was first and last reported, by anybody. */
  readonly openedAt: number
  readonly at: number
  /** When it was last heard at an endpoint of a source that names none of those in use. */
  readonly endorsedAt: number | undefined
}

/** One answer, and what is known of who gave it. */
export interface Testimony {
  readonly snapshot: Snapshot
  /** The node that answered; undefined behind an address that names no node. */
  readonly speaker: number | undefined
  /** It came from an endpoint in use. */
  readonly inUse: boolean
  readonly endorsed: boolean
  /** The newest instant that counts. */
  readonly now: number
}

/** Witnesses and dead endpoints older than this say nothing any more, in milliseconds. */
export const claimWindowMs = 5_000

export const isRecent = (at: number, now: number): boolean => Math.abs(now - at) <= claimWindowMs

/** Whether the answer came from the place that this entry names. */
export const isReachedAt = (entry: BrokerEntry, { answeredBy }: Snapshot): boolean =>
  sameEndpoint(entry, answeredBy)
    ? entry.addresses.length === 0 || entry.addresses.includes(answeredBy.address)
    : entry.port === answeredBy.port && entry.addresses.includes(answeredBy.address)

/** Adds what this answer reports to the claims, and takes back what the same speaker reported before and no longer does. */
export function hear(claims: readonly Claim[], reported: readonly Relocation[], testimony: Testimony): Claim[] {
  const { snapshot, now } = testimony
  const named = new Set(snapshot.brokers.map(({ nodeId }) => nodeId))
  const pending = new Map(reported.map((relocation) => [relocation.nodeId, relocation]))
  const kept = claims.map((claim) => {
    if (!named.has(claim.nodeId)) return claim
    const who = whoFor(claim, testimony)
    const others = claim.witnesses.filter(
      (witness) =>
        witness.who !== who || witness.at > snapshot.at || !sameEndpoint(witness.heardAt, snapshot.answeredBy),
    )
    const report = pending.get(claim.nodeId)
    if (report === undefined || !samePlace(report.to, claim.to)) return { ...claim, witnesses: others }
    pending.delete(claim.nodeId)
    return {
      ...report,
      witnesses: [...others, ...witnessesOf(claim, testimony)].filter((witness) => isRecent(witness.at, now)),
      openedAt: claim.openedAt,
      at: Math.max(claim.at, snapshot.at),
      endorsedAt: testimony.endorsed ? snapshot.at : claim.endorsedAt,
    }
  })
  const opened = [...pending.values()].map((report) => ({
    ...report,
    witnesses: witnessesOf(report, testimony),
    openedAt: snapshot.at,
    at: snapshot.at,
    endorsedAt: testimony.endorsed ? snapshot.at : undefined,
  }))
  return newestPerNode([...kept, ...opened].filter(({ at }) => isRecent(at, now)))
}

/**
 * Whether this answer shows that the claim speaks of another listener: asked for after the claim was first reported, the listener in use
 * still names the place in force. Where that listener itself has made the claim, only the node can say that it is still there.
 */
export function isRefuted(claim: Claim, { snapshot, speaker, inUse, now }: Testimony): boolean {
  const listed = snapshot.brokers.find(({ nodeId }) => nodeId === claim.nodeId)
  if (claim.reason === 'resolved-anew') return false
  if (!inUse || snapshot.at < claim.openedAt || listed === undefined || !samePlace(listed, claim.from)) return false
  const against = claim.witnesses.filter((witness) => witness.inUse && isRecent(witness.at, now))
  if (speaker !== claim.nodeId || !isReachedAt(claim.from, snapshot)) return against.length === 0
  return against.every(({ who, at }) => who !== 'old' || at < snapshot.at)
}

function whoFor({ nodeId, to, reason }: Relocation, { snapshot, speaker }: Testimony): Witness['who'] | undefined {
  if (speaker !== nodeId) return speaker
  // A name that rotates may lead to another address by now than it did when this connection was made.
  const isNamed = reason !== 'resolved-anew' && sameEndpoint(to, snapshot.answeredBy)
  return isNamed || isReachedAt(to, snapshot) ? 'self' : 'old'
}

function witnessesOf(relocation: Relocation, testimony: Testimony): Witness[] {
  const who = whoFor(relocation, testimony)
  const { snapshot, inUse } = testimony
  const { host, port } = snapshot.answeredBy
  return who === undefined ? [] : [{ who, heardAt: { host, port }, at: snapshot.at, inUse }]
}

/** A node about which everybody says something else every time must not fill the memory. */
function newestPerNode(claims: readonly Claim[]): Claim[] {
  const counts = new Map<number, number>()
  const kept = claims.toReversed().filter(({ nodeId }) => {
    const count = (counts.get(nodeId) ?? 0) + 1
    counts.set(nodeId, count)
    return count <= maxClaims
  })
  return kept.reverse()
}

const maxClaims = 4
