/** Median, 99th percentile and worst of measured values. */

export interface Spread {
  readonly median: number
  readonly p99: number
  readonly worst: number
  /** How many values. */
  readonly count: number
}

/** The smallest value that at least this share of the values does not exceed; 0 without any. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

export function spread(values: readonly number[]): Spread {
  return {
    median: quantile(values, 0.5),
    p99: quantile(values, 0.99),
    worst: quantile(values, 1),
    count: values.length,
  }
}
