/** The task of `draining`: what the hand-over touches is brought to where it can be taken over. */

import type { Supervisor } from './supervisor.ts'
import { since, type TaskInput, type TaskScope } from './task.ts'

export async function drain(supervisor: Supervisor, { epoch, plan }: TaskInput, { sendBack, signal }: TaskScope) {
  const { session, rebuildWithinMs } = supervisor
  const { drainTimeoutMs } = supervisor.options
  const startedAt = performance.now()
  supervisor.handoverAt ??= startedAt
  let forced = false
  if (plan?.kind === 'in-place') {
    const isLeftOut = (nodeId: number) => supervisor.isLeftOut(nodeId)
    forced = !(await session?.routes.links.caughtUp(isLeftOut, rebuildWithinMs, signal))
  } else {
    forced = (await session?.drain(drainTimeoutMs)) ?? false
  }
  sendBack({ type: 'drain.completed', epoch, tookMs: since(startedAt), forced })
}
