/** Sharing: which consumers of one process see the same cluster in the same way, and so share one poller. */

import type { ConsumerOptions } from './consumer-options.ts'

const ids = new WeakMap<object, number>()
let count = 0

/** Equal for consumers with the same brokers (the same function or source, or equal lists) and the same security options. */
export function clusterKey(options: ConsumerOptions): string {
  const { brokers, kafka, allowEndpoint, lookup, clusterId, expectedIdentity, pollIntervalMs, dialTimeoutMs } = options
  const security =
    typeof kafka === 'function' ? idOf(kafka) : [kafka?.ssl === true, idOf(kafka?.ssl), idOf(kafka?.sasl)]
  const places = Array.isArray(brokers) ? brokers : idOf(brokers)
  const choices = [clusterId, expectedIdentity, pollIntervalMs, dialTimeoutMs]
  return JSON.stringify([places, security, idOf(allowEndpoint), idOf(lookup), ...choices])
}

/** A number for an object or function that stays the same; 0 for anything else. */
function idOf(value: unknown): number {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return 0
  const known = ids.get(value)
  if (known !== undefined) return known
  count += 1
  ids.set(value, count)
  return count
}
