/**
 * From two looks at the logs of a cluster to what its partitions carried between them.
 *
 * | figure | is | trust |
 * |---|---|---|
 * | in | growth of the log in offsets × bytes per offset | of these, less under ten seconds |
 * | out | progress of groups' commits in offsets × bytes per offset | 0.8 of these; 0.6 where no group commits; 0.4 where one was not seen |
 * | size | of the leader's replica | 1 |
 *
 * | bytes per offset from | where | trust |
 * |---|---|---|
 * | the growth of the leader's replica | its log begins where it did, is not compacted, and has grown | 1 |
 * | the headers of the newest batches | they were fetched | 0.9 |
 * | the whole log | it is not compacted | 0.7 |
 */

import type { TopicPartition } from '../topic-partition.ts'
import type { Figure, Origin, PartitionSample } from './sample.ts'

/** A partition's log as it was seen. */
export interface LogState extends TopicPartition {
  /** Undefined where brokers have no ids of topics (before Kafka 2.8). */
  readonly topicId: string | undefined
  readonly leader: number
  /** When its end was asked for, in milliseconds since 1970, and in milliseconds of a clock that nobody sets, by which spans are measured. */
  readonly at: number
  readonly steadyMs: number
  readonly start: bigint
  readonly end: bigint
  /** Bytes of its replicas by node, as far as their brokers have said. */
  readonly sizes: ReadonlyMap<number, number>
  readonly isCompacted: boolean
}

/** What a group had committed, by partition, and when it was asked, by the clock that nobody sets. */
export interface GroupCommits {
  readonly steadyMs: number
  readonly offsets: ReadonlyMap<string, bigint>
}

/** A cluster at one time; partitions as `topic/partition`. */
export interface Look {
  readonly logs: ReadonlyMap<string, LogState>
  readonly groups: ReadonlyMap<string, GroupCommits>
  /** Every group there is was asked. */
  readonly hasAllGroups: boolean
}

/** Batches whose headers were read: their bytes and offsets together. */
export interface Batches {
  readonly bytes: number
  readonly offsets: number
}

/** A place in a log. */
export interface LogPlace extends TopicPartition {
  readonly leader: number
  readonly from: bigint
}

export interface Voided extends TopicPartition {
  readonly why: 'recreated' | 'truncated'
}

const trusts = {
  growth: 1,
  batches: 0.9,
  wholeLog: 0.7,
  commits: 0.8,
  noGroup: 0.6,
  groupUnseen: 0.4,
  past: 0.7,
} as const
/** Shorter spans have less trust, in milliseconds; commits come only every few seconds. */
const leastSpanMs = { in: 10_000, out: 15_000 } as const

/** Batches are fetched from this part of what is new, at its end: what is older may be compacted already. */
const nearEnd = 16n

/** Where batches have to be fetched to know the bytes per offset between these looks; without a look before, in the past that is backfilled. */
export function placesToFetch(before: Look | undefined, after: Look): LogPlace[] {
  const places: LogPlace[] = []
  for (const [key, log] of after.logs) {
    const was = sameLog(before?.logs.get(key), log)
    const grown = was ? log.end - was.end : log.end - log.start
    const isRead = [...after.groups].some(([groupId, { offsets }]) => {
      return offsets.get(key) !== before?.groups.get(groupId)?.offsets.get(key)
    })
    const needs =
      grown > 0n
        ? growthOf(was, log) === undefined && (was !== undefined || log.isCompacted)
        : isRead && log.isCompacted
    if (!needs || log.end === log.start) continue
    const { topic, partition, leader } = log
    places.push({ topic, partition, leader, from: log.end - larger(1n, was ? grown / nearEnd : 0n) })
  }
  return places
}

/** What each partition carried between two looks, as far as both have its log. */
export function samplesBetween(
  before: Look,
  after: Look,
  batches: ReadonlyMap<string, Batches>,
): { readonly samples: readonly PartitionSample[]; readonly voided: readonly Voided[] } {
  const samples: PartitionSample[] = []
  const voided: Voided[] = []
  const out = progressOf(before, after)
  for (const [key, log] of after.logs) {
    const earlier = before.logs.get(key)
    const { topic, partition } = log
    if (!earlier) continue
    const was = sameLog(earlier, log)
    if (!was) {
      voided.push({ topic, partition, why: earlier.topicId === log.topicId ? 'truncated' : 'recreated' })
      continue
    }
    const spanMs = log.steadyMs - was.steadyMs
    if (spanMs <= 0) continue
    const density = growthOf(was, log) ?? densityOf(log, batches.get(key))
    samples.push({
      ...{ kind: 'partition', topic, partition, brokerId: log.leader, at: log.at, heardAt: log.at, spanMs },
      bytesIn: inFigure(log.end - was.end, density, spanMs),
      bytesOut: outFigure(out.get(key), density, spanMs, before.hasAllGroups && after.hasAllGroups),
      size: sizeOf(log),
    })
  }
  return { samples, voided }
}

/** A log or group that was missing from the last looks is compared with an older one of up to this age, in milliseconds. */
const keptMs = 180_000

/** This look, with what it is missing taken over from the one before: it is there to be compared with the next one. */
export function withMissing(before: Look | undefined, look: Look, steadyMs: number): Look {
  const isKept = ([, seen]: readonly [string, { readonly steadyMs: number }]) => steadyMs - seen.steadyMs <= keptMs
  const logs = new Map([...(before?.logs ?? [])].filter(isKept))
  const groups = new Map([...(before?.groups ?? [])].filter(isKept))
  for (const [key, log] of look.logs) logs.set(key, log)
  for (const [groupId, commits] of look.groups) groups.set(groupId, commits)
  return { ...look, logs, groups }
}

