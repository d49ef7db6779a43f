/** Waiting for a condition with a deadline; when it does not come, the error says what was missing. */
import { setTimeout as pause } from 'node:timers/promises'

export interface UntilOptions {
  /** Milliseconds before it gives up. Default 30000. */
  readonly deadlineMs?: number
  /** Milliseconds between two looks. Default 20. */
  readonly everyMs?: number
}

/**
 * Resolves when `missing` returns undefined. While it returns a sentence, that is what is still missing; the last one is in
 * the error that ends the wait. What it throws ends the wait at once.
 */
export async function until(
  missing: () => string | undefined | Promise<string | undefined>,
  { deadlineMs = 30_000, everyMs = 20 }: UntilOptions = {},
): Promise<void> {
  const startedAt = performance.now()
  for (;;) {
    const reason = await missing()
    if (reason === undefined) return
    if (performance.now() - startedAt > deadlineMs) throw new Error(`After ${deadlineMs} ms still missing: ${reason}`)
    await pause(everyMs)
  }
}

/** Races a promise against a deadline; rejects with a sentence that names the work. */
export async function within<Value>(deadlineMs: number, work: string, promise: Promise<Value>): Promise<Value> {
  const ended = new AbortController()
  const late = pause(deadlineMs, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`${work} did not end within ${deadlineMs} ms`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    ended.abort()
  }
}
