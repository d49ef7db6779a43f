/** The journal: the append-only record of facts. This file holds the contract, the envelope and its checksum. */

import { createHash } from 'node:crypto'
import type { FactData, FactType, Plan } from '../../machines/fact.ts'
import { codeOf } from '../../machines/failure.ts'
import { errorFrom, optionError, type RelistenError } from '../error.ts'

/** One recorded event, in an envelope. JSON throughout, no secrets. docs/journal.md is made from these texts. */
export interface JournalRecord {
  /** Position in the journal: 1 for the first record, and one more for each next one. */
  readonly seq: number
  /** When it was recorded, in milliseconds since 1970. */
  readonly at: number
  /** The consumer's group id; of `follow`, the `clientId`. */
  readonly consumer: string
  /** Which session was at work: 1 for the first, one more for each that replaces another; 0 before the first. */
  readonly epoch: number
  /** The state machine that recorded it, as its path of ids. */
  readonly actor: string
  /**
   * The fact's type; or `actor.started`, `actor.stopped`, `actor.completed`, `actor.failed`; or, of the journal itself, `journal.snapshot` (the state machines
   * as they are here, at the head of a file) and `journal.repaired` (what was damaged when it was opened).
   */
  readonly type: string
  /** What the fact says beside its type. */
  readonly data: Readonly<Record<string, unknown>>
  /** The top-level state before; null for the first record of a state machine. */
  readonly from: string | null
  /** The top-level state after; equal to `from` when the fact changed none. Within a hand-over `plan.kind` names the nested state. */
  readonly to: string | null
  /** The hand-over under way after the fact, with `kind` (`in-place` or `replacement`) and `reason`; null when there is none. */
  readonly plan: Plan | null
  /** `seq` of the record whose transition started what led here; null for what comes from outside. */
  readonly cause: number | null
  /** Version of the state machines that wrote it. Records of older versions are translated when they are read. */
  readonly machineVersion: string
  /** Checksum of the record before; empty for the first. */
  readonly previous: string
  /** First 16 hex digits of the SHA-256 over the canonical JSON of all other fields. */
  readonly checksum: string
}

/** A record of one type of fact, with its data typed. */
export type RecordOf<Type extends FactType> = JournalRecord & { readonly type: Type; readonly data: FactData[Type] }

/** A record of any fact. */
export type FactRecord = { [Type in FactType]: RecordOf<Type> }[FactType]

/** A record of anything that is told: of a fact, of a machine that begins or ends, or of what the journal says of itself. */
export type AnyRecord = FactRecord | (JournalRecord & { readonly type: OwnType })

type OwnType = `actor.${'started' | 'stopped' | 'completed' | 'failed'}` | `journal.${'snapshot' | 'repaired'}`

/** What becomes of a consumer whose journal can't append: it stops taking messages, or goes on with a journal in memory. */
export type JournalPolicy = 'stop-intake' | 'degrade'

/** Where records are kept. Every adapter passes the same tests. */
export interface Journal {
  /**
   * Appends one record and returns when it is durable; synchronous. `expectedSeq` is the newest seq the caller knows (0 for an empty
   * journal). Throws `journal-failed` when another writer was faster, when the record does not continue the chain, when it can't be
   * stored, or after `close()`; then it is not stored.
   */
  append(record: JournalRecord, expectedSeq: number): void
  /** The records in order, beginning with seq `from` (default: the oldest kept). */
  read(from?: number): Iterable<JournalRecord>
  /** Releases files and locks. Does nothing the second time. */
  close(): void
  /** True when a `journal.snapshot` is due: it is appended after the next record. Left out by a journal that needs none. */
  readonly wantsSnapshot?: boolean | undefined
  /** `seq` of the newest `journal.snapshot`: who reads from there knows the present. Undefined when there is none. */
  readonly snapshotSeq?: number | undefined
  /** What was repaired when it was opened, as it is recorded; undefined when nothing was. */
  readonly repair?: object | undefined
}

/** Where a chain of records ends: what the next one has to continue. */
export interface ChainEnd {
  readonly seq: number
  readonly checksum: string
}

/** The end of the chain that `record` continues, by what it says itself. */
export const endBefore = ({ seq, previous }: JournalRecord): ChainEnd => ({ seq: seq - 1, checksum: previous })

export const chainStart: ChainEnd = { seq: 0, checksum: '' }

/** Puts seq and checksums on a record that continues `end`. */
export function sealed(open: Omit<JournalRecord, 'seq' | 'previous' | 'checksum'>, end: ChainEnd): JournalRecord {
  const record = { seq: end.seq + 1, ...open, previous: end.checksum }
  return { ...record, checksum: checksumOf(record) }
}

/** Says why `record` does not continue the chain at `end`; undefined when it does. */
export function brokenChain(record: JournalRecord, end: ChainEnd): string | undefined {
  if (record.seq !== end.seq + 1) return `expected record ${end.seq + 1}, got ${record.seq}`
  if (record.previous !== end.checksum) return `record ${record.seq} does not continue the record before it`
  const { checksum, ...rest } = record
  return checksumOf(rest) === checksum ? undefined : `record ${record.seq} does not fit its checksum`
}

/** Throws unless `record` can be appended to a journal that ends at `end`. */
export function assertAppendable(record: JournalRecord, expectedSeq: number, end: ChainEnd): void {
  if (expectedSeq !== end.seq) {
    throw journalError(
      `the writer expected record ${expectedSeq} to be the newest, but ${end.seq} is. Is there a second writer?`,
    )
  }
  const broken = brokenChain(record, end)
  if (broken !== undefined) throw journalError(`${broken}.`)
}

/** The error for a journal that can't do what it should. */
export function journalError(message: string, cause?: unknown): RelistenError {
  const code = codeOf(cause)
  return errorFrom({ kind: 'journal-failed', message, ...(code === undefined ? {} : { code }) }, cause)
}

/** Throws `invalid-option` for a size of a journal that can't be. */
export function checkSize(name: string, value: number, least: number, unit: 'bytes' | 'records'): void {
  if (Number.isInteger(value) && value >= least) return
  throw optionError(
    `Expected \`${name}\` to be a whole number of at least ${least}, got ${String(value)}`,
    `write a number of ${unit}, as in \`${name}: ${4 * least}\`.`,
  )
}

/** JSON with sorted keys, so that equal values give equal text. Errors become their message, bigints their digits. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(ordered(value))
}

/** Each record passes through here three times; a replacer of `JSON.stringify` takes three times as long. */
function ordered(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) return { message: value.message, name: value.name }
  if (Array.isArray(value)) return value.map(ordered)
  const each = value as Record<string, unknown>
  if (typeof each.toJSON === 'function') return ordered(each.toJSON())
  const sorted: Record<string, unknown> = {}
  for (const key of Object.keys(each).sort()) sorted[key] = ordered(each[key])
  return sorted
}

function checksumOf(record: Omit<JournalRecord, 'checksum'>): string {
  return createHash('sha256').update(canonicalJson(record)).digest('hex').slice(0, 16)
}
