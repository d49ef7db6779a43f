/** A time limit: an abort that comes by itself, or earlier with another. */

/** Aborts with the first of the signals, and for its reason; abort it to let go of them. On Node 20 `AbortSignal.any` would be kept by them. */
export function following(...signals: readonly (AbortSignal | undefined)[]): AbortController {
  const follower = new AbortController()
  for (const signal of signals) {
    if (signal?.aborted) follower.abort(signal.reason)
    signal?.addEventListener('abort', () => follower.abort(signal.reason), { once: true, signal: follower.signal })
  }
  return follower
}

/** Aborts after `ms` or with one of the signals; abort it to end the timer. Node 20 may collect an `AbortSignal.timeout` that only `any` knows. */
export function timeLimit(ms: number, ...signals: readonly AbortSignal[]): AbortController {
  const limit = following(...signals)
  const timer = setTimeout(() => limit.abort(), ms)
  limit.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  if (limit.signal.aborted) clearTimeout(timer)
  return limit
}
