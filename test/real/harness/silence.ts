/** Silences: how long a partition handed out nothing, at a move and in the steady state of the same run. */
import type { Log } from './ground-truth.ts'
import type { Ledger } from './ledger.ts'

/** A stretch of time, milliseconds since the epoch. */
export interface Stretch {
  readonly from: number
  readonly to: number
}

export interface Silence extends Stretch {
  readonly ms: number
  readonly partition: number
}

/**
 * The longest time between two hand-outs of one of these partitions that touches the stretch, in full length. What was handed
 * out from `endAt` on does not count.
 */
export function worstSilence(
  ledger: Ledger,
  partitions: readonly number[],
  stretch: Stretch,
  endAt = Number.POSITIVE_INFINITY,
): Silence {
  const times = (partition: number) =>
    ledger.handOuts(partition).flatMap(({ startedAt }) => (startedAt < endAt ? startedAt : []))
  return worst(partitions, (partition) => touching(gaps(times(partition), stretch.to), stretch))
}

/** The same for the log itself: for how long the leader of the worst partition appended nothing. */
export const logSilence = (log: Log, partitions: readonly number[], stretch: Stretch): Silence =>
  worst(partitions, (partition) => touching(gaps(log.get(partition)?.appendedAt ?? [], stretch.to), stretch))

/** The longest silence of any of these partitions inside `whole` that touches none of the `moves`. */
export function steadySilence(
  ledger: Ledger,
  partitions: readonly number[],
  whole: Stretch,
  moves: readonly Stretch[],
): Silence {
  const isSteady = (gap: Stretch) =>
    gap.from >= whole.from && gap.to <= whole.to && !moves.some((move) => gap.to > move.from && gap.from < move.to)
  const times = (partition: number) => ledger.handOuts(partition).map(({ startedAt }) => startedAt)
  return worst(partitions, (partition) => gaps(times(partition), 0).filter(isSteady))
}

/**
 * Milliseconds from `at` until the last of these partitions has handed out something again; Infinity if one never did. With the
 * log, a partition's time begins when its log grew again, where that was later: before it there was nothing to hand out.
 */
export function backAfter(ledger: Ledger, partitions: readonly number[], at: number, log?: Log): number {
  const firsts = partitions.map((partition) => {
    const next = ledger.handOuts(partition).find(({ startedAt }) => startedAt >= at)
    const grewAt = log?.get(partition)?.appendedAt.find((appendedAt) => appendedAt >= at) ?? at
    return next === undefined ? Number.POSITIVE_INFINITY : Math.max(0, next.startedAt - grewAt)
  })
  return Math.max(...firsts)
}

/** The middle of the values; of an even number of them the upper one of the two in the middle. 0 without any. */
export const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0

function worst(partitions: readonly number[], stretches: (partition: number) => readonly Stretch[]): Silence {
  let found: Silence = { ms: 0, partition: -1, from: 0, to: 0 }
  for (const partition of partitions) {
    for (const { from, to } of stretches(partition)) {
      if (to - from > found.ms) found = { ms: to - from, partition, from, to }
    }
  }
  return found
}

const touching = (all: readonly Stretch[], stretch: Stretch): Stretch[] =>
  all.filter((gap) => gap.to > stretch.from && gap.from < stretch.to)

/** The stretches between neighbours; a partition that fell silent for good is silent until `end`. */
function gaps(times: readonly number[], end: number): Stretch[] {
  const sorted = times.toSorted((one, other) => one - other)
  const last = sorted.at(-1)
  if (last !== undefined && last < end) sorted.push(end)
  return sorted.slice(1).map((to, index) => ({ from: sorted[index] ?? to, to }))
}
