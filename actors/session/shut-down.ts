/** The task of `stopping`: handlers settle, progress is committed, members leave, sessions close. */

import { messageOf } from '../../machines/failure.ts'
import { deadline, within } from '../time/deadline.ts'
import type { Supervisor } from './supervisor.ts'
import { since, type TaskInput, type TaskScope } from './task.ts'

/** Whatever hangs or throws, it ends by `stopTimeoutMs`. */
export async function shutDown(supervisor: Supervisor, { epoch, failure }: TaskInput, { sendBack }: TaskScope) {
  if (failure) supervisor.options.emit({ type: 'consumer.failed', failure })
  const startedAt = performance.now()
  const work = windDown(supervisor, startedAt).catch((error: unknown) => {
    sendBack({ type: 'session.failed', epoch, failure: { kind: 'bug', message: messageOf(error) } })
    return true
  })
  const forced = await deadline(work, supervisor.options.stopTimeoutMs, () => true)
  void supervisor.closeAll(0)
  sendBack({ type: 'stop.completed', tookMs: since(startedAt), forced })
}

/** Each step by its share of the time. True when something had to be given up. */
async function windDown({ session, discarded, options, closeAll }: Supervisor, startedAt: number): Promise<boolean> {
  const { stopTimeoutMs, drainTimeoutMs, dispatcher } = options
  const left = (shareOf: number) => Math.max(0, startedAt + stopTimeoutMs * shareOf - performance.now())
  dispatcher.finish()
  let forced = await dispatcher.close(Math.min(drainTimeoutMs, left(0.6)))
  // Sessions that are being replaced go on with that, and by the same shares.
  const gone = [...discarded].map(async ([old, underWay]) => {
    await within(underWay, left(0.75), 'It was not taken out of service').catch(() => {})
    if (!discarded.has(old)) return true
    await old.salvage(left(0.75))
    return old.membership.leave(left(0.85)).catch(() => false)
  })
  if (session) {
    await session.revoke(left(0.7))
    await session.commit(left(0.75))
    forced = !(await session.membership.leave(left(0.85)).catch(() => false)) || forced
    session.fence()
  }
  if ((await Promise.all(gone)).includes(false)) forced = true
  await closeAll(left(0.95))
  return forced
}