/** Where logs ended at a time in the past, in milliseconds since 1970. */
export interface PastEnds {
  readonly at: number
  readonly ends: ReadonlyMap<string, bigint>
}

/** What each partition took in before the first look, from the times of its messages; `past` from the oldest to the newest. */
export function samplesBefore(
  look: Look,
  past: readonly PastEnds[],
  batches: ReadonlyMap<string, Batches>,
): readonly PartitionSample[] {
  const samples: PartitionSample[] = []
  for (const [key, log] of look.logs) {
    const density = densityOf(log, batches.get(key))
    const known = past.flatMap(({ at, ends }) => {
      const end = ends.get(key)
      return end === undefined ? [] : [{ at, end }]
    })
    const points = [...known, { at: log.at, end: log.end }]
    for (const [index, { at, end }] of points.entries()) {
      const was = points[index - 1]
      // Messages bear whatever time their producers say.
      if (!was || end < was.end || was.end < log.start) continue
      const spanMs = at - was.at
      const { value, trust, origin } = inFigure(end - was.end, density, spanMs)
      samples.push({
        ...{ kind: 'partition', topic: log.topic, partition: log.partition, brokerId: log.leader },
        ...{ at, heardAt: null, spanMs },
        bytesIn: { value, trust: trust * trusts.past, origin },
        bytesOut: unknown,
        size: sizeOf(log),
      })
    }
  }
  return samples
}

const larger = (one: bigint, other: bigint): bigint => (one > other ? one : other)

interface Density {
  readonly bytesPerOffset: number
  readonly trust: number
  readonly origin: Origin
}

const unknown: Figure = { value: 0, trust: 0, origin: 'unknown' }

/** What was seen before, if it was this log and no more of it. */
function sameLog(before: LogState | undefined, log: LogState): LogState | undefined {
  return before && before.topicId === log.topicId && before.end <= log.end ? before : undefined
}

/** By how much the leader's replica grew per offset. */
function growthOf(
  was: LogState | undefined,
  { leader, start, end, sizes, isCompacted }: LogState,
): Density | undefined {
  const [before, now] = [was?.sizes.get(leader), sizes.get(leader)]
  if (!was || before === undefined || now === undefined || isCompacted) return undefined
  if (was.start !== start || now <= before || end <= was.end) return undefined
  return { bytesPerOffset: (now - before) / Number(end - was.end), trust: trusts.growth, origin: 'size-per-offset' }
}

function densityOf(
  { leader, start, end, sizes, isCompacted }: LogState,
  batches: Batches | undefined,
): Density | undefined {
  if (batches && batches.offsets > 0)
    return { bytesPerOffset: batches.bytes / batches.offsets, trust: trusts.batches, origin: 'batch-headers' }
  const size = sizes.get(leader)
  if (size === undefined || isCompacted || end <= start) return undefined
  return { bytesPerOffset: size / Number(end - start), trust: trusts.wholeLog, origin: 'size-per-offset' }
}

function inFigure(offsets: bigint, density: Density | undefined, spanMs: number): Figure {
  const spanTrust = Math.min(1, spanMs / leastSpanMs.in)
  if (offsets === 0n) return { value: 0, trust: spanTrust, origin: 'size-per-offset' }
  if (!density) return unknown
  const { bytesPerOffset, trust, origin } = density
  return { value: (Number(offsets) * bytesPerOffset * 1000) / spanMs, trust: trust * spanTrust, origin }
}

/** Offsets per second that groups went on by, and whether one of them was not seen before, or went back. */
interface Progress {
  perSecond: number
  isUnsure: boolean
}

function progressOf(before: Look, after: Look): ReadonlyMap<string, Progress> {
  const found = new Map<string, Progress>()
  for (const [groupId, { steadyMs, offsets }] of after.groups) {
    const was = before.groups.get(groupId)
    for (const [key, offset] of offsets) {
      const progress = found.get(key) ?? { perSecond: 0, isUnsure: false }
      found.set(key, progress)
      const from = was?.offsets.get(key)
      if (!was || from === undefined || offset < from || steadyMs <= was.steadyMs) progress.isUnsure = true
      else progress.perSecond += (Number(offset - from) * 1000) / (steadyMs - was.steadyMs)
    }
  }
  return found
}

function outFigure(
  progress: Progress | undefined,
  density: Density | undefined,
  spanMs: number,
  hasAllGroups: boolean,
): Figure {
  const most = hasAllGroups && !progress?.isUnsure ? 1 : trusts.groupUnseen
  const spanTrust = Math.min(1, spanMs / leastSpanMs.out)
  if (!progress || (progress.perSecond === 0 && !progress.isUnsure))
    return {
      value: 0,
      trust: Math.min(most, (progress ? trusts.commits : trusts.noGroup) * spanTrust),
      origin: 'commits',
    }
  if (!density || progress.perSecond === 0) return unknown
  const trust = Math.min(most, trusts.commits * density.trust * spanTrust)
  return { value: progress.perSecond * density.bytesPerOffset, trust, origin: 'commits' }
}

function sizeOf({ leader, sizes }: LogState): Figure {
  const size = sizes.get(leader)
  return size === undefined ? unknown : { value: size, trust: 1, origin: 'log-dirs' }
}
