/** The task of `rebuilding` in place: the connections are up, and a heartbeat sent now shows that the member still counts. */

import type { Failure } from '../../machines/failure.ts'
import { fromKafkaJs } from '../kafkajs/failure.ts'
import type { Supervisor } from './supervisor.ts'
import type { TaskInput, TaskScope } from './task.ts'

export async function prove(supervisor: Supervisor, { epoch }: TaskInput, { sendBack, signal }: TaskScope) {
  const { session, rebuildWithinMs } = supervisor
  let failure: Failure = {
    kind: 'unproven',
    message: `No heartbeat was accepted within ${rebuildWithinMs} ms of the move`,
  }
  try {
    if (await session?.membership.confirmed(rebuildWithinMs)) {
      // A newer move has its own proof: gap and time of the hand-over are taken by that one.
      signal.throwIfAborted()
      const gapMs = Math.round(session?.fetched.takeLongestGap() ?? 0)
      return sendBack({ type: 'rebuild.proven', epoch, tookMs: supervisor.endHandover(), gapMs })
    }
  } catch (error) {
    failure = { ...fromKafkaJs(error), kind: 'unproven' }
  }
  sendBack({ type: 'rebuild.unproven', epoch, failure })
}
