/** A snapshot: one metadata answer about where the brokers of a cluster are. */

import type { Endpoint } from './endpoint.ts'

/** A broker as one metadata answer names it, with the addresses its host resolved to known when the answer was judged. */
export interface BrokerEntry extends Endpoint {
  readonly nodeId: number
  /** Resolved addresses, sorted; for an IP host the host itself. Empty while the name is not resolved. */
  readonly addresses: readonly string[]
}

/** One metadata answer. A poll that failed has no snapshot: it is *unknown*, never *changed*. */
export interface Snapshot {
  /** Empty where the answer has none (null in the protocol): such an answer is of no cluster, and is never used. */
  readonly clusterId: string
  readonly controllerId: number
  readonly brokers: readonly BrokerEntry[]
  /** The endpoint that was dialled for this answer, and the address the socket reached. */
  readonly answeredBy: Endpoint & { readonly address: string }
  /** Milliseconds since the epoch at which the request was *sent*: only what was asked after a break says something about it. */
  readonly at: number
}
