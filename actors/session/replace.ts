/** The task of `rebuilding` by replacement: the old session is taken out of service, and the next one joins. */

import { steadyNow } from '../time/steady-clock.ts'
import { timeLimit } from '../time/time-limit.ts'
import type { Supervisor } from './supervisor.ts'
import { since, type TaskInput, type TaskScope } from './task.ts'

export async function replace(supervisor: Supervisor, { epoch }: TaskInput, { sendBack, signal }: TaskScope) {
  const limit = timeLimit(supervisor.rebuildWithinMs, signal)
  try {
    // Probed before anything is given up: a cluster that can't be reached now is no better for a new session.
    await supervisor.options.cluster.snapshotSince(steadyNow(), limit.signal)
  } catch {
    return sendBack({ type: 'session.failed', epoch, failure: supervisor.unreachable() })
  } finally {
    limit.abort()
  }
  signal.throwIfAborted()
  const fencedAt = performance.now()
  await supervisor.discard()
  const failure = await supervisor.join(epoch, signal)
  if (failure) return sendBack({ type: 'session.failed', epoch, failure })
  sendBack({ type: 'rebuild.proven', epoch, tookMs: supervisor.endHandover(), gapMs: since(fencedAt) })
}
