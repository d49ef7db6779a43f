/**
 * Where the milliseconds of a move go, for one relisten member behind a front: what passed the front, and what the consumer told,
 * cut into stages. Durations in milliseconds.
 */

import type { AnyRecord } from '../../src/index.ts'
import type { Seen } from '../cluster/front-address.ts'
import type { Ledger } from '../real/harness/ledger.ts'
import type { Stretch } from '../real/harness/silence.ts'
import type { ChangeName } from './change.ts'
import type { Boot } from './row.ts'
import { quantile } from './statistics.ts'

/** In the order in which they follow each other. */
export const stageNames = [
  'noticed',
  'learnt',
  'dialled',
  'loggedIn',
  'identified',
  'asked',
  'answered',
  'handedOut',
] as const

export type StageOfMove = (typeof stageNames)[number]

export interface StageTimes {
  readonly change: ChangeName
  readonly boot: Boot
  readonly secure: boolean
  /** Brokers that moved, over all moves. */
  readonly count: number
  /** Medians. */
  readonly stages: Readonly<Record<StageOfMove, number>>
  /** Median from the move to the hand-out. */
  readonly total: number
}

export interface Passed {
  readonly seen: readonly Seen[]
  readonly facts: readonly AnyRecord[]
  readonly moves: readonly Stretch[]
  readonly leaders: ReadonlyMap<number, number>
  readonly ledger: Ledger
  readonly nodeIds: readonly number[]
}

const FETCH = 1
const SASL_AUTHENTICATE = 36

export function stageTimes({
  seen,
  facts,
  moves,
  leaders,
  ledger,
  nodeIds,
}: Passed): Omit<StageTimes, 'change' | 'boot' | 'secure'> {
  const all = moves.flatMap((move) => {
    const during = seen.filter(({ at }) => at >= move.from && at <= move.to)
    const movedAt = facts.find(({ type, at }) => type === 'cluster.moved' && at >= move.from && at <= move.to)?.at
    return nodeIds.flatMap((nodeId) => {
      const partitions = [...leaders].filter(([, leader]) => leader === nodeId).map(([partition]) => partition)
      const stamps = movedAt === undefined ? undefined : stampsOf(during, nodeId, movedAt, partitions, ledger)
      return stamps === undefined ? [] : [durations(move.from, stamps)]
    })
  })
  const medianOf = (values: readonly number[]) => Math.round(quantile(values, 0.5))
  return {
    count: all.length,
    stages: Object.fromEntries(
      stageNames.map((name, index) => [name, medianOf(all.map((one) => one[index] ?? 0))]),
    ) as Record<StageOfMove, number>,
    total: medianOf(all.map((one) => one.reduce((sum, part) => sum + part, 0))),
  }
}

/** When each stage ended; undefined when this node was not dialled anew. */
function stampsOf(
  during: readonly Seen[],
  nodeId: number,
  movedAt: number,
  partitions: readonly number[],
  ledger: Ledger,
): number[] | undefined {
  const [firstDial] = during.filter(({ kind }) => kind === 'accepted')
  const here = during.filter(({ host }) => host.endsWith(`.${nodeId}`))
  const made = new Set(here.filter(({ kind }) => kind === 'accepted').map(keyOf))
  const isNew = (one: Seen) => made.has(keyOf(one))
  const fetchSent = here.find((one) => isNew(one) && one.kind === 'request' && one.apiKey === FETCH)
  if (firstDial === undefined || fetchSent === undefined) return undefined
  const own = here.filter((one) => keyOf(one) === keyOf(fetchSent))
  const accepted = own.find(({ kind }) => kind === 'accepted')
  const before = own.filter(({ kind, at }) => kind === 'answer' && at <= fetchSent.at)
  const login = before.findLast(({ apiKey }) => apiKey === SASL_AUTHENTICATE)
  const identified = before.findLast(({ apiKey }) => apiKey !== SASL_AUTHENTICATE && apiKey !== FETCH)
  const answered = own.find(({ kind, apiKey, at }) => kind === 'answer' && apiKey === FETCH && at >= fetchSent.at)
  if (accepted === undefined || answered === undefined) return undefined
  const handedOut = Math.min(
    ...partitions.map(
      (one) =>
        ledger.handOuts(one).find(({ startedAt }) => startedAt >= answered.at)?.startedAt ?? Number.POSITIVE_INFINITY,
    ),
  )
  if (handedOut === Number.POSITIVE_INFINITY) return undefined
  const loggedIn = login?.at ?? accepted.at
  // with a login the identity is asked for after it
  return [
    firstDial.at,
    movedAt,
    accepted.at,
    loggedIn,
    identified?.at ?? loggedIn,
    fetchSent.at,
    answered.at,
    handedOut,
  ]
}

/** From one stamp to the next; one that came before its predecessor took no time of its own. */
function durations(from: number, stamps: readonly number[]): number[] {
  let last = from
  return stamps.map((stamp) => {
    const took = Math.max(0, stamp - last)
    last = Math.max(last, stamp)
    return took
  })
}

const keyOf = ({ host, connection }: Seen) => `${host} ${connection}`
