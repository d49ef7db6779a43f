/**
 * Acceptance: when a claimed move is believed. A pure reducer over snapshots and dead endpoints.
 *
 * A claim "node n is at e" is accepted when two witnesses say so within the window (n at e itself and n at its old endpoint are two), or when
 * n itself answers at e and its old endpoint is dead. What it stops is staleness and accident: two brokers that lie together are believed.
 */

import type { Endpoint } from './endpoint.ts'
import { sameEndpoint } from './endpoint.ts'
import type { BrokerEntry, Snapshot } from './snapshot.ts'
import type { Book, BookEntry, Relocation, Verdict } from './verdict.ts'
import { samePlace, verdict } from './verdict.ts'

/** Who said it: another broker by its node id, or the node itself at the claimed endpoint (`self`) or elsewhere (`old`). */
export interface Witness {
  readonly who: number | 'self' | 'old'
  readonly at: number
}

/** A move that somebody reported and that is not accepted yet. */
export interface Claim extends Relocation {
  readonly witnesses: readonly Witness[]
  /** When it was last reported, by anybody. */
  readonly at: number
}

/** An endpoint where a fresh dial was refused, reset or unanswered; with the address that was dialled, where it is known. */
export interface DeadEndpoint {
  readonly endpoint: Endpoint
  readonly address?: string
  readonly at: number
}

/** The book, and what is needed to judge the next snapshot. */
export interface Acceptance extends Book {
  readonly claims: readonly Claim[]
  readonly dead: readonly DeadEndpoint[]
  readonly history: ReadonlyMap<number, NodeHistory>
  /** When the newest snapshot so far was asked for. */
  readonly newestAt: number
}

/** Where a node was before, latest last, and when it last answered at its accepted endpoint and named it as its own. */
export interface NodeHistory {
  readonly earlier: readonly BrokerEntry[]
  readonly confirmedAt: number | undefined
}

export type AcceptanceInput = { readonly snapshot: Snapshot } | { readonly dead: DeadEndpoint }

/** What one input changed: the moves accepted by it, and nodes that came or went. */
export interface AcceptanceStep {
  readonly state: Acceptance
  /** Undefined for a dead endpoint: no snapshot, no verdict. */
  readonly verdict: Verdict | undefined
  readonly moves: readonly Relocation[]
  readonly joined: readonly number[]
  readonly left: readonly number[]
}

/** Witnesses and dead endpoints older than this say nothing any more, in milliseconds. */
export const claimWindowMs = 5_000

/** The state before the first snapshot; with a cluster id or entries that are known from elsewhere (configuration, journal). */
export const createAcceptance = ({ clusterId, entries }: Partial<Book> = {}): Acceptance => ({
  clusterId,
  entries: entries ?? [],
  claims: [],
  dead: [],
  history: new Map(),
  newestAt: 0,
})

/** Takes in one snapshot or one dead endpoint. Foreign and unknown snapshots change nothing. */
export const accept = (state: Acceptance, input: AcceptanceInput): AcceptanceStep =>
  'dead' in input ? acceptDead(state, input.dead) : acceptSnapshot(state, input.snapshot)

function acceptDead(state: Acceptance, dead: DeadEndpoint): AcceptanceStep {
  const now = Math.max(state.newestAt, dead.at)
  const others = state.dead.filter((known) => isRecent(known.at, now) && !sameDeath(known, dead))
  const { state: next, moves } = settle({ ...state, dead: [...others, dead].slice(-maxDead) }, now)
  return { state: next, verdict: undefined, moves, joined: [], left: [] }
}

