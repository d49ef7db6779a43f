/**
 * The records in AutoMQ's topic of metrics, as its brokers write them (big-endian):
 * `int8 type, int8 version, int64 time, int32 broker, string rack, [string topic, int32 partition,] int32 n, n × { int8 metric, float64 value }`,
 * a string being an int32 of its bytes and these. Nothing in a record says how long it is, so what cannot be read is skipped as a whole.
 */

import type { Figure, Sample } from '../../machines/balancer/sample.ts'

/** The topic; a partition unless its brokers were configured otherwise, and records of half an hour. */
export const metricsTopic = '__auto_balancer_metrics'

/** Type of the records of partitions, and of brokers. */
export const recordTypes = { partition: 0, broker: 1 } as const

/** The metrics in records, by their number. */
export const metricIds = {
  bytesIn: 0,
  bytesOut: 1,
  size: 2,
  appendLatency: 3,
  pendingAppend: 4,
  pendingFetch: 5,
  brokerVersion: 6,
} as const

/**
 * Why a record was skipped. `truncated`: it ends too early; `malformed`: a length, a number or a name that can't be; `incomplete`: a metric is
 * missing that its broker's version has; `unknown-version`: of the record, or of the broker's metrics.
 */
export type SkipReason = 'unknown-type' | 'unknown-version' | 'truncated' | 'malformed' | 'incomplete'

export type ReadRecord =
  | {
      readonly sample: Sample
      /** Metrics that nobody here knows. */
      readonly unknownMetrics: number
    }
  | { readonly skipped: SkipReason }

/** Rates are averages over about the last minute, in milliseconds. */
const rateSpanMs = 60_000
const partitionMetrics = [metricIds.bytesIn, metricIds.bytesOut, metricIds.size]
/** What a broker's record has to have, by the version of its metrics; one that names none is of version 0. */
const brokerMetrics: readonly (readonly number[])[] = [
  [],
  [metricIds.appendLatency, metricIds.pendingAppend, metricIds.pendingFetch],
  [metricIds.appendLatency],
]
const known: ReadonlySet<number> = new Set(Object.values(metricIds))

/** Reads a record's value; what follows behind its metrics is left alone. `heardAt` as in the sample. Never throws. */
export function readMetricRecord(value: Buffer | null, heardAt: number | null): ReadRecord {
  try {
    return read(value ?? Buffer.alloc(0), heardAt)
  } catch (error) {
    if (error instanceof RangeError) return { skipped: 'truncated' }
    throw error
  }
}

function read(value: Buffer, heardAt: number | null): ReadRecord {
  let at = 0
  const take = (bytes: number): number => {
    at += bytes
    return at - bytes
  }
  const int32 = () => value.readInt32BE(take(4))
  const text = () => {
    const bytes = int32()
    if (bytes < 0) return undefined
    const start = take(bytes)
    if (at > value.length) throw new RangeError('a string ends behind its record')
    return value.toString('utf8', start, at)
  }
  const type = value.readInt8(take(1))
  if (type !== recordTypes.partition && type !== recordTypes.broker) return { skipped: 'unknown-type' }
  if (value.readInt8(take(1)) !== 0) return { skipped: 'unknown-version' }
  const time = Number(value.readBigInt64BE(take(8)))
  const brokerId = int32()
  const rack = text()
  const topic = type === recordTypes.partition ? text() : ''
  const partition = type === recordTypes.partition ? int32() : 0
  const count = int32()
  const isWrong = rack === undefined || topic === undefined || (topic === '') !== (type === recordTypes.broker)
  if (isWrong || time < 0 || brokerId < 0 || partition < 0 || count < 0) return { skipped: 'malformed' }
  const metrics = new Map<number, number>()
  for (let left = count; left > 0; left--) {
    const id = value.readInt8(take(1))
    metrics.set(id, value.readDoubleBE(take(8)))
  }
  for (const [id, figure] of metrics)
    if (known.has(id) && !(figure >= 0 && figure < Number.POSITIVE_INFINITY)) return { skipped: 'malformed' }
  const shared = { brokerId, at: time, heardAt, spanMs: rateSpanMs }
  const unknownMetrics = [...metrics.keys()].filter((id) => !known.has(id)).length
  if (type === recordTypes.partition) {
    if (!partitionMetrics.every((id) => metrics.has(id))) return { skipped: 'incomplete' }
    const [bytesIn, bytesOut, size] = partitionMetrics.map((id) => reported(metrics.get(id) ?? 0)) as Triple
    return { sample: { kind: 'partition', ...shared, topic, partition, bytesIn, bytesOut, size }, unknownMetrics }
  }
  const required = brokerMetrics[metrics.get(metricIds.brokerVersion) ?? 0]
  if (!required) return { skipped: 'unknown-version' }
  if (!required.every((id) => metrics.has(id))) return { skipped: 'incomplete' }
  const pendingAppendMs = metrics.get(metricIds.pendingAppend)
  const pendingFetchMs = metrics.get(metricIds.pendingFetch)
  return {
    sample: {
      kind: 'broker',
      ...shared,
      ...(rack === '' ? {} : { rack }),
      ...(pendingAppendMs === undefined ? {} : { pendingAppendMs }),
      ...(pendingFetchMs === undefined ? {} : { pendingFetchMs }),
    },
    unknownMetrics,
  }
}

type Triple = [Figure, Figure, Figure]

const reported = (value: number): Figure => ({ value, trust: 1, origin: 'reported' })
