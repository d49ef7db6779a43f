/**
 * An account of all messages of a run, a few bytes for each: who handled it and when. What must never happen is said the moment it
 * is seen. What the log holds is compared at the end.
 */
import type { Log } from '../real/harness/ground-truth.ts'
import type { HandOut } from '../real/harness/ledger.ts'

/** One call of a handler, told when it has ended. */
export type Attempt = Readonly<HandOut> & { readonly endedAt: number }

export interface AccountOptions {
  readonly partitions: number
  /** Called with a sentence for each thing that must not happen. */
  readonly violated: (sentence: string) => void
  /** May this message be handled once more by another process? */
  readonly mayRepeat: (partition: number, offset: number) => boolean
  /** A partition was silent from one attempt to the next, the one at this offset. */
  readonly onSilence: (silence: Silence) => void
}

/** The time between the starts of two attempts of one partition. */
export interface Silence {
  readonly partition: number
  readonly from: number
  readonly to: number
  /** Of the message that ended it. */
  readonly offset: number
}

export interface Account {
  note(attempt: Attempt): void
  /** All offsets below it were handled. */
  handledTo(partition: number): number
  /** When all offsets below this one had been handled; Infinity while they were not. */
  handledAt(partition: number, below: number): number
  /** End (exclusive) of what this process handled last, by partition. */
  endsOf(process: string): Map<number, number>
  /** When the newest handled message of the partition was sent; 0 without any. */
  newestSentAt(partition: number): number
  /** When the partition's newest attempt began; 0 without any. */
  newestStart(partition: number): number
  /** Messages passed over for more than ten seconds while later ones were handled. */
  passedOver(): number
  /** What the log holds and nobody handled, and what was handed out and is not what the log holds. */
  compare(log: Log): { readonly lost: number; readonly foreign: number }
  readonly handled: number
  /** Handled again by another process, as it is bound to happen after a kill. */
  readonly repeats: number
  /** Handled again where that must not happen. */
  readonly repeatsBeyond: number
}

const PASSED_OVER_MS = 10_000
const RECENT = 40

interface Page {
  /** By offset. Zero in `processes`: not handled. */
  sequences: Int32Array
  processes: Uint16Array
  /** Below `to` the time at which this and all before it were handled; from there on the time of this one. */
  endedAt: Float64Array
  to: number
  /** Handled from `to` on: when the attempt began, and when it was noted. */
  readonly ahead: Map<number, { readonly startedAt: number; readonly notedAt: number }>
  recent: Attempt[]
  newestSentAt: number
  newestStart: number
  readonly ends: Map<string, number>
}

const SOME = 4096

