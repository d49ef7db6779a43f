/** A dead endpoint: where a fresh dial failed a moment ago, and nobody has answered since. */

import { isRecent } from './claim.ts'
import { type Endpoint, sameEndpoint } from './endpoint.ts'
import type { BrokerEntry, Snapshot } from './snapshot.ts'

/** An endpoint where a fresh dial was refused, reset or unanswered; with the address that was dialled, where it is known. */
export interface DeadEndpoint {
  readonly endpoint: Endpoint
  readonly address?: string
  readonly at: number
}

/** The list with one more; what is too old to say anything goes. */
export function withDead(list: readonly DeadEndpoint[], dead: DeadEndpoint, now: number): readonly DeadEndpoint[] {
  const others = list.filter((known) => isRecent(known.at, now) && !isSame(known, dead))
  return [...others, dead].slice(-maxDead)
}

/** The list without whoever has answered since. */
export const withoutLiving = (list: readonly DeadEndpoint[], { answeredBy, at }: Snapshot): readonly DeadEndpoint[] =>
  list.filter(
    (dead) =>
      !sameEndpoint(dead.endpoint, answeredBy) ||
      (dead.address ?? answeredBy.address) !== answeredBy.address ||
      dead.at > at,
  )

/** Whether the endpoint of this entry is dead. */
export const isDead = (list: readonly DeadEndpoint[], entry: BrokerEntry, now: number): boolean =>
  list.some(({ endpoint, address, at }) => {
    const isReached = address === undefined || entry.addresses.length === 0 || entry.addresses.includes(address)
    return isRecent(at, now) && sameEndpoint(endpoint, entry) && isReached
  })

const isSame = (one: DeadEndpoint, other: DeadEndpoint): boolean =>
  sameEndpoint(one.endpoint, other.endpoint) && one.address === other.address

const maxDead = 256
