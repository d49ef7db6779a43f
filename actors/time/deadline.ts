/** Deadlines for work that has none. The work itself goes on. */

import { type Failure, FailureError } from '../../machines/failure.ts'

/** What becomes of `work`; where that is not known after `ms` milliseconds, what `late` returns or throws. */
export function deadline<Value>(work: Promise<Value>, ms: number, late: () => Value): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(new Promise((give) => give(late()))), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
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
