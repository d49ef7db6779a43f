/** The limits that options set each other: what is fine alone and impossible together. */

import { expected } from './value.ts'

type Limited =
  | ('sessionTimeout' | 'rebalanceTimeout' | 'heartbeatInterval' | 'maxWaitTimeInMs' | 'minBytes' | 'maxBytes')
  | ('rebuildTimeoutMs' | 'dialTimeoutMs' | 'drainTimeoutMs' | 'stopTimeoutMs')

/** Throws `invalid-option`. */
export function checkTogether(options: { readonly [Name in Limited]?: number | undefined }): void {
  const { sessionTimeout = 0, rebalanceTimeout = 0, heartbeatInterval = 0, maxWaitTimeInMs = 0 } = options
  const { rebuildTimeoutMs = 0, dialTimeoutMs = 0, minBytes = 0, maxBytes = 0 } = options
  const { drainTimeoutMs = 0, stopTimeoutMs = 0 } = options
  const check = (isGood: boolean, name: Limited, what: string, nextStep: string): void => {
    if (!isGood) throw expected(name, what, options[name], nextStep)
  }
  const belowSession = `to be below half of \`sessionTimeout\` (${sessionTimeout})`
  const lostHeartbeat = 'lower it or raise `sessionTimeout`; one lost heartbeat must not cost the membership.'
  check(heartbeatInterval * 2 < sessionTimeout, 'heartbeatInterval', belowSession, lostHeartbeat)
  const aboveHeartbeat = `to be above twice \`heartbeatInterval\` (${heartbeatInterval})`
  const lateHeartbeat = 'raise it or lower `heartbeatInterval`; a member hears of a rebalance by its heartbeat.'
  check(heartbeatInterval * 2 < rebalanceTimeout, 'rebalanceTimeout', aboveHeartbeat, lateHeartbeat)
  const longWait = 'lower it or raise `sessionTimeout`; a fetch that waits must not be taken for a broker that is gone.'
  check(maxWaitTimeInMs * 2 < sessionTimeout, 'maxWaitTimeInMs', belowSession, longWait)
  const atMostRebuild = `to be at most \`rebuildTimeoutMs\` (${rebuildTimeoutMs})`
  const lateDial = 'lower it or raise `rebuildTimeoutMs`; a rebuild begins with a dial.'
  check(dialTimeoutMs <= rebuildTimeoutMs, 'dialTimeoutMs', atMostRebuild, lateDial)
  const neverLarge = 'lower it or raise `maxBytes`; an answer could never be large enough.'
  check(minBytes <= maxBytes, 'minBytes', `to be at most \`maxBytes\` (${maxBytes})`, neverLarge)
  // Handlers that may take longer than the stop, or than the group waits for them, would never have that time.
  for (const [name, ms] of Object.entries({ stopTimeoutMs, rebalanceTimeout })) {
    const neverTime = `lower it or raise \`${name}\`; handlers would never have that time.`
    check(drainTimeoutMs <= ms, 'drainTimeoutMs', `to be at most \`${name}\` (${ms})`, neverTime)
  }
}
