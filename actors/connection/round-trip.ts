/**
 * A round trip: how long an endpoint takes to answer what it answers at once, smoothed as TCP smooths its own (RFC 6298, section 2).
 * Deadlines are derived from it. Fetches, and other requests that are work for the broker, do not count.
 */

/** One sample counts as at most 4 times what is known plus 250 ms: a process that stood still measures itself. */
const mostGrowth = 4
const growthMs = 250
/** The longest round trip a deadline allows for, in milliseconds: a busy machine measures itself, and must still notice a silence. */
const mostMs = 1000
/** Round trips of a rebuild: the move is seen, a socket, TLS and a login of up to seven, identity, what waited, the proof. */
const rebuildTrips = 16
const mostEndpoints = 256

export class RoundTrip {
  private smoothedMs: number | undefined
  private varianceMs = 0

  /** Adds a sample: an answer that was given at once took this long, in milliseconds. */
  note(tookMs: number): void {
    const { smoothedMs } = this
    if (smoothedMs === undefined) {
      this.smoothedMs = tookMs
      this.varianceMs = tookMs / 2
      return
    }
    const sampleMs = Math.min(tookMs, smoothedMs * mostGrowth + growthMs)
    this.varianceMs += (Math.abs(smoothedMs - sampleMs) - this.varianceMs) / 4
    this.smoothedMs = smoothedMs + (sampleMs - smoothedMs) / 8
  }

  /** How long it takes, in milliseconds; undefined before the first sample. */
  get ms(): number | undefined {
    return this.smoothedMs
  }

  /** An answer that takes longer than this is late, in milliseconds; 0 before the first sample. Never below two round trips: a false alarm costs a login. */
  get lateMs(): number {
    const { smoothedMs = 0, varianceMs } = this
    return Math.min(mostMs, smoothedMs + Math.max(smoothedMs, varianceMs * 4))
  }
}

/** The round trips to all endpoints of one dialer. Beyond 256 the longest unused are forgotten. */
export class RoundTrips {
  private readonly known = new Map<string, RoundTrip>()

  to(endpoint: string): RoundTrip {
    const roundTrip = this.known.get(endpoint) ?? new RoundTrip()
    this.known.delete(endpoint)
    this.known.set(endpoint, roundTrip)
    const [oldest] = this.known.keys()
    if (this.known.size > mostEndpoints && oldest !== undefined) this.known.delete(oldest)
    return roundTrip
  }
}

/** How long a rebuild, or else what dials before it asks, may take where an answer is late after `lateMs`: the option, or more where the brokers are far. In milliseconds. */
export const rebuildWithin = (rebuildTimeoutMs: number, lateMs: number): number =>
  Math.max(rebuildTimeoutMs, rebuildTrips * lateMs)
