/** The ledger: every hand-out of a run, over all members and processes, and what it amounts to against the log read again. */
import type { Log } from './ground-truth.ts'

/** One message given to a handler. Times in milliseconds since the epoch. */
export interface HandOut {
  readonly member: string
  /** `here`, or the id of a process of its own. */
  readonly process: string
  readonly partition: number
  readonly offset: number
  /** The number the workload wrote into the message. */
  readonly sequence: number
  readonly sentAt: number
  readonly startedAt: number
  /** When the handler returned; undefined while it runs and for ever when it threw. */
  endedAt: number | undefined
  threw: boolean
}

export interface Ledger {
  /** Notes a hand-out at its start; the caller fills `endedAt` or `threw`. */
  begin(handOut: Omit<HandOut, 'endedAt' | 'threw'>): HandOut
  /** Notes that the handler returned. */
  end(handOut: HandOut): void
  /** In the order in which they were handed out. */
  handOuts(partition: number): readonly HandOut[]
  /** Milliseconds since the epoch at which the newest handled message of the partition was sent; 0 without any. */
  newestSentAt(partition: number): number
  /** How many messages were handled, re-reads included. */
  readonly handled: number
  /** How many of them had been handled before by any member. */
  readonly twice: number
}

/** What the ledger says against the log. */
export interface Audit {
  /** Offsets of the log that no handler returned for. */
  readonly lost: number
  /** Hand-outs whose content is not that of the log at their offset. */
  readonly foreign: number
  /** Hand-outs of an offset that the same process had been given before, unless that earlier attempt threw. */
  readonly twiceByProcess: number
  /** The same over all members. */
  readonly twiceByGroup: number
  /** Hand-outs of an offset below an earlier one of the same partition and member, unless the earlier one threw. */
  readonly disorder: number
}

export function createLedger(): Ledger {
  const byPartition = new Map<number, { handOuts: HandOut[]; ended: Set<number>; newest: number }>()
  let handled = 0
  let twice = 0
  const page = (partition: number) => {
    let found = byPartition.get(partition)
    if (found === undefined) {
      found = { handOuts: [], ended: new Set(), newest: 0 }
      byPartition.set(partition, found)
    }
    return found
  }

  return {
    begin(given) {
      const handOut: HandOut = { ...given, endedAt: undefined, threw: false }
      page(given.partition).handOuts.push(handOut)
      return handOut
    },
    end(handOut) {
      handOut.endedAt ??= Date.now()
      const { ended, newest } = page(handOut.partition)
      handled += 1
      if (ended.has(handOut.offset)) twice += 1
      ended.add(handOut.offset)
      page(handOut.partition).newest = Math.max(newest, handOut.sentAt)
    },
    handOuts: (partition) => page(partition).handOuts,
    newestSentAt: (partition) => page(partition).newest,
    get handled() {
      return handled
    },
    get twice() {
      return twice
    },
  }
}

/** Offsets of this partition that were not handled, from `low` to below `high`. */
export function unhandled(ledger: Ledger, partition: number, low: number, high: number): number[] {
  const ended = new Set(
    ledger.handOuts(partition).flatMap(({ endedAt, offset }) => (endedAt === undefined ? [] : offset)),
  )
  const missing: number[] = []
  for (let offset = low; offset < high; offset += 1) if (!ended.has(offset)) missing.push(offset)
  return missing
}

/** `upTo` says per partition where counting of lost messages ends (exclusive); by default at the end of the log. */
export function audit(
  ledger: Ledger,
  log: Log,
  upTo: (partition: number) => number | undefined = () => undefined,
): Audit {
  const sum = { lost: 0, foreign: 0, twiceByProcess: 0, twiceByGroup: 0, disorder: 0 }
  for (const [partition, { low, sequences }] of log) {
    sum.lost += unhandled(ledger, partition, low, upTo(partition) ?? low + sequences.length).length
    const handOuts = ledger.handOuts(partition)
    // what is gone from the log by now can't be compared
    const there = handOuts.filter(({ offset }) => offset >= low)
    sum.foreign += there.filter(({ offset, sequence }) => sequences[offset - low] !== sequence).length
    sum.twiceByGroup += repeats(handOuts, () => 'group')
    sum.twiceByProcess += repeats(handOuts, ({ process }) => process)
    sum.disorder += inversions(handOuts)
  }
  return sum
}

function repeats(handOuts: readonly HandOut[], owner: (handOut: HandOut) => string): number {
  const seen = new Set<string>()
  let count = 0
  for (const handOut of handOuts) {
    const key = `${owner(handOut)} ${handOut.offset}`
    if (seen.has(key)) count += 1
    if (!handOut.threw) seen.add(key)
  }
  return count
}

function inversions(handOuts: readonly HandOut[]): number {
  const highest = new Map<string, number>()
  let count = 0
  for (const { member, offset, threw } of handOuts) {
    const before = highest.get(member) ?? -1
    if (offset < before) count += 1
    if (!threw) highest.set(member, Math.max(before, offset))
  }
  return count
}
