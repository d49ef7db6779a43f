/** The instruments of a meter, one for each metric of the table. */

import type { Attributes, Counter, Histogram, Meter, ObservableCounter, ObservableGauge } from '@opentelemetry/api'
import { type Metric, type MetricKey, metrics } from './metrics.ts'

/** Instruments that are read when metrics are collected. */
export type Observed = ReadonlyMap<MetricKey, ObservableCounter | ObservableGauge>

export interface Instruments {
  /** Adds to a counter, or records in a histogram. */
  readonly write: (key: MetricKey, value: number, attributes: Attributes) => void
  readonly observed: Observed
}

export function createInstruments(meter: Meter): Instruments {
  const written = new Map<MetricKey, Counter | Histogram>()
  const observed = new Map<MetricKey, ObservableCounter | ObservableGauge>()
  for (const [key, { name, kind, unit, description, buckets }] of Object.entries(metrics) as [MetricKey, Metric][]) {
    const options = { unit, description }
    if (kind === 'counter') written.set(key, meter.createCounter(name, options))
    if (kind === 'histogram') {
      const advice = buckets ? { advice: { explicitBucketBoundaries: [...buckets] } } : {}
      written.set(key, meter.createHistogram(name, { ...options, ...advice }))
    }
    if (kind === 'observed counter') observed.set(key, meter.createObservableCounter(name, options))
    if (kind === 'observed gauge') observed.set(key, meter.createObservableGauge(name, options))
  }
  return {
    observed,
    write(key, value, attributes) {
      const instrument = written.get(key)
      if (instrument && 'add' in instrument) instrument.add(value, attributes)
      else instrument?.record(value, attributes)
    },
  }
}
