/**
 * Acceptance: when a claimed move is believed. A pure reducer over snapshots, dead endpoints and what the source names.
 *
 * The book is the view in use: what one listener of the brokers announces. It is changed by that listener (two witnesses, of which one spoke
 * at an endpoint in use), by its end (the node itself answers elsewhere, and its endpoint in use is dead), or by the source (it names
 * none of the endpoints in use, and one that it names announces others). What another living listener announces is known, and no move. What
 * this stops is staleness and accident: two brokers that lie together are believed.
 */

import { type Book, type BookEntry, mergeEntries, samePlace } from './book.ts'
import { type Claim, hear, isReachedAt, isRecent, isRefuted, type Testimony, type Witness } from './claim.ts'
import { type DeadEndpoint, isDead, withDead, withoutLiving } from './dead-endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { sameEndpoint } from './endpoint.ts'
import type { BrokerEntry, Snapshot } from './snapshot.ts'
import { type Relocation, type Verdict, verdict } from './verdict.ts'

/** The book, and what is needed to judge the next snapshot. */
export interface Acceptance extends Book {
  readonly claims: readonly Claim[]
  readonly dead: readonly DeadEndpoint[]
  readonly history: ReadonlyMap<number, NodeHistory>
  readonly source: SourceNames
  /** When the newest snapshot so far was asked for. */
  readonly newestAt: number
}

export interface NodeHistory {
  /** Where the node was before, latest last. */
  readonly earlier: readonly BrokerEntry[]
  /** When it last answered at its accepted endpoint and named it as its own. */
  readonly confirmedAt: number | undefined
  /** Where other listeners place it, latest last, and when the one in use told that they are others. */
  readonly elsewhere: readonly (BrokerEntry & { readonly at: number })[]
}

/** What the source names, and which of it announced the view in use when it was last heard. */
export interface SourceNames {
  readonly endpoints: readonly Endpoint[]
  readonly announcing: readonly Endpoint[]
  /** When it last named an endpoint of the view in use. */
  readonly inUseAt: number
}

export type AcceptanceInput =
  | { readonly snapshot: Snapshot }
  | { readonly dead: DeadEndpoint }
  | { readonly source: { readonly endpoints: readonly Endpoint[]; readonly at: number } }

/** What one input changed: the moves accepted by it, and nodes that came or went. */
export interface AcceptanceStep {
  readonly state: Acceptance
  /** Undefined where the input was no snapshot. */
  readonly verdict: Verdict | undefined
  readonly moves: readonly Relocation[]
  readonly joined: readonly number[]
  readonly left: readonly number[]
}

/** The state before the first snapshot; with a cluster id or entries that are known from elsewhere (configuration, journal). */
export const createAcceptance = ({ clusterId, entries }: Partial<Book> = {}): Acceptance => ({
  clusterId,
  entries: entries ?? [],
  claims: [],
  dead: [],
  history: new Map(),
  source: { endpoints: [], announcing: [], inUseAt: Number.NEGATIVE_INFINITY },
  newestAt: 0,
})

/** Takes in one input. Foreign and unknown snapshots change nothing. */
export function accept(state: Acceptance, input: AcceptanceInput): AcceptanceStep {
  if ('snapshot' in input) return acceptSnapshot(state, input.snapshot)
  const { state: next, moves } = 'dead' in input ? acceptDead(state, input.dead) : acceptSource(state, input.source)
  return { state: next, verdict: undefined, moves, joined: [], left: [] }
}

function acceptDead(state: Acceptance, dead: DeadEndpoint): Settled {
  const now = Math.max(state.newestAt, dead.at)
  return settle({ ...state, dead: withDead(state.dead, dead, now) }, now)
}

/** The next answer of an endpoint that it names says what this means. */
function acceptSource(state: Acceptance, { endpoints, at }: { endpoints: readonly Endpoint[]; at: number }): Settled {
  const announcing = state.source.announcing.filter((endpoint) => isAmong(endpoints, endpoint))
  return { state: noteSource({ ...state, source: { ...state.source, endpoints, announcing } }, at), moves: [] }
}

/** Notes that the source names the view in use, where it does. */
function noteSource(state: Acceptance, at: number): Acceptance {
  const { source, entries } = state
  const isInUse = source.announcing.length > 0 || entries.some((entry) => isAmong(source.endpoints, entry))
  return isInUse ? { ...state, source: { ...source, inUseAt: at } } : state
}

