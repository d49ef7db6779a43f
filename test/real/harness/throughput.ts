/** The throughput: how many messages are handled in a time, and how soon that is as before after a move. */
import type { Ledger } from './ledger.ts'
import { median, type Stretch } from './silence.ts'

const WINDOW_MS = 250

/**
 * Per move, milliseconds until the messages handled in a quarter of a second are at least nine tenths of what is usual in the
 * three seconds before the first move.
 */
export function returnOfThroughput(ledger: Ledger, partitions: readonly number[], moves: readonly Stretch[]): number[] {
  const ends = partitions
    .flatMap((partition) => ledger.handOuts(partition).map(({ endedAt }) => endedAt ?? 0))
    .filter((at) => at > 0)
    .toSorted((one, other) => one - other)
  const handledIn = (from: number) => ends.filter((at) => at >= from && at < from + WINDOW_MS).length
  const firstAt = moves[0]?.from ?? 0
  const usual = median(Array.from({ length: 12 }, (_, index) => handledIn(firstAt - (index + 1) * WINDOW_MS)))
  return moves.map(({ from }) => {
    const latest = ends.at(-1) ?? from
    for (let at = from; at + WINDOW_MS <= latest; at += 10) if (handledIn(at) >= usual * 0.9) return at - from
    return Number.POSITIVE_INFINITY
  })
}
