/** A side of the demo: one group of one client, what it was handed, and its figures per move. */
import type { Log } from '../real/harness/ground-truth.ts'
import { createLedger, type Ledger } from '../real/harness/ledger.ts'
import { type Client, type Handed, type Member, type MemberTask, recorded } from '../real/harness/member.ts'
import { type Stretch, steadySilence, worstSilence } from '../real/harness/silence.ts'

export interface SideOptions<Kind extends Member> {
  readonly name: string
  readonly client: Client<Kind>
  readonly members: number
  readonly topic: string
  readonly brokers: MemberTask['brokers']
  readonly options?: MemberTask['options']
  /** What the live view says of the members while messages come. Default `consuming`. */
  readonly describe?: (members: readonly Kind[]) => string
}

/** One move as the sides are measured by it. `phaseTo` is when the next one begins. */
export interface Phase {
  /** From the move until two seconds after it. */
  readonly move: Stretch
  readonly phaseTo: number
  /** Numbers of the messages sent in this phase: from, and below. */
  readonly sequences: { readonly from: number; readonly below: number }
}

export interface PhaseFigures {
  /** Longest silence of the worst partition from the move to the next one, in milliseconds. */
  readonly gapMs: number
  /** The same from the move until two seconds after it. */
  readonly atMoveMs: number
  /** False when a partition was still silent as the next move began. */
  readonly back: boolean
  readonly lost: number
  readonly twice: number
}

export interface Side<Kind extends Member = Member> {
  readonly name: string
  readonly members: readonly Kind[]
  readonly ledger: Ledger
  start(): Promise<void>
  stop(): Promise<void>
  generation(): number
  /** Milliseconds for which the partition that waits longest has been silent by now. */
  silentMs(): number
  /** For the live view: the state in a few words, and the longest silence since `beginPhase`. */
  state(): string
  phaseGapMs(): number
  beginPhase(): void
  figures(phase: Phase, log: Log): PhaseFigures
  /** Longest silence outside of all moves. */
  steadyMs(whole: Stretch, moves: readonly Stretch[]): number
  /** Messages of the log that were not handled. */
  unread(log: Log): number
}

const partitions = [0, 1, 2, 3, 4, 5]

export function createSide<Kind extends Member>(options: SideOptions<Kind>): Side<Kind> {
  const { name, client, topic, brokers, describe = () => 'consuming' } = options
  const ledger = createLedger()
  const latest = new Map<number, number>()
  let phaseGapMs = 0
  const watch = ({ partition }: Handed) => {
    const now = Date.now()
    phaseGapMs = Math.max(phaseGapMs, now - (latest.get(partition) ?? now))
    latest.set(partition, now)
  }
  const silentMs = () => (latest.size === 0 ? 0 : Date.now() - Math.min(...latest.values()))
  const members = Array.from({ length: options.members }, (_, index) =>
    client({
      name: `${name}-${index + 1}`,
      brokers,
      groupId: `demo-${name}`,
      topic,
      handle: recorded(ledger, watch),
      options: options.options ?? {},
    }),
  )

  return {
    name,
    members,
    ledger,
    start: async () => void (await Promise.all(members.map((member) => member.start()))),
    stop: async () => void (await Promise.allSettled(members.map((member) => member.stop()))),
    generation: () => Math.max(...members.map((member) => member.generation())),
    silentMs,
    state: () => (silentMs() > 1000 ? `silent for ${(silentMs() / 1000).toFixed(1)} s` : describe(members)),
    phaseGapMs: () => Math.max(phaseGapMs, silentMs()),
    beginPhase() {
      phaseGapMs = 0
    },
    figures({ move, phaseTo, sequences }, log) {
      // what spans the next move is a matter of the next move
      const silence = (to: number) => worstSilence(ledger, partitions, { from: move.from, to }, phaseTo).ms
      const newest = partitions.map(
        (one) => ledger.handOuts(one).findLast(({ startedAt }) => startedAt < phaseTo)?.startedAt ?? move.from,
      )
      return {
        gapMs: silence(phaseTo),
        atMoveMs: silence(Math.min(move.to, phaseTo)),
        back: phaseTo - Math.min(...newest) < 1000,
        lost: lost(ledger, log, sequences),
        twice: repeatsBetween(ledger, move.from, phaseTo),
      }
    },
    steadyMs: (whole, moves) => steadySilence(ledger, partitions, whole, moves).ms,
    unread: (log) => lost(ledger, log, { from: 0, below: Number.POSITIVE_INFINITY }),
  }
}

function lost(ledger: Ledger, log: Log, { from, below }: Phase['sequences']): number {
  let count = 0
  for (const [partition, { low, sequences }] of log) {
    const handled = new Set(ledger.handOuts(partition).map(({ offset }) => offset))
    count += sequences.filter((one, index) => one >= from && one < below && !handled.has(low + index)).length
  }
  return count
}

function repeatsBetween(ledger: Ledger, from: number, to: number): number {
  let count = 0
  for (const partition of partitions) {
    const seen = new Set<number>()
    for (const { offset, startedAt } of ledger.handOuts(partition)) {
      if (seen.has(offset) && startedAt >= from && startedAt < to) count += 1
      seen.add(offset)
    }
  }
  return count
}
