/**
 * The stream that drives every consumer's machine.
 *
 *   poller: answers, silences, lists ──┐
 *   links: answers, dead endpoints ────┼──▶ learn ──▶ address book ──▶ factsOf ──▶ facts, invoked at the root of each machine
 *   time that has passed ──────────────┘   (scan)     (links)
 */

import {
  concatMap,
  connect,
  defer,
  distinctUntilChanged,
  EMPTY,
  ignoreElements,
  map,
  merge,
  type Observable,
  Subject,
  scan,
  switchMap,
  tap,
  timer,
} from 'rxjs'
import { formatEndpoint } from '../../machines/endpoint.ts'
import type { Fact } from '../../machines/fact.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import type { Relocation } from '../../machines/verdict.ts'
import {
  isAnswer,
  isReached,
  type Knowledge,
  learn,
  type Observation,
  type Silence,
  type Step,
} from './cluster-knowledge.ts'
import { isSameReason } from './diagnosis.ts'

/** A silence is a fact after this time, counted from the start of the first round that failed, in milliseconds. */
const unreachableAfterMs = 1000
/** Another reason for it is told again after this time, and each further one after twice the time before it; in milliseconds. */
const againAfterMs = 1000
const longestAgainMs = 60_000

/** Moves that are accepted while other claims are open are told together, at most this late, in milliseconds. */
const gatherMs = 100

/** Makes facts of observations. `follow` hears of each step first: links dial a new endpoint before the machines learn that the node moved. */
export const clusterFacts = (
  observations$: Observable<Observation>,
  beginning: Step,
  follow: (step: Step) => void,
): Observable<Fact> =>
  defer(() => {
    const passed$ = new Subject<Observation>()
    return merge(observations$, passed$).pipe(
      scan(learn, beginning),
      connect((steps$) => {
        const time$ = merge(lastingSilence(steps$), gatheredMoves(steps$))
        return merge(time$.pipe(tap(passed$), ignoreElements()), steps$)
      }),
      tap(follow),
      concatMap(factsOf),
    )
  })

const lastingSilence = (steps$: Observable<Step>): Observable<Observation> =>
  steps$.pipe(
    map(({ after }) => after.silence && { since: after.silence.since, dueAt: dueAt(after.silence) }),
    distinctUntilChanged((one, other) => one?.since === other?.since && one?.dueAt === other?.dueAt),
    switchMap((silence) => {
      if (silence?.dueAt === undefined) return EMPTY
      const { since, dueAt } = silence
      const lasted = (): Observation => ({ type: 'silence-lasted', forMs: Math.round(performance.now() - since) })
      return timer(dueAt - performance.now()).pipe(map(lasted))
    }),
  )

/** When it is told: that it lasts, and again where its reason is another one by now. */
function dueAt({ since, failure, told }: Silence): number | undefined {
  if (!told) return since + unreachableAfterMs
  if (isSameReason(told.failure, failure)) return undefined
  return told.at + Math.min(longestAgainMs, againAfterMs * 2 ** (told.times - 1))
}

const gatheredMoves = (steps$: Observable<Step>): Observable<Observation> =>
  steps$.pipe(
    map(({ after }) => after.gathered[0]),
    distinctUntilChanged(),
    switchMap((first) => (first ? timer(gatherMs) : EMPTY)),
    map((): Observation => ({ type: 'moves-gathered' })),
  )

/** The facts of one step, in order. */
const factsOf = (step: Step): Fact[] => [
  ...reachability(step),
  ...membership(step),
  ...refusals(step),
  ...step.told.flatMap(movesOf),
  ...sourceFacts(step),
]

/** `cluster.reached`, for whoever begins to listen; undefined while it is not. */
export const reachedFact = (known: Knowledge): Fact | undefined =>
  isReached(known) && known.newest ? reached(known.newest) : undefined

/** A silence is a `cluster.unreachable` for each reason it has in turn, ended by one `cluster.reached`; another cluster is told once per endpoint. */
function reachability(step: Step): Fact[] {
  const { observation, before, after, accepted } = step
  if (isAnswer(step)) return after.newest && !isReached(before) ? [reached(after.newest)] : []
  if (observation?.type === 'silence-lasted' && after.silence) {
    return [{ type: 'cluster.unreachable', failure: after.silence.failure, sinceMs: observation.forMs }]
  }
  if (observation?.type !== 'answered' || accepted?.verdict?.kind !== 'foreign') return []
  const { expected, got } = accepted.verdict
  const endpoint = formatEndpoint(observation.snapshot.answeredBy)
  return before.foreign.has(endpoint) ? [] : [{ type: 'cluster.refused', expected, got, endpoint }]
}

/** What the first answer names has not joined. */
function membership(step: Step): Fact[] {
  const { before, accepted } = step
  const isFirst = before.newest === undefined && before.acceptance.entries.length === 0
  if (!accepted || !isAnswer(step) || isFirst) return []
  const { joined, left } = accepted
  return joined.length + left.length > 0 ? [{ type: 'cluster.membership-changed', joined, left }] : []
}

function refusals({ before, after }: Step): Fact[] {
  if (before.refusals === after.refusals) return []
  const onlyIn = (some: Knowledge['refusals'], others: Knowledge['refusals']) =>
    [...some].filter(([nodeId, { endpoint }]) => others.get(nodeId)?.endpoint !== endpoint)
  return [
    ...onlyIn(before.refusals, after.refusals).map(
      ([nodeId, { endpoint }]): Fact => ({ type: 'endpoint.healed', nodeId, endpoint }),
    ),
    ...onlyIn(after.refusals, before.refusals).map(
      ([nodeId, { endpoint, failure }]): Fact => ({ type: 'endpoint.refused', nodeId, endpoint, failure }),
    ),
  ]
}

function movesOf(gathered: readonly Relocation[]): Fact[] {
  const sorted = gathered.toSorted((one, other) => one.nodeId - other.nodeId)
  return (['moved', 'resolved-anew'] as const).flatMap((reason): Fact[] => {
    const moves = sorted.filter((move) => move.reason === reason).map(describe)
    return moves.length > 0 ? [{ type: 'cluster.moved', moves, reason }] : []
  })
}

function sourceFacts({ before, after: { sourceFailure: failure } }: Step): Fact[] {
  if (before.sourceFailure?.message === failure?.message) return []
  return [failure ? { type: 'source.failed', failure } : { type: 'source.recovered' }]
}

const reached = ({ clusterId, brokers }: Snapshot): Fact => ({
  type: 'cluster.reached',
  clusterId,
  brokers: Object.fromEntries(brokers.map((broker) => [broker.nodeId, formatEndpoint(broker)])),
})

const describe = ({ nodeId, from, to }: Relocation) => ({ nodeId, from: formatEndpoint(from), to: formatEndpoint(to) })
