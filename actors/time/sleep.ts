/** A sleep that a signal ends. */

import { Condition } from './condition.ts'

/** Resolves with true after `ms` milliseconds, with false as soon as the signal aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<boolean> {
  await new Condition().wait(ms, signal)
  return signal?.aborted !== true
}