function acceptSnapshot(state: Acceptance, snapshot: Snapshot): AcceptanceStep {
  const found = verdict(state, snapshot)
  if (found.kind === 'foreign' || found.kind === 'unknown') {
    return { state, verdict: found, moves: [], joined: [], left: [] }
  }
  // An answer never takes longer than the window; one that seems older means that the clock was set back.
  const isNewest = snapshot.at >= state.newestAt || !isRecent(snapshot.at, state.newestAt)
  const now = isNewest ? snapshot.at : state.newestAt
  const speaker = speakerOf(state, snapshot)
  const isAlive = (dead: DeadEndpoint): boolean =>
    sameEndpoint(dead.endpoint, snapshot.answeredBy) &&
    (dead.address ?? snapshot.answeredBy.address) === snapshot.answeredBy.address &&
    dead.at <= snapshot.at
  const heard: Acceptance = {
    clusterId: snapshot.clusterId,
    entries: mergeEntries(state, snapshot, isNewest),
    claims: hear(state.claims, found.moves, snapshot, speaker, now),
    dead: state.dead.filter((dead) => !isAlive(dead)),
    history: confirm(state, snapshot, speaker),
    newestAt: now,
  }
  const { state: next, moves } = settle(heard, now)
  return { state: next, verdict: found, moves, joined: isNewest ? found.joined : [], left: isNewest ? found.left : [] }
}

/** The node that answered: by its own listing, else by what is known of the dialled endpoint. Undefined behind an address that names no node. */
function speakerOf(state: Acceptance, { brokers, answeredBy }: Snapshot): number | undefined {
  const known = [...state.claims.map(({ to }) => to), ...[...state.history.values()].flatMap(({ earlier }) => earlier)]
  for (const entries of [brokers, state.entries, known]) {
    const exact = entries.find((entry) => sameEndpoint(entry, answeredBy))
    if (exact !== undefined) return exact.nodeId
    const reached = entries.filter(({ port, addresses }) => {
      return port === answeredBy.port && addresses.includes(answeredBy.address)
    })
    // One address may serve many brokers behind a proxy: then it tells nothing.
    if (new Set(reached.map(({ nodeId }) => nodeId)).size === 1) return reached[0]?.nodeId
  }
  return undefined
}

/** Whether the answer came from the place that this entry names. */
const isReachedAt = (entry: BrokerEntry, { answeredBy }: Snapshot): boolean =>
  sameEndpoint(entry, answeredBy)
    ? entry.addresses.length === 0 || entry.addresses.includes(answeredBy.address)
    : entry.port === answeredBy.port && entry.addresses.includes(answeredBy.address)

function mergeEntries(state: Acceptance, snapshot: Snapshot, isNewest: boolean): BookEntry[] {
  const named = new Map(snapshot.brokers.map((broker) => [broker.nodeId, broker]))
  const known = new Set(state.entries.map(({ nodeId }) => nodeId))
  const kept = state.entries.map((entry) => {
    const broker = named.get(entry.nodeId)
    const fresh = isNewest && broker !== undefined && broker.addresses.length > 0 && samePlace(entry, broker)
    const addresses = fresh ? broker.addresses : entry.addresses
    return { ...entry, addresses, present: isNewest ? broker !== undefined : entry.present }
  })
  const added = isNewest ? snapshot.brokers.filter(({ nodeId }) => !known.has(nodeId)) : []
  return [...kept, ...added.map((broker) => ({ ...broker, present: true }))]
}

