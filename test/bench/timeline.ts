/** The time line of a move: how many messages each of two clients had handled at each moment around it. */
import type { Ledger } from '../real/harness/ledger.ts'
import { type Stretch, worstSilence } from '../real/harness/silence.ts'
import type { ClientName } from './client.ts'

export interface Timeline {
  /** When the brokers moved, as ISO 8601. */
  readonly at: string
  /** Of the first value, in milliseconds since the move; negative. */
  readonly fromMs: number
  readonly stepMs: number
  readonly clients: readonly {
    readonly client: ClientName
    /** Longest silence of a partition that touches the move, in milliseconds. */
    readonly gapMs: number
    /** Messages handled since the first moment, at each step. */
    readonly handled: readonly number[]
  }[]
}

const BEFORE_MS = 5000
const STEP_MS = 100

export function timelineOf(
  sides: readonly { readonly name: ClientName; readonly ledger: Ledger }[],
  partitions: readonly number[],
  move: Stretch,
): Timeline {
  const from = move.from - BEFORE_MS
  const steps = Math.floor((move.to - from) / STEP_MS) + 1
  return {
    at: new Date(move.from).toISOString(),
    fromMs: -BEFORE_MS,
    stepMs: STEP_MS,
    clients: sides.map(({ name, ledger }) => {
      const times = partitions
        .flatMap((partition) => ledger.handOuts(partition).flatMap(({ endedAt }) => endedAt ?? []))
        .toSorted((one, other) => one - other)
      const before = times.filter((time) => time < from).length
      const handledAt = (step: number) => times.filter((time) => time <= from + step * STEP_MS).length - before
      return {
        client: name,
        gapMs: worstSilence(ledger, partitions, move).ms,
        handled: Array.from({ length: steps }, (_, step) => handledAt(step)),
      }
    }),
  }
}
