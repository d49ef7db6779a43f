/** The limits that options set each other: what is fine alone and impossible together. */

import { expected } from './value.ts'

type Limited =
  | ('sessionTimeout' | 'rebalanceTimeout' | 'heartbeatInterval' | 'maxWaitTimeInMs' | 'minBytes' | 'maxBytes')
  | ('rebuildTimeoutMs' | 'dialTimeoutMs' | 'drainTimeoutMs' | 'stopTimeoutMs')

/** Throws `invalid-option`. */
export function checkTogether(options: { readonly [Name in Limited]?: number | undefined }): void {
  const { sessionTimeout = 0, rebalanceTimeout = 0, heartbeatInterval = 0, maxWaitTimeInMs = 0 } = options
  const { rebuildTimeoutMs = 0, dialTimeoutMs = 0, minBytes = 0, maxBytes = 0 } = options
  if (heartbeatInterval * 2 >= sessionTimeout) {
    const next = 'lower it or raise `sessionTimeout`; one lost heartbeat must not cost the membership.'
    throw expected(
      'heartbeatInterval',
      `to be below half of \`sessionTimeout\` (${sessionTimeout})`,
      heartbeatInterval,
      next,
    )
  }
  if (heartbeatInterval * 2 >= rebalanceTimeout) {
    const next = 'raise it or lower `heartbeatInterval`; a member hears of a rebalance by its heartbeat.'
    throw expected(
      'rebalanceTimeout',
      `to be above twice \`heartbeatInterval\` (${heartbeatInterval})`,
      rebalanceTimeout,
      next,
    )
  }
  if (maxWaitTimeInMs * 2 >= sessionTimeout) {
    const next = 'lower it or raise `sessionTimeout`; a fetch that waits must not be taken for a broker that is gone.'
    throw expected(
      'maxWaitTimeInMs',
      `to be below half of \`sessionTimeout\` (${sessionTimeout})`,
      maxWaitTimeInMs,
      next,
    )
  }
  if (dialTimeoutMs > rebuildTimeoutMs) {
    const next = 'lower it or raise `rebuildTimeoutMs`; a rebuild begins with a dial.'
    throw expected('dialTimeoutMs', `to be at most \`rebuildTimeoutMs\` (${rebuildTimeoutMs})`, dialTimeoutMs, next)
  }
  if (minBytes > maxBytes) {
    const next = 'lower it or raise `maxBytes`; an answer could never be large enough.'
    throw expected('minBytes', `to be at most \`maxBytes\` (${maxBytes})`, minBytes, next)
  }
  checkDrain(options)
}

/** Handlers that may take longer than the stop, or than the group waits for them, would never have that time. */
function checkDrain({
  drainTimeoutMs = 0,
  stopTimeoutMs = 0,
  rebalanceTimeout = 0,
}: Record<string, number | undefined>) {
  for (const [name, ms] of Object.entries({ stopTimeoutMs, rebalanceTimeout })) {
    if (drainTimeoutMs <= ms) continue
    const next = `lower it or raise \`${name}\`; handlers would never have that time.`
    throw expected('drainTimeoutMs', `to be at most \`${name}\` (${ms})`, drainTimeoutMs, next)
  }
}