/** Adds what this answer reports to the claims, and takes back what the same speaker reported before and no longer does. */
function hear(
  claims: readonly Claim[],
  reported: readonly Relocation[],
  snapshot: Snapshot,
  speaker: number | undefined,
  now: number,
): Claim[] {
  const named = new Set(snapshot.brokers.map(({ nodeId }) => nodeId))
  const pending = new Map(reported.map((relocation) => [relocation.nodeId, relocation]))
  const whoFor = ({ nodeId, to }: Relocation): Witness['who'] | undefined =>
    speaker !== nodeId ? speaker : isReachedAt(to, snapshot) ? 'self' : 'old'
  const testimony = (relocation: Relocation): Witness[] => {
    const who = whoFor(relocation)
    return who === undefined ? [] : [{ who, at: snapshot.at }]
  }
  const kept = claims.map((claim) => {
    if (!named.has(claim.nodeId)) return claim
    const who = whoFor(claim)
    const others = claim.witnesses.filter((witness) => witness.who !== who || witness.at > snapshot.at)
    const report = pending.get(claim.nodeId)
    if (report === undefined || !samePlace(report.to, claim.to)) return { ...claim, witnesses: others }
    pending.delete(claim.nodeId)
    return { ...report, witnesses: [...others, ...testimony(claim)], at: Math.max(claim.at, snapshot.at) }
  })
  const opened = [...pending.values()].map((report) => ({
    ...report,
    witnesses: testimony(report),
    at: snapshot.at,
  }))
  return newestPerNode([...kept, ...opened].filter(({ at }) => isRecent(at, now)))
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

function confirm(state: Acceptance, snapshot: Snapshot, speaker: number | undefined): Acceptance['history'] {
  const entry = state.entries.find(({ nodeId }) => nodeId === speaker)
  const listed = snapshot.brokers.find(({ nodeId }) => nodeId === speaker)
  const isConfirmed =
    entry !== undefined && listed !== undefined && samePlace(entry, listed) && isReachedAt(entry, snapshot)
  if (!isConfirmed) return state.history
  const { earlier, confirmedAt } = state.history.get(entry.nodeId) ?? untold
  // A clock that was set back must not leave a confirmation in the future.
  const isLater = confirmedAt === undefined || snapshot.at > confirmedAt || !isRecent(snapshot.at, confirmedAt)
  return new Map(state.history).set(entry.nodeId, { earlier, confirmedAt: isLater ? snapshot.at : confirmedAt })
}

/** Accepts every claim that has enough behind it. */
function settle(state: Acceptance, now: number): { state: Acceptance; moves: Relocation[] } {
  const moves = new Map<number, Claim>()
  for (const claim of state.claims) if (isProven(state, claim, now)) moves.set(claim.nodeId, claim)
  if (moves.size === 0) return { state, moves: [] }
  const history = new Map(state.history)
  const entries = state.entries.map((entry) => {
    const claim = moves.get(entry.nodeId)
    if (claim === undefined) return entry
    const earlier = (history.get(entry.nodeId)?.earlier ?? []).filter((place) => !samePlace(place, claim.to))
    history.set(entry.nodeId, {
      earlier: [...earlier, entry].slice(-maxEarlier),
      confirmedAt: claim.witnesses.find(({ who }) => who === 'self')?.at,
    })
    return { ...claim.to, present: entry.present }
  })
  const claims = state.claims.filter(({ nodeId }) => !moves.has(nodeId))
  const accepted = [...moves.values()].map(({ nodeId, from, to, reason }) => ({ nodeId, from, to, reason }))
  return { state: { ...state, entries, claims, history }, moves: accepted }
}

function isProven(state: Acceptance, claim: Claim, now: number): boolean {
  const witnesses = claim.witnesses.filter(({ at }) => isRecent(at, now))
  const self = witnesses.find(({ who }) => who === 'self')
  const { earlier, confirmedAt } = state.history.get(claim.nodeId) ?? untold
  const isBackedUp = witnesses.length > 1 || isDead(state, claim.from, now)
  const isReturn = earlier.some((place) => samePlace(place, claim.to))
  // Lagging brokers still name the endpoint before: only the node itself, later than it answered where it is now, takes us back there.
  if (isReturn && confirmedAt !== undefined) return self !== undefined && self.at >= confirmedAt && isBackedUp
  // Who else names the host says nothing about where our own resolver finds it: the node has to answer there.
  if (claim.reason === 'resolved-anew') return self !== undefined
  return witnesses.length > 1 || (self !== undefined && isBackedUp)
}

const isDead = (state: Acceptance, entry: BrokerEntry, now: number): boolean =>
  state.dead.some(({ endpoint, address, at }) => {
    const isReached = address === undefined || entry.addresses.length === 0 || entry.addresses.includes(address)
    return isRecent(at, now) && sameEndpoint(endpoint, entry) && isReached
  })

const sameDeath = (one: DeadEndpoint, other: DeadEndpoint): boolean =>
  sameEndpoint(one.endpoint, other.endpoint) && one.address === other.address

const isRecent = (at: number, now: number): boolean => Math.abs(now - at) <= claimWindowMs

const untold: NodeHistory = { earlier: [], confirmedAt: undefined }

const maxClaims = 4

const maxEarlier = 8

const maxDead = 256
