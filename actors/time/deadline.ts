/** Deadlines for work that has none. The work itself goes on. */

import { type Failure, FailureError } from '../../machines/failure.ts'

/**
 * What becomes of `work`; where that is not known within `limit`, or when the signal aborts, what `late` returns or throws. The limit is a time in
 * milliseconds, or a function that calls `end` when it is over and returns what cancels it.
 */
export function deadline<Value>(
  work: Promise<Value>,
  limit: number | ((end: () => void) => () => void),
  late: () => Value,
  signal?: AbortSignal,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const end = () => {
      cancel()
      try {
        resolve(late())
      } catch (error) {
        reject(error)
      }
    }
    const timer = typeof limit === 'number' ? setTimeout(end, limit) : undefined
    const cancelLimit = typeof limit === 'number' ? () => clearTimeout(timer) : limit(end)
    const cancel = () => {
      cancelLimit()
      signal?.removeEventListener('abort', end)
    }
    signal?.addEventListener('abort', end)
    if (signal?.aborted) end()
    work.then(resolve, reject).finally(cancel)
  })
}

/** What becomes of `work`, if that is known after `withinMs`; otherwise rejects with a FailureError that says so. */
export function within<Value>(
  work: Promise<Value>,
  withinMs: number,
  otherwise: Failure['message'],
  kind: Failure['kind'] = 'unreachable',
): Promise<Value> {
  return deadline(work, withinMs, () => {
    throw new FailureError({ kind, message: `${otherwise} within ${withinMs} ms` })
  })
}