export function createAccount({ partitions, violated, mayRepeat, onSilence }: AccountOptions): Account {
  const pages: Page[] = Array.from({ length: partitions }, () => ({
    sequences: new Int32Array(SOME),
    processes: new Uint16Array(SOME),
    endedAt: new Float64Array(SOME),
    to: 0,
    ahead: new Map(),
    recent: [],
    newestSentAt: 0,
    newestStart: 0,
    ends: new Map(),
  }))
  const processes = new Map<string, number>()
  let handled = 0
  let repeats = 0
  let repeatsBeyond = 0
  const pageOf = (partition: number): Page => {
    const page = pages[partition]
    if (page === undefined) throw new RangeError(`There is no partition ${partition}`)
    return page
  }
  const numberOf = (process: string): number => {
    const number = processes.get(process) ?? processes.size + 1
    processes.set(process, number)
    return number
  }

  const judgeOwner = (page: Page, attempt: Attempt) => {
    const { partition, startedAt, endedAt, process } = attempt
    const other = page.recent.find(
      (one) => one.process !== process && one.startedAt < endedAt && startedAt < one.endedAt,
    )
    if (other !== undefined) {
      violated(
        `two owners: ${other.member} was at offset ${other.offset} of partition ${partition} from ${other.startedAt} to ${other.endedAt}, ${attempt.member} at offset ${attempt.offset} from ${startedAt} to ${endedAt}`,
      )
    }
    page.recent.push(attempt)
    if (page.recent.length > RECENT) page.recent.shift()
  }

  const judgeRepeat = (page: Page, { partition, offset, process, sequence, member }: Attempt) => {
    const before = page.processes[offset]
    if (sequence !== page.sequences[offset]) violated(`offset ${offset} of partition ${partition} has two contents`)
    if (before === numberOf(process)) {
      repeatsBeyond += 1
      violated(`${member} handled offset ${offset} of partition ${partition} twice in one process`)
    } else if (mayRepeat(partition, offset)) {
      repeats += 1
    } else {
      repeatsBeyond += 1
      violated(`${member} handled offset ${offset} of partition ${partition} again, which no kill explains`)
    }
    page.processes[offset] = numberOf(process)
  }

  const advance = (page: Page, partition: number) => {
    while (page.to < page.processes.length && page.processes[page.to] !== 0) {
      const before = page.to === 0 ? 0 : (page.endedAt[page.to - 1] ?? 0)
      const startedAt = page.ahead.get(page.to)?.startedAt ?? 0
      page.ahead.delete(page.to)
      if (startedAt < before) {
        violated(
          `out of order: offset ${page.to} of partition ${partition} was begun ${before - startedAt} ms before the one below it had ended`,
        )
      }
      page.endedAt[page.to] = Math.max(before, page.endedAt[page.to] ?? 0)
      page.to += 1
    }
  }

  return {
    note(attempt) {
      const { partition, offset, process, sequence, startedAt, endedAt, threw, sentAt } = attempt
      const page = pageOf(partition)
      judgeOwner(page, attempt)
      if (page.newestStart > 0) onSilence({ partition, from: page.newestStart, to: startedAt, offset })
      page.newestStart = Math.max(page.newestStart, startedAt)
      if (threw) return
      handled += 1
      page.newestSentAt = Math.max(page.newestSentAt, sentAt)
      page.ends.set(process, offset + 1)
      grow(page, offset)
      if (page.processes[offset] !== 0) return judgeRepeat(page, attempt)
      page.processes[offset] = numberOf(process)
      page.sequences[offset] = sequence
      page.endedAt[offset] = endedAt
      page.ahead.set(offset, { startedAt, notedAt: Date.now() })
      advance(page, partition)
    },
    handledTo: (partition) => pageOf(partition).to,
    handledAt(partition, below) {
      const page = pageOf(partition)
      if (below <= 0) return 0
      return below <= page.to ? (page.endedAt[below - 1] ?? 0) : Number.POSITIVE_INFINITY
    },
    endsOf(process) {
      return new Map(
        pages.flatMap(({ ends }, partition) => {
          const end = ends.get(process)
          return end === undefined ? [] : [[partition, end] as const]
        }),
      )
    },
    newestSentAt: (partition) => pageOf(partition).newestSentAt,
    newestStart: (partition) => pageOf(partition).newestStart,
    passedOver() {
      const before = Date.now() - PASSED_OVER_MS
      return pages.reduce((sum, { ahead, to }) => {
        const old = [...ahead].filter(([, { notedAt }]) => notedAt < before).map(([offset]) => offset)
        return old.length === 0 ? sum : sum + Math.min(...old) - to
      }, 0)
    },
    compare(log) {
      let lost = 0
      let foreign = 0
      for (const [partition, { low, sequences }] of log) {
        const page = pageOf(partition)
        for (const [index, sequence] of sequences.entries()) {
          if ((page.processes[low + index] ?? 0) === 0) lost += 1
          else if (page.sequences[low + index] !== sequence) foreign += 1
        }
        for (let offset = low + sequences.length; offset < page.processes.length; offset += 1) {
          if (page.processes[offset] !== 0) foreign += 1
        }
      }
      return { lost, foreign }
    },
    get handled() {
      return handled
    },
    get repeats() {
      return repeats
    },
    get repeatsBeyond() {
      return repeatsBeyond
    },
  }
}

function grow(page: Page, offset: number): void {
  if (offset < page.processes.length) return
  const length = Math.max(offset + 1, page.processes.length * 2)
  const { sequences, processes, endedAt } = page
  page.sequences = new Int32Array(length)
  page.sequences.set(sequences)
  page.processes = new Uint16Array(length)
  page.processes.set(processes)
  page.endedAt = new Float64Array(length)
  page.endedAt.set(endedAt)
}