function acceptSnapshot(state: Acceptance, snapshot: Snapshot): AcceptanceStep {
  const found = verdict(state, snapshot)
  if (found.kind === 'foreign' || found.kind === 'unknown') {
    return { state, verdict: found, moves: [], joined: [], left: [] }
  }
  // An answer never takes longer than the window; one that seems older means that the clock was set back.
  const isNewest = snapshot.at >= state.newestAt || !isRecent(snapshot.at, state.newestAt)
  const now = isNewest ? snapshot.at : state.newestAt
  const testimony: Testimony = {
    snapshot,
    speaker: speakerOf(state, snapshot),
    inUse: found.moves.length === 0 || state.entries.some((entry) => isReachedAt(entry, snapshot)),
    endorsed: isEndorsed(state, snapshot),
    now,
  }
  const living = { ...state, dead: withoutLiving(state.dead, snapshot) }
  const reported = found.moves.filter((move) => !isOfAnother(living, move, testimony))
  const claims = hear(state.claims, reported, testimony)
  const refuted = claims.filter((claim) => isRefuted(claim, testimony))
  const heard: Acceptance = {
    ...living,
    clusterId: snapshot.clusterId,
    claims: claims.filter((claim) => !refuted.includes(claim)),
    history: setAside(confirm(state, testimony), refuted, snapshot.at),
    source: announce(state.source, found.moves, snapshot),
    newestAt: now,
  }
  const { state: next, moves } = settle(heard, now)
  // Another listener may lack a node that is there.
  const counts = isNewest && (testimony.inUse || moves.length > 0)
  const { joined, left } = counts ? found : none
  const entries = mergeEntries(next.entries, snapshot, counts)
  const known = new Set(entries.map(({ nodeId }) => nodeId))
  const history = new Map([...next.history].filter(([nodeId]) => known.has(nodeId)))
  const merged = { ...next, entries, history }
  return { state: noteSource(merged, now), verdict: found, moves, joined, left }
}

const none = { joined: [], left: [] }

/** Whether the report is about a listener that is known, and the one in use is at work. Only the node can say otherwise where it is in force. */
function isOfAnother(state: Acceptance, { nodeId, from, to, reason }: Relocation, testimony: Testimony): boolean {
  const { speaker, inUse, endorsed, now } = testimony
  const { elsewhere, confirmedAt } = state.history.get(nodeId) ?? untold
  const known = elsewhere.find((place) => samePlace(place, to))
  const isOpen = state.claims.some((claim) => claim.nodeId === nodeId && samePlace(claim.to, to))
  if (known === undefined || isOpen || reason === 'resolved-anew') return false
  if (endorsed || hasEnded(state, { nodeId, from }, now)) return false
  if (!inUse) return true
  return speaker !== nodeId && confirmedAt !== undefined && confirmedAt > known.at && isRecent(confirmedAt, now)
}

/** Whether the source wants what this answer announces: it names who answered, and nothing in use that the answer does not announce too. */
function isEndorsed({ source, entries }: Acceptance, { brokers, answeredBy }: Snapshot): boolean {
  if (!isAmong(source.endpoints, answeredBy)) return false
  const isAnnounced = (entry: BookEntry) =>
    brokers.some((broker) => broker.nodeId === entry.nodeId && samePlace(broker, entry))
  return (
    source.announcing.every((endpoint) => sameEndpoint(endpoint, answeredBy)) &&
    entries.every((entry) => !isAmong(source.endpoints, entry) || isAnnounced(entry))
  )
}

function announce(source: SourceNames, moves: readonly Relocation[], { answeredBy }: Snapshot): SourceNames {
  const isSame = moves.length === 0
  if (!isAmong(source.endpoints, answeredBy) || isAmong(source.announcing, answeredBy) === isSame) return source
  const { host, port } = answeredBy
  const others = source.announcing.filter((endpoint) => !sameEndpoint(endpoint, answeredBy))
  return { ...source, announcing: isSame ? [...others, { host, port }] : others }
}

/** Notes claims as places of other listeners. */
function setAside(history: Acceptance['history'], claims: readonly Relocation[], at: number): Acceptance['history'] {
  if (claims.length === 0) return history
  const next = new Map(history)
  for (const { nodeId, to } of claims) {
    const known = next.get(nodeId) ?? untold
    const others = known.elsewhere.filter((place) => !samePlace(place, to))
    next.set(nodeId, { ...known, elsewhere: [...others, { ...to, at }].slice(-maxEarlier) })
  }
  return next
}

