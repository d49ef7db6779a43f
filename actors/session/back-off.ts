/** The task of `retrying`: waits before the next attempt. */

import { backoffMs } from '../../machines/backoff.ts'
import { sleep } from '../time/sleep.ts'
import type { Supervisor } from './supervisor.ts'
import type { TaskInput, TaskScope } from './task.ts'

const backoff = { baseMs: 250, capMs: 10_000 }

export async function backOff({ options }: Supervisor, { attempt }: TaskInput, { sendBack, signal }: TaskScope) {
  const waitMs = backoffMs(attempt, backoff, Math.random())
  options.emit({ type: 'retry.scheduled', attempt, waitMs })
  if (await sleep(waitMs, signal)) sendBack({ type: 'backoff.elapsed', attempt })
}
