/** A backoff: how long to wait before the next attempt. Full jitter between a floor and a growing cap. */

/** Bounds of a backoff, in milliseconds. */
export interface BackoffBounds {
  /** Never shorter than this. Default 0. */
  readonly floorMs?: number
  /** The longest wait before the second attempt; doubles with each further one. */
  readonly baseMs: number
  /** The longest wait there ever is. */
  readonly capMs: number
}

/**
 * The wait after `attempt` failed attempts (1 or more), in whole milliseconds: evenly spread from the floor to `baseMs` · 2^(attempt − 1),
 * at most `capMs`. `random` is a number in [0, 1) and comes from outside, so that the same history gives the same wait.
 */
export function backoffMs(attempt: number, { floorMs = 0, baseMs, capMs }: BackoffBounds, random: number): number {
  const longest = Math.max(floorMs, Math.min(capMs, baseMs * 2 ** Math.max(0, attempt - 1)))
  return Math.round(floorMs + (longest - floorMs) * random)
}
