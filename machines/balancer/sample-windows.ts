/**
 * Samples gathered per partition and per broker, and the load they come to.
 *
 * | a sample that | is |
 * |---|---|
 * | is of a broker whose clock is off | judged by ours: see `clock-skew.ts` |
 * | is older than three minutes | late: left out |
 * | is of a time to come, by more than clocks may differ | early: left out |
 * | is of the same broker and time as one before | doubled: left out |
 * | comes behind a later one | put in its place |
 *
 * What a partition carries is the mean over its newest samples, by their trust and span. Where no sample comes any more, only the trust in this
 * partition falls.
 */

import { partitionKey, type TopicPartition } from '../topic-partition.ts'
import { type ClockLags, noteLag, skewOf, toleratedSkewMs } from './clock-skew.ts'
import type { BrokerSample, Figure, PartitionSample, Sample } from './sample.ts'
import type { PendingHistory } from './slow-broker.ts'

/** Begin with `emptyWindows`. */
export interface SampleWindows {
  readonly partitions: ReadonlyMap<string, PartitionWindow>
  readonly brokers: ReadonlyMap<number, BrokerWindow>
  readonly counts: SampleCounts
}

/** How many samples were taken in, and how many left out, by why; `reordered` ones are among those taken in. */
export type SampleCounts = Readonly<Record<'taken' | 'late' | 'early' | 'doubled' | 'reordered', number>>

interface PartitionWindow extends TopicPartition {
  /** From the oldest to the newest. */
  readonly entries: readonly Entry[]
  readonly size: Figure
}

/** What of a sample is kept: `at` by our clock, `saidAt` by its broker's. */
type Entry = Pick<PartitionSample, 'brokerId' | 'at' | 'spanMs' | 'bytesIn' | 'bytesOut'> & { readonly saidAt: number }

interface BrokerWindow {
  readonly lags: ClockLags
  readonly rack: string | undefined
  /** From the oldest to the newest. */
  readonly reports: readonly Report[]
}

/** What a broker said of itself: `at` by our clock, `saidAt` by its own; the longer of its two pending times, undefined where it named none. */
interface Report {
  readonly brokerId: number
  readonly at: number
  readonly saidAt: number
  readonly pendingMs: number | undefined
}

export interface PartitionLoad extends TopicPartition {
  /** The broker of the newest sample. */
  readonly brokerId: number
  /** The newest sample, in milliseconds since 1970 by our clock. */
  readonly at: number
  readonly bytesIn: Figure
  readonly bytesOut: Figure
  readonly size: Figure
  /** The trust that its age leaves it, from 0 to 1; each figure's own has it as a factor. */
  readonly trust: number
}

export interface BrokerLoad {
  /** What to add to its times to have ours, in milliseconds. */
  readonly skewMs: number
  readonly rack: string | undefined
  /** Pending times for the judgement of slow brokers; empty where it has been silent for three minutes. */
  readonly pending: PendingHistory
}

export interface Load {
  /** By topic and partition, as `topic/partition`. */
  readonly partitions: ReadonlyMap<string, PartitionLoad>
  readonly brokers: ReadonlyMap<number, BrokerLoad>
}

/** A sample of this age still has all its trust, in milliseconds. */
export const freshMs = 60_000
/** A sample of this age has none, and is left out; in milliseconds. */
export const staleMs = 180_000
/** A partition or broker is forgotten after this time without a sample, in milliseconds. */
const forgottenMs = 600_000
const entriesKept = 9
/** Reports of a broker that are kept: half an hour of them, where it makes one every ten seconds. */
const reportsKept = 180

export const emptyWindows: SampleWindows = {
  partitions: new Map(),
  brokers: new Map(),
  counts: { taken: 0, late: 0, early: 0, doubled: 0, reordered: 0 },
}

const unheard: BrokerWindow = { lags: [], rack: undefined, reports: [] }

/** With these samples, in the order in which they came. It costs the size of the windows, so give it many at once. `now` by our clock. */
export function takeIn(windows: SampleWindows, samples: readonly Sample[], now: number): SampleWindows {
  const partitions = new Map(windows.partitions)
  const brokers = new Map(windows.brokers)
  const counts = { ...windows.counts }
  // Clocks first: those of samples that were held up come right with the last of them.
  for (const { brokerId, at, heardAt } of samples) {
    const broker = brokers.get(brokerId) ?? unheard
    brokers.set(brokerId, heardAt === null ? broker : { ...broker, lags: noteLag(broker.lags, at, heardAt) })
  }
  for (const sample of samples) {
    const broker = brokers.get(sample.brokerId) ?? unheard
    const at = sample.at + skewOf(broker.lags)
    if (at < now - staleMs) counts.late++
    else if (at > now + toleratedSkewMs) counts.early++
    else if (sample.kind === 'broker') brokers.set(sample.brokerId, withReport(broker, sample, at, counts))
    else {
      const key = partitionKey(sample)
      partitions.set(key, withSample(partitions.get(key), sample, Math.min(at, now), counts))
    }
  }
  for (const [key, { entries }] of partitions) if ((entries.at(-1)?.at ?? 0) < now - forgottenMs) partitions.delete(key)
  for (const [id, { lags, reports }] of brokers) {
    const heardAt = lags.at(-1)
    const last = Math.max(reports.at(-1)?.at ?? 0, heardAt ? heardAt.at + heardAt.lagMs : 0)
    if (last < now - forgottenMs) brokers.delete(id)
  }
  return { partitions, brokers, counts }
}

