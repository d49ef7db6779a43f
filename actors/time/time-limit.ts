/** A time limit: an abort that comes by itself, or earlier with another. */

/**
 * Aborts after `ms` or with one of the signals; abort it to let go of the timer. Node 20 may collect a signal of
 * `AbortSignal.timeout` that only `AbortSignal.any` knows, and then never aborts.
 */
export function timeLimit(ms: number, ...signals: readonly AbortSignal[]): AbortController {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), ms)
  limit.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  for (const signal of signals) {
    if (signal.aborted) limit.abort()
    signal.addEventListener('abort', () => limit.abort(), { once: true, signal: limit.signal })
  }
  return limit
}
