/** A claim probe: asks about a reported move right away, so that a true one is proven in a moment and not at the next poll. */

import { backoffMs } from '../../machines/backoff.ts'
import type { Claim } from '../../machines/claim.ts'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../../machines/endpoint.ts'
import type { AddressBook } from './address-book.ts'
import type { EndpointPool } from './endpoint-pool.ts'

/** Of many open claims this many are probed at once: each answer speaks about all of them. */
const maxProbed = 4
const pace = { floorMs: 50, baseMs: 100, capMs: 1000 }

export class ClaimProbe {
  private readonly pool: EndpointPool
  private readonly random: () => number
  private readonly probed = new Map<string, { attempt: number; nextAt: number }>()

  constructor(pool: EndpointPool, random: () => number) {
    this.pool = pool
    this.random = random
  }

  /** Asks the claimed endpoints and the ones before; the same claim again only after a growing wait. */
  probe(claims: readonly Claim[]): void {
    const open = new Set(claims.map(nameOf))
    const now = performance.now()
    // Where brokers contradict each other a claim comes and goes with each answer: its wait outlives it.
    for (const [name, { nextAt }] of this.probed)
      if (!open.has(name) && now > nextAt + pace.capMs) this.probed.delete(name)
    const isDue = (claim: Claim) => now >= (this.probed.get(nameOf(claim))?.nextAt ?? 0)
    for (const claim of claims.filter(isDue).slice(0, maxProbed)) {
      const { attempt } = this.probed.get(nameOf(claim)) ?? { attempt: 0 }
      const waitMs = backoffMs(attempt + 1, pace, this.random())
      this.probed.set(nameOf(claim), { attempt: attempt + 1, nextAt: now + waitMs })
      if (attempt === 0) this.pool.renew(claim.to)
      if (claim.reason === 'resolved-anew') this.pool.closeElsewhere(claim.to, claim.to.addresses)
      for (const endpoint of [claim.to, claim.from])
        this.pool
          .at(endpoint)
          .ask()
          .catch(() => {})
    }
  }

  /** Asks the other known listeners of a node whose endpoint is dead. */
  probeListeners(book: AddressBook, dead: Endpoint): void {
    const lost = book.entries().filter((entry) => sameEndpoint(entry, dead))
    const others = book.others().filter((other) => lost.some(({ nodeId }) => nodeId === other.nodeId))
    for (const other of others)
      this.pool
        .at(other)
        .ask()
        .catch(() => {})
  }
}

const nameOf = ({ nodeId, to }: Claim): string => `${nodeId} ${formatEndpoint(to)} ${to.addresses}`