/** The node that answered: by its own listing, else by what is known of the dialled endpoint. Undefined behind an address that names no node. */
function speakerOf(state: Acceptance, { brokers, answeredBy }: Snapshot): number | undefined {
  // Put together only where the answer itself does not tell: each connection brings an answer, and each lists all brokers.
  const known = () => [
    ...state.claims.map(({ to }) => to),
    ...[...state.history.values()].flatMap(({ earlier, elsewhere }) => [...earlier, ...elsewhere]),
  ]
  for (const listed of [() => brokers, () => state.entries, known]) {
    const entries = listed()
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

function confirm(state: Acceptance, { snapshot, speaker }: Testimony): Acceptance['history'] {
  const entry = state.entries.find(({ nodeId }) => nodeId === speaker)
  const listed = snapshot.brokers.find(({ nodeId }) => nodeId === speaker)
  const isConfirmed =
    entry !== undefined && listed !== undefined && samePlace(entry, listed) && isReachedAt(entry, snapshot)
  if (!isConfirmed) return state.history
  const known = state.history.get(entry.nodeId) ?? untold
  const { confirmedAt } = known
  // A clock that was set back must not leave a confirmation in the future.
  const isLater = confirmedAt === undefined || snapshot.at > confirmedAt || !isRecent(snapshot.at, confirmedAt)
  return new Map(state.history).set(entry.nodeId, { ...known, confirmedAt: isLater ? snapshot.at : confirmedAt })
}

interface Settled {
  readonly state: Acceptance
  readonly moves: readonly Relocation[]
}

/** Accepts every claim that has enough behind it. */
function settle(state: Acceptance, now: number): Settled {
  const moves = new Map<number, Claim>()
  for (const claim of state.claims) if (isProven(state, claim, now)) moves.set(claim.nodeId, claim)
  if (moves.size === 0) return { state, moves: [] }
  const history = new Map(state.history)
  const entries = state.entries.map((entry) => {
    const claim = moves.get(entry.nodeId)
    if (claim === undefined) return entry
    const { earlier, elsewhere } = history.get(entry.nodeId) ?? untold
    const others = elsewhere.filter((place) => !samePlace(place, claim.to) && !samePlace(place, entry))
    const isLeft = claim.endorsedAt !== undefined && isRecent(claim.endorsedAt, now) && !isDead(state.dead, entry, now)
    history.set(entry.nodeId, {
      earlier: [...earlier.filter((place) => !samePlace(place, claim.to)), entry].slice(-maxEarlier),
      confirmedAt: claim.witnesses.find(({ who }) => who === 'self')?.at,
      // Left for the source's sake, it is another listener from now on.
      elsewhere: isLeft ? [...others, { ...entry, at: now }].slice(-maxEarlier) : others,
    })
    const before = Object.fromEntries(entry.addresses.map((address) => [address, now]))
    const seen = claim.reason === 'resolved-anew' ? { ...before, ...entry.seen } : undefined
    return { ...claim.to, present: entry.present, seen }
  })
  // Who was heard where it is now speaks for the view in use: what it said of others may be enough for them.
  const isHeard = ({ who, heardAt }: Witness) => {
    const claim = typeof who === 'number' ? moves.get(who) : undefined
    return claim !== undefined && sameEndpoint(claim.to, heardAt)
  }
  const claims = state.claims
    .filter(({ nodeId }) => !moves.has(nodeId))
    .map((claim) => ({
      ...claim,
      witnesses: claim.witnesses.map((witness) => (isHeard(witness) ? { ...witness, inUse: true } : witness)),
    }))
  const accepted = [...moves.values()].map(({ nodeId, from, to, reason }) => ({ nodeId, from, to, reason }))
  const next = settle({ ...state, entries, claims, history }, now)
  return { state: next.state, moves: [...accepted, ...next.moves] }
}

function isProven(state: Acceptance, claim: Claim, now: number): boolean {
  const witnesses = claim.witnesses.filter(({ at }) => isRecent(at, now))
  const self = witnesses.find(({ who }) => who === 'self')
  const { earlier, elsewhere, confirmedAt } = state.history.get(claim.nodeId) ?? untold
  const isOver = hasEnded(state, claim, now)
  const isOther = elsewhere.some((place) => samePlace(place, claim.to))
  const isReturn = earlier.some((place) => samePlace(place, claim.to))
  // A source that cannot decide between two living listeners does not move anything back.
  const isUndecided = isReturn && isOther && isRecent(state.source.inUseAt, now)
  const isWanted = claim.endorsedAt !== undefined && isRecent(claim.endorsedAt, now) && !isUndecided
  // Of a place of another listener only the node itself says that the one in use leads there now.
  const isSaid = witnesses.some(({ who, inUse }) => inUse && (typeof who !== 'number' || !isOther))
  const isBackedUp = new Set(witnesses.map(({ who }) => who)).size > 1 && (isWanted || isSaid)
  // Lagging brokers still name the endpoint before: only the node itself, later than it answered where it is now, takes us back there.
  if (isReturn && confirmedAt !== undefined)
    return self !== undefined && self.at >= confirmedAt && (isBackedUp || isOver || isWanted)
  // Who else names the host says nothing about where our own resolver finds it: the node has to answer there.
  if (claim.reason === 'resolved-anew') return self !== undefined
  return isBackedUp || (self !== undefined && (isOver || isWanted))
}

/** The endpoint in use is dead, or another node is known to be there. */
const hasEnded = (state: Acceptance, { nodeId, from }: Pick<Relocation, 'nodeId' | 'from'>, now: number): boolean =>
  isDead(state.dead, from, now) || state.entries.some((entry) => entry.nodeId !== nodeId && samePlace(entry, from))

const isAmong = (endpoints: readonly Endpoint[], wanted: Endpoint): boolean =>
  endpoints.some((endpoint) => sameEndpoint(endpoint, wanted))

const untold: NodeHistory = { earlier: [], confirmedAt: undefined, elsewhere: [] }

const maxEarlier = 8
