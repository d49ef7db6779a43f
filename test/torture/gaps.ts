/** Gaps: the silences of partitions, with what was done at the time, and how much of each was the log's own standstill. */
import type { Log } from '../real/harness/ground-truth.ts'
import type { Silence } from './account.ts'

/** An action that was done. `to` is when all partitions were back, Infinity before. */
export interface Done {
  readonly kind: string
  readonly isMove: boolean
  readonly backWithinMs: number
  readonly from: number
  /** When it was over. */
  overAt: number
  to: number
}

/** The worst gap of a kind of action. */
export interface Gap {
  readonly ms: number
  readonly partition: number
  readonly from: number
  /** For how long of it the partition's log did not grow: what no consumer can do anything about. */
  readonly logMs: number
}

export interface Gaps {
  note(silence: Silence): void
  /** The longest silence so far, and the kind of action it belongs to; `CALM` for none. */
  worst(): { readonly ms: number; readonly kind: string }
  /** Per kind the longest one and the longest one without the log's share, once the log has been read. */
  byKind(log: Log): Map<string, { readonly worst: Gap; readonly own: Gap }>
}

export const CALM = 'between them'

/** At a move, and while nothing is done, no partition may be silent for longer, less the standstill of its log. */
export const OWN_GAP_MS = 5000

/** Shorter ones are the rhythm of the stream. */
export const NOTED_MS = 150
/** Per kind: the log's share is only known at the end, and the longest gap need not be the one with the longest share of our own. */
const KEPT = 200

export function createGaps(done: readonly Done[]): Gaps {
  const kept = new Map<string, Silence[]>()
  let worst = { ms: 0, kind: CALM }

  return {
    note(silence) {
      const ms = silence.to - silence.from
      if (ms < NOTED_MS) return
      const kind = causeOf(done, silence)
      if (ms > worst.ms) worst = { ms, kind }
      const list = kept.get(kind) ?? []
      kept.set(kind, list)
      list.push(silence)
      if (list.length > 2 * KEPT) list.sort((one, other) => other.to - other.from - (one.to - one.from)).splice(KEPT)
    },
    worst: () => worst,
    byKind(log) {
      return new Map(
        [...kept].map(([kind, silences]) => {
          const gaps = silences.map((silence) => gapOf(log, silence))
          const most = (length: (gap: Gap) => number) =>
            gaps.reduce((found, gap) => (length(gap) > length(found) ? gap : found))
          return [kind, { worst: most(({ ms }) => ms), own: most(({ ms, logMs }) => ms - logMs) }] as const
        }),
      )
    },
  }
}

/** The newest action that was under way during the silence. */
function causeOf(done: readonly Done[], { from, to }: Silence): string {
  for (let index = done.length - 1; index >= Math.max(0, done.length - 5); index -= 1) {
    const one = done[index]
    if (one !== undefined && one.from <= to && one.to >= from) return one.kind
  }
  return CALM
}

function gapOf(log: Log, { partition, from, to, offset }: Silence): Gap {
  return { ms: to - from, partition, from, logMs: standstill(log, partition, offset, from, to) }
}

/** The longest time within from and to in which nothing was appended. */
function standstill(log: Log, partition: number, offset: number, from: number, to: number): number {
  const { low = 0, appendedAt = [] } = log.get(partition) ?? {}
  let index = Math.max(0, offset - low)
  // the message that ended the silence may be an old one that was handled again
  while (index > 0 && (appendedAt[index - 1] ?? 0) > from) index -= 1
  let longest = 0
  let before = from
  for (; index < appendedAt.length && before < to; index += 1) {
    const at = Math.min(to, Math.max(from, appendedAt[index] ?? to))
    longest = Math.max(longest, at - before)
    before = at
  }
  return longest
}
