/** The outcome of a run: its figures, from the ledger, the log read again, and the moves. */
import type { Log } from './ground-truth.ts'
import { auditCommits, type CommitSample } from './group-watch.ts'
import { type Audit, audit, type Ledger, unhandled } from './ledger.ts'
import { logSilence, type Stretch, steadySilence, worstSilence } from './silence.ts'

export interface Outcome extends Audit {
  readonly scenario: string
  readonly handled: number
  readonly commitsBeyond: number
  readonly commitsBack: number
  readonly rebalances: number
  readonly coordinatorChanges: number
  /** Longest silence of the worst partition, per move, in milliseconds. */
  readonly silencesMs: readonly number[]
  /** For how long the log of the worst partition did not grow, per move: what no consumer can do anything about. */
  readonly logSilencesMs: readonly number[]
  /** Longest silence of the worst partition outside of all moves. */
  readonly steadyMs: number
  readonly timerLateMs: number
  /** The log as it was read again at the end. */
  readonly log: Log
  /** How long the slowest stop of a member took, in milliseconds. */
  readonly stopMs: number
  /** Moves, lost offsets and what the members told, in the order of time. */
  readonly story: readonly string[]
}

/** What a run saw. */
export interface Evidence {
  readonly ledger: Ledger
  readonly log: Log
  readonly moves: readonly Stretch[]
  /** Partitions whose silences count. */
  readonly partitions: readonly number[]
  /** Where counting of lost messages ends (exclusive); undefined for the end of the log. */
  readonly countedTo: (partition: number) => number | undefined
}

/** The figures that follow from the evidence. */
export function assess(
  evidence: Evidence & { readonly commits: readonly CommitSample[]; readonly steady: Stretch },
): Omit<Outcome, 'scenario' | 'rebalances' | 'coordinatorChanges' | 'timerLateMs' | 'stopMs' | 'story'> {
  const { ledger, log, moves, partitions, countedTo, steady } = evidence
  const commits = auditCommits(evidence.commits, ledger, (partition) => log.get(partition)?.low ?? 0)
  return {
    ...audit(ledger, log, countedTo),
    log,
    handled: ledger.handled,
    commitsBeyond: commits.beyond,
    commitsBack: commits.back,
    silencesMs: moves.map((stretch) => worstSilence(ledger, partitions, stretch).ms),
    logSilencesMs: moves.map((stretch) => logSilence(log, partitions, stretch).ms),
    steadyMs: steadySilence(ledger, partitions, steady, moves).ms,
  }
}

/** What is worth knowing when a figure does not hold: where it fell silent, and which offsets are missing. */
export function findings({ ledger, log, moves, partitions, countedTo }: Evidence): string[] {
  const silences = moves.map((stretch) => worstSilence(ledger, partitions, stretch))
  const holes = silences.map(({ from, ms, partition }) => `${from} partition ${partition} falls silent for ${ms} ms`)
  const lost = [...log].flatMap(([partition, { low, sequences }]) => {
    const missing = unhandled(ledger, partition, low, countedTo(partition) ?? low + sequences.length)
    return missing.length === 0 ? [] : `offsets of partition ${partition} not handled: ${ranges(missing)}`
  })
  return [...holes, ...lost]
}

/** `1-3, 7` for 1, 2, 3, 7. */
function ranges(sorted: readonly number[]): string {
  const starts = sorted.filter((value, index) => sorted[index - 1] !== value - 1)
  const ends = sorted.filter((value, index) => sorted[index + 1] !== value + 1)
  return starts.map((start, index) => (start === ends[index] ? start : `${start}-${ends[index]}`)).join(', ')
}
