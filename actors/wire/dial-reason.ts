/** Why a link dials. */

import { type Endpoint, sameEndpoint } from '../../machines/endpoint.ts'
import type { HeldConnection } from '../connection/connection.ts'
import type { DialReason } from '../diagnostics/channels.ts'

/** `before`: the connection so far; `expiring`: one whose login expires. */
export function dialReason(
  before: HeldConnection | undefined,
  expiring: HeldConnection | undefined,
  endpoint: Endpoint,
): DialReason {
  if (!before) return 'first'
  if (before === expiring) return 'login-expires'
  return sameEndpoint(before.endpoint, endpoint) ? 'ended' : 'moved'
}