/** Without these partitions, which are there no more or are others of the same name. */
export function forget(windows: SampleWindows, isGone: (partition: TopicPartition) => boolean): SampleWindows {
  return { ...windows, partitions: new Map([...windows.partitions].filter(([, window]) => !isGone(window))) }
}

/** What each partition carries and each broker says, at `now` by our clock. */
export function loadOf({ partitions, brokers }: SampleWindows, now: number): Load {
  const loads = new Map<string, PartitionLoad>()
  for (const [key, { topic, partition, entries, size }] of partitions) {
    const last = entries.at(-1)
    if (!last) continue
    const trust = trustAt(now - last.at)
    loads.set(key, {
      ...{ topic, partition, brokerId: last.brokerId, at: last.at, trust },
      bytesIn: mean(entries, 'bytesIn', now),
      bytesOut: mean(entries, 'bytesOut', now),
      size: { ...size, trust: size.trust * trust },
    })
  }
  const said = new Map<number, BrokerLoad>()
  for (const [brokerId, { lags, rack, reports }] of brokers) {
    const isSilent = now - (reports.at(-1)?.at ?? 0) > staleMs
    const pending = isSilent ? [] : reports.flatMap(({ pendingMs }) => (pendingMs === undefined ? [] : [pendingMs]))
    said.set(brokerId, { skewMs: skewOf(lags), rack, pending })
  }
  return { partitions: loads, brokers: said }
}

type Counts = { -readonly [Kind in keyof SampleCounts]: number }

function withSample(
  window: PartitionWindow | undefined,
  { topic, partition, brokerId, spanMs, bytesIn, bytesOut, size, at: saidAt }: PartitionSample,
  at: number,
  counts: Counts,
): PartitionWindow {
  const { entries: before = [] } = window ?? {}
  const entry: Entry = { brokerId, at, saidAt, spanMs, bytesIn, bytesOut }
  const entries = placed(before, entry, counts).slice(-entriesKept)
  return { topic, partition, entries, size: entries.at(-1) === entry || !window ? size : window.size }
}

function withReport(window: BrokerWindow, sample: BrokerSample, at: number, counts: Counts): BrokerWindow {
  const { brokerId, at: saidAt, pendingAppendMs, pendingFetchMs, rack = window.rack } = sample
  const isSilent = pendingAppendMs === undefined && pendingFetchMs === undefined
  const pendingMs = isSilent ? undefined : Math.max(pendingAppendMs ?? 0, pendingFetchMs ?? 0)
  const reports = placed(window.reports, { brokerId, at, saidAt, pendingMs }, counts)
  return { ...window, rack, reports: reports.slice(-reportsKept) }
}

/** With this one at its place in time, unless it is there. */
function placed<Said extends Pick<Report, 'brokerId' | 'at' | 'saidAt'>>(
  before: readonly Said[],
  said: Said,
  counts: Counts,
): readonly Said[] {
  if (before.some(({ saidAt, brokerId }) => saidAt === said.saidAt && brokerId === said.brokerId)) {
    counts.doubled++
    return before
  }
  counts.taken++
  const place = before.findLastIndex(({ at }) => at <= said.at) + 1
  if (place < before.length) counts.reordered++
  return [...before.slice(0, place), said, ...before.slice(place)]
}

/** From all to none, between the ages that are fresh and stale. */
const trustAt = (ageMs: number): number => Math.min(1, Math.max(0, (staleMs - ageMs) / (staleMs - freshMs)))

function mean(entries: readonly Entry[], name: 'bytesIn' | 'bytesOut', now: number): Figure {
  let [sum, weights, trusts, spans] = [0, 0, 0, 0]
  let newest: Figure | undefined
  for (const entry of entries) {
    const { value, trust } = entry[name]
    if (now - entry.at > staleMs || trust === 0) continue
    const weight = entry.spanMs * trust
    sum += value * weight
    weights += weight
    trusts += trust * entry.spanMs
    spans += entry.spanMs
    newest = entry[name]
  }
  const last = entries.findLast((entry) => entry[name] === newest)
  if (!newest || !last || weights === 0)
    return { value: entries.at(-1)?.[name].value ?? 0, trust: 0, origin: 'unknown' }
  return { value: sum / weights, trust: (trusts / spans) * trustAt(now - last.at), origin: newest.origin }
}
