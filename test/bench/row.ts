/** A row of the results: one client through one change, and its figures. Durations in milliseconds. */
import type { Log } from '../real/harness/ground-truth.ts'
import { audit, type Ledger, unhandled } from '../real/harness/ledger.ts'
import { backAfter, logSilence, type Stretch, worstSilence } from '../real/harness/silence.ts'
import type { ChangeName } from './change.ts'
import type { ClientName } from './client.ts'
import { type Spread, spread } from './statistics.ts'

/** What a client can start from: addresses that move, or addresses that stay. */
export type Boot = 'moved' | 'stable'

export interface Row {
  readonly client: ClientName
  readonly change: ChangeName
  readonly boot: Boot
  /** Over TLS, with SCRAM-SHA-512. */
  readonly secure: boolean
  /** The client was measured by itself, not beside the others. */
  readonly alone: boolean
  /** When it was measured, as ISO 8601. */
  readonly at: string
  readonly moves: number
  /** Whether all partitions had current messages again at the end; a client alone is waited for after each move, the others `watchMs`. */
  readonly back: boolean
  readonly watchMs: number
  /** Longest silence of each partition at each move. */
  readonly gap: Spread
  /** The same, less the longest silence without a move in the same trial. */
  readonly above: Spread
  /** Silences without a move, of all partitions. */
  readonly steady: Spread
  /** For how long the log itself did not grow, of each partition at each move. */
  readonly log: Spread
  /** From when a partition had a leader and its log grew again until it handed something out; where brokers were all stopped. */
  readonly afterAnswer?: Spread
  /** Below the last message that was handled, or of the whole log where the client is back. */
  readonly lost: number
  /** Not handled at the end, where the client is not back. */
  readonly unread: number
  readonly twiceByProcess: number
  readonly twiceByGroup: number
  readonly disorder: number
  readonly rebalances: number
}

/** What a trial saw of one client. */
export interface Sight extends Pick<Row, 'client' | 'change' | 'boot' | 'secure' | 'alone' | 'watchMs' | 'rebalances'> {
  readonly ledger: Ledger
  readonly log: Log
  readonly partitions: readonly number[]
  readonly moves: readonly Stretch[]
  /** From the first steady moment to the end of the stream. */
  readonly whole: Stretch
  /** Since when brokers answered, one for each move that has it. */
  readonly answeredAt: readonly number[]
}

/** A client is back when each partition was handed something in the last seconds of the stream. */
const BACK_WITHIN_MS = 3000

export function rowOf(sight: Sight): Row {
  const { client, change, boot, secure, alone, watchMs, rebalances } = sight
  const { ledger, log, partitions, moves, whole, answeredAt } = sight
  const back = partitions.every((one) => newest(ledger, one) > whole.to - BACK_WITHIN_MS)
  const each = (silence: (partition: number, stretch: Stretch) => number) =>
    moves.flatMap((stretch) => partitions.map((partition) => silence(partition, stretch)))
  const gaps = each((partition, stretch) => worstSilence(ledger, [partition], stretch).ms)
  const steady = partitions.flatMap((partition) => steadyGaps(ledger, partition, whole, moves))
  const worstSteady = Math.max(0, ...steady)
  const end = (partition: number) => (back ? undefined : afterLast(ledger, partition))
  const { lost, twiceByProcess, twiceByGroup, disorder } = audit(ledger, log, end)
  const missing = [...log].flatMap(([partition, { low, sequences }]) =>
    unhandled(ledger, partition, low, low + sequences.length),
  ).length
  return {
    ...{ client, change, boot, secure, alone, at: new Date().toISOString(), moves: moves.length, back, watchMs },
    gap: spread(gaps),
    above: spread(gaps.map((gap) => Math.max(0, gap - worstSteady))),
    steady: spread(steady),
    log: spread(each((partition, stretch) => logSilence(log, [partition], stretch).ms)),
    ...(answeredAt.length > 0 && {
      afterAnswer: spread(
        answeredAt.flatMap((at) =>
          // one that never came back has waited until the end of the watch
          partitions.map((partition) => Math.min(backAfter(ledger, [partition], at, log), whole.to - at)),
        ),
      ),
    }),
    ...{ lost, unread: back ? 0 : missing - lost, twiceByProcess, twiceByGroup, disorder, rebalances },
  }
}

const newest = (ledger: Ledger, partition: number) => ledger.handOuts(partition).at(-1)?.startedAt ?? 0

const afterLast = (ledger: Ledger, partition: number) =>
  ledger.handOuts(partition).reduce((after, { offset }) => Math.max(after, offset + 1), 0)

function steadyGaps(ledger: Ledger, partition: number, whole: Stretch, moves: readonly Stretch[]): number[] {
  const times = ledger
    .handOuts(partition)
    .map(({ startedAt }) => startedAt)
    .toSorted((one, other) => one - other)
  return times.slice(1).flatMap((to, index) => {
    const from = times[index] as number
    const isSteady = from >= whole.from && to <= whole.to && !moves.some((move) => to > move.from && from < move.to)
    return isSteady ? [to - from] : []
  })
}
