/** The task of `connecting`: a session is opened once the cluster answers. It reports by itself that it joined. */

import { timeLimit } from '../time/time-limit.ts'
import type { Supervisor } from './supervisor.ts'
import type { TaskInput, TaskScope } from './task.ts'

export async function open(supervisor: Supervisor, { epoch }: TaskInput, { sendBack, signal }: TaskScope) {
  const { cluster } = supervisor.options
  await supervisor.discard()
  const limit = timeLimit(supervisor.rebuildWithinMs, signal)
  // More attempts with a login that was refused would lock the account.
  supervisor.onLoginRefused = () => limit.abort()
  const isReached = await cluster.ready(limit.signal).then(
    () => true,
    () => false,
  )
  limit.abort()
  const failure = isReached ? await supervisor.join(epoch, signal) : supervisor.unreachable()
  if (failure) sendBack({ type: 'session.failed', epoch, failure })
}
