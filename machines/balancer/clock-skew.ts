/**
 * How far a broker's clock is from ours. A sample comes a little after it was measured: the time on its way by our clock, minus by the broker's,
 * is the skew and the delay together. Delays come and go and only add to it, so the least of the newest ones is nearest to the skew; the second
 * least is taken, since a single sample may have any time.
 */

/** From the oldest to the newest: our clock minus the broker's when a sample came, in milliseconds. */
export type ClockLags = readonly { readonly at: number; readonly lagMs: number }[]

/** Lags that are kept: those of the last one and a half minutes, where a broker reports every ten seconds. */
const lagsKept = 9
/** Clocks that differ by less count as the same, in milliseconds: two reports, ten seconds apart, may take as long when they are held up. */
export const toleratedSkewMs = 25_000

/** With a sample that was measured at `at` by the broker's clock and came at `heardAt` by ours; those of one report count once. */
export function noteLag(lags: ClockLags, at: number, heardAt: number): ClockLags {
  if (lags.some((lag) => lag.at === at)) return lags
  return [...lags, { at, lagMs: heardAt - at }].slice(-lagsKept)
}

/** What to add to the broker's times to have ours, in milliseconds; 0 where the clocks agree or nothing is known. */
export function skewOf(lags: ClockLags): number {
  const sorted = lags.map(({ lagMs }) => lagMs).sort((one, other) => one - other)
  const skewMs = sorted[1] ?? sorted[0] ?? 0
  return Math.abs(skewMs) > toleratedSkewMs ? skewMs : 0
}
