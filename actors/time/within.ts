/** A deadline for work that has none. */

import { type Failure, FailureError } from '../../machines/failure.ts'

/** What becomes of `work`, if that is known after `withinMs`; otherwise rejects with a FailureError that says so. */
export function within<Value>(
  work: Promise<Value>,
  withinMs: number,
  otherwise: Failure['message'],
  kind: Failure['kind'] = 'unreachable',
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const late = { kind, message: `${otherwise} within ${withinMs} ms` }
    const timer = setTimeout(() => reject(new FailureError(late)), withinMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
