/**
 * What a process knows of a cluster, and how each observation changes it. `learn` is a pure reducer: times come with the observations,
 * and so does the passing of time. Whether a reported move is believed is decided by the acceptance alone.
 */

import { type Acceptance, type AcceptanceInput, type AcceptanceStep, accept } from '../../machines/acceptance.ts'
import { claimWindowMs } from '../../machines/claim.ts'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import type { Relocation } from '../../machines/verdict.ts'
import { isAbsence, isRefusal } from '../connection/dial-failure.ts'
import type { SourceReading } from './source.ts'

/** Something that was observed of the cluster, by the poller, a link, the source or a clock. */
export type Observation =
  /** A broker answered, whoever asked it. */
  | { readonly type: 'answered'; readonly snapshot: Snapshot }
  /** The newest answer once more: a name in it resolves to other addresses now. */
  | { readonly type: 'resolved-anew'; readonly snapshot: Snapshot }
  /** A round of polls that began at `since` (on the clock of `performance.now()`) got no answer. */
  | { readonly type: 'unanswered'; readonly failure: Failure; readonly since: number }
  /** A fresh dial of the poller failed, so many times in a row. */
  | {
      readonly type: 'dial-failed'
      readonly endpoint: Endpoint
      readonly failure: Failure
      readonly times: number
      readonly at: number
    }
  /** A connection of the poller ended by itself. */
  | { readonly type: 'connection-lost' }
  /** Nobody answers at this endpoint any more. */
  | { readonly type: 'died'; readonly endpoint: Endpoint; readonly at: number }
  /** A node was turned down by name where it should be: for its identity, its login or its version. */
  | { readonly type: 'refused'; readonly nodeId: number; readonly endpoint: Endpoint; readonly failure: Failure }
  /** A node was reached, with its identity proven. */
  | { readonly type: 'healed'; readonly nodeId: number }
  /** The source was asked, or announced a list. */
  | { readonly type: 'listed'; readonly reading: SourceReading; readonly at: number }
  /** The silence has lasted this long, in milliseconds. */
  | { readonly type: 'silence-lasted'; readonly forMs: number }
  /** Moves have been gathered for long enough. */
  | { readonly type: 'moves-gathered' }

export interface Silence {
  readonly since: number
  /** Why, by the newest round. */
  readonly failure: Failure
  /** What was told last, how often something was, and when; undefined: nothing was. */
  readonly told: { readonly failure: Failure; readonly times: number; readonly at: number } | undefined
}

export interface Knowledge {
  /** Where the nodes are, and what is needed to judge the next answer. */
  readonly acceptance: Acceptance
  /** The newest answer of our cluster. */
  readonly newest: Snapshot | undefined
  /** Since when nobody answers, and why; undefined while somebody does. */
  readonly silence: Silence | undefined
  /** Endpoints where another cluster answers. */
  readonly foreign: ReadonlySet<string>
  /** Nodes that were turned down by name, and where. */
  readonly refusals: ReadonlyMap<number, { readonly endpoint: string; readonly failure: Failure }>
  /** Accepted moves that wait for others, so that one change is one fact where it can be. */
  readonly gathered: readonly Relocation[]
  readonly sourceFailure: Failure | undefined
}

/** What one observation changed. */
export interface Step {
  readonly observation: Observation | undefined
  readonly before: Knowledge
  readonly after: Knowledge
  /** What the acceptance made of it; undefined where it had nothing to judge. */
  readonly accepted: AcceptanceStep | undefined
  /** Moves that are told now: together, what was gathered together. */
  readonly told: readonly (readonly Relocation[])[]
}

/** The step before the first observation. */
export function beginning(acceptance: Acceptance): Step {
  const knowledge: Knowledge = {
    acceptance,
    newest: undefined,
    silence: undefined,
    foreign: new Set(),
    refusals: new Map(),
    gathered: [],
    sourceFailure: undefined,
  }
  return { observation: undefined, before: knowledge, after: knowledge, accepted: undefined, told: [] }
}

/** Takes in one observation. */
export function learn({ after: before }: Step, observation: Observation): Step {
  const input = inputOf(observation)
  const accepted = input && accept(before.acceptance, input)
  const acceptance = accepted?.state ?? before.acceptance
  const noted = note({ ...before, acceptance }, observation, accepted)
  const isOver = observation.type === 'moves-gathered' || acceptance.claims.length === 0
  const { gathered, told } = gather(before.gathered, accepted?.moves ?? [], isOver)
  return { observation, before, after: { ...noted, gathered }, accepted, told }
}

/** Whether a broker of our cluster answered. */
export const isAnswer = ({ observation, accepted }: Step): boolean =>
  observation?.type === 'answered' && isOurs(accepted)

/** Whether our cluster answers: not while it is told to be silent, nor where another one has taken its addresses. */
export const isReached = ({ newest, silence, foreign }: Knowledge): boolean => {
  const isTakenOver = foreign.size > 0 && silence !== undefined
  return newest !== undefined && silence?.told === undefined && !isTakenOver
}

const isOurs = (accepted: AcceptanceStep | undefined): boolean =>
  accepted?.verdict !== undefined && 'moves' in accepted.verdict

