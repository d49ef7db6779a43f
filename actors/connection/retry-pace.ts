/**
 * The pace of retries: how long one thing that keeps failing waits before its next try. The bounds of every kind of failure are in
 * one table here; who shares a pace is decided where it is used (`dial-pace.ts`, `login-pace.ts`, lookups and questions).
 */

/** Growth and cap of the waits of a streak, in milliseconds. Each wait is drawn between two thirds of it and the whole. */
export interface StreakBounds {
  readonly baseMs: number
  readonly capMs: number
}

export const bounds = {
  /** 20–30 ms after the first failure, 1–1.5 s from the seventh on: at most 66 in a minute. */
  dial: { baseMs: 30, capMs: 1500 },
  /** Refused for its identity or its cluster: trying often changes nothing. */
  refusal: { baseMs: 1500, capMs: 1500 },
  /** 5–7.5 s, then up to 60 s: more would lock the account. At most 6 in the first minute, 2 in each later one. */
  login: { baseMs: 7500, capMs: 60_000 },
  /** The broker does not speak the versions we need: somebody has to upgrade it. */
  version: { baseMs: 7500, capMs: 15_000 },
  /** Leaders and coordinators change while we look them up: 333–500 ms at the longest, at most 182 in a minute. */
  lookUp: { baseMs: 30, capMs: 500 },
  /** A question that no broker answered. */
  question: { baseMs: 30, capMs: 1500 },
  /** A definite no, such as a missing right. */
  denial: { baseMs: 1500, capMs: 7500 },
} as const satisfies Record<string, StreakBounds>

/** Failures are remembered this long after the end of their wait, in milliseconds: what is tried only rarely has a streak too. */
const rememberedMs = 60_000

/** Failures in a row of one thing, and when it may be tried again. */
export class Streak {
  failures = 0
  /** Each kind of failure grows on its own: after many failed dials, the first refused login still counts as the first. */
  private readonly kinds = new Map<StreakBounds, number>()
  private nextAt = 0
  private readonly random: () => number

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number = Math.random) {
    this.random = random
  }

  /** How long to wait before the next try, in milliseconds; 0 when it may begin. */
  get waitMs(): number {
    return this.failures === 0 ? 0 : Math.max(0, this.nextAt - performance.now())
  }

  /** Whether it can be forgotten. */
  get isOver(): boolean {
    return this.failures === 0 || performance.now() - this.nextAt > rememberedMs
  }

  failed(kind: StreakBounds): void {
    const times = this.kinds.get(kind) ?? 0
    const longest = Math.min(kind.capMs, kind.baseMs * 2 ** Math.min(times, 16))
    this.kinds.set(kind, times + 1)
    // A failure with a shorter wait never shortens the one that is running.
    const waitMs = Math.max(this.waitMs, (longest * (2 + this.random())) / 3)
    this.failures++
    this.nextAt = performance.now() + waitMs
  }

  /** Only an answer resets it. */
  succeeded(): void {
    this.failures = 0
    this.kinds.clear()
  }
}