function inputOf(observation: Observation): AcceptanceInput | undefined {
  switch (observation.type) {
    case 'answered':
    case 'resolved-anew':
      return { snapshot: observation.snapshot }
    case 'dial-failed':
      return isAbsence(observation.failure) ? deathOf(observation) : undefined
    case 'died':
      return deathOf(observation)
    case 'listed':
      return { source: { endpoints: observation.reading.endpoints, at: observation.at } }
    default:
      return undefined
  }
}

const deathOf = ({ endpoint: { host, port }, at }: { endpoint: Endpoint; at: number }): AcceptanceInput => ({
  dead: { endpoint: { host, port }, at },
})

function note(known: Knowledge, observation: Observation, accepted: AcceptanceStep | undefined): Knowledge {
  switch (observation.type) {
    case 'answered':
      return noteAnswer(known, observation.snapshot, accepted)
    case 'unanswered': {
      const { since, failure } = observation
      return { ...known, silence: { since, told: undefined, ...known.silence, failure } }
    }
    case 'silence-lasted':
      return { ...known, silence: known.silence && toldNow(known.silence, observation.forMs) }
    case 'dial-failed':
      return noteFailedDial(known, observation)
    case 'refused':
      return noteRefusal(known, observation)
    case 'healed':
      return withoutRefusal(known, observation.nodeId)
    case 'listed':
      return { ...known, sourceFailure: observation.reading.failure }
    default:
      return known
  }
}

function toldNow(silence: Silence, forMs: number): Silence {
  const { since, failure, told } = silence
  return { ...silence, told: { failure, times: (told?.times ?? 0) + 1, at: since + forMs } }
}

function noteAnswer(known: Knowledge, snapshot: Snapshot, accepted: AcceptanceStep | undefined): Knowledge {
  const { newest, foreign } = known
  const endpoint = formatEndpoint(snapshot.answeredBy)
  if (accepted?.verdict?.kind === 'foreign') return { ...known, foreign: new Set(foreign).add(endpoint) }
  if (!isOurs(accepted)) return known
  const isNewest = newest === undefined || snapshot.at >= newest.at || isFarFrom(snapshot, newest)
  return {
    ...withoutRefusal(known, healedBy(known, snapshot)),
    newest: isNewest ? snapshot : newest,
    silence: undefined,
    foreign: without(foreign, endpoint),
  }
}

/** The node that answered where it is looked for; at another endpoint it heals nothing. */
function healedBy({ acceptance, refusals }: Knowledge, { brokers, answeredBy }: Snapshot): number | undefined {
  if (refusals.size === 0) return undefined
  const speaker = brokers.find((broker) => sameEndpoint(broker, answeredBy))
  const entry = acceptance.entries.find(({ nodeId }) => nodeId === speaker?.nodeId)
  return entry && sameEndpoint(entry, answeredBy) ? entry.nodeId : undefined
}

function noteFailedDial(
  known: Knowledge,
  { endpoint, failure }: { readonly endpoint: Endpoint; readonly failure: Failure },
): Knowledge {
  const name = formatEndpoint(endpoint)
  // Nobody is there any more, so the other cluster is gone as well.
  if (failure.kind === 'dial-failed') return { ...known, foreign: without(known.foreign, name) }
  const node = isRefusal(failure.kind) && known.acceptance.entries.find((entry) => sameEndpoint(entry, endpoint))
  return node ? noteRefusal(known, { nodeId: node.nodeId, endpoint, failure }) : known
}

function noteRefusal(
  known: Knowledge,
  { nodeId, endpoint: at, failure }: { nodeId: number; endpoint: Endpoint; failure: Failure },
): Knowledge {
  const endpoint = formatEndpoint(at)
  if (known.refusals.get(nodeId)?.endpoint === endpoint) return known
  return { ...known, refusals: new Map(known.refusals).set(nodeId, { endpoint, failure }) }
}

function withoutRefusal(known: Knowledge, nodeId: number | undefined): Knowledge {
  if (nodeId === undefined || !known.refusals.has(nodeId)) return known
  return { ...known, refusals: new Map([...known.refusals].filter(([other]) => other !== nodeId)) }
}

/** Accepted moves wait while other claims are open; a second move of the same node ends the wait for the first. */
function gather(before: readonly Relocation[], moves: readonly Relocation[], isOver: boolean) {
  const isAgain = moves.some(({ nodeId }) => before.some((move) => move.nodeId === nodeId))
  const gathered = isAgain ? moves : [...before, ...moves]
  const told = [...(isAgain ? [before] : []), ...(isOver && gathered.length > 0 ? [gathered] : [])]
  return { gathered: isOver ? [] : gathered, told }
}

function without(foreign: ReadonlySet<string>, endpoint: string): ReadonlySet<string> {
  return foreign.has(endpoint) ? new Set([...foreign].filter((other) => other !== endpoint)) : foreign
}

/** An answer this much older than the newest was asked for on a clock that has been set back since. */
const isFarFrom = (one: Snapshot, other: Snapshot): boolean => Math.abs(one.at - other.at) > claimWindowMs
