/** A chase: looks into moves that were reported, so that a true one is proven in a moment and not at the next poll. */

import { backoffMs } from '../../machines/backoff.ts'
import type { Claim } from '../../machines/claim.ts'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../../machines/endpoint.ts'
import type { AddressBook } from './address-book.ts'
import type { Candidates } from './endpoint-pool.ts'

/** Of many open claims so many are looked into at once: each answer speaks about all of them. */
const maxChased = 4
const pace = { floorMs: 50, baseMs: 100, capMs: 1000 }

export class Chase {
  private readonly candidates: Candidates
  private readonly random: () => number
  private readonly looks = new Map<string, { attempt: number; nextAt: number }>()

  constructor(candidates: Candidates, random: () => number) {
    this.candidates = candidates
    this.random = random
  }

  /** Asks the claimed endpoints and the old ones: the same claim again only after a growing wait. */
  look(claims: readonly Claim[]): void {
    const open = new Set(claims.map(nameOf))
    const now = performance.now()
    // Where brokers contradict each other a claim comes and goes with each answer: its pace outlives it.
    for (const [name, { nextAt }] of this.looks)
      if (!open.has(name) && now > nextAt + pace.capMs) this.looks.delete(name)
    const isDue = (claim: Claim) => now >= (this.looks.get(nameOf(claim))?.nextAt ?? 0)
    for (const claim of claims.filter(isDue).slice(0, maxChased)) {
      const { attempt } = this.looks.get(nameOf(claim)) ?? { attempt: 0 }
      const waitMs = backoffMs(attempt + 1, pace, this.random())
      this.looks.set(nameOf(claim), { attempt: attempt + 1, nextAt: now + waitMs })
      if (attempt === 0) this.candidates.renew(claim.to)
      if (claim.reason === 'resolved-anew') this.candidates.leave(claim.to, claim.to.addresses)
      for (const endpoint of [claim.to, claim.from]) this.candidates.ask(endpoint).catch(() => {})
    }
  }

  /** A node that is out of reach may answer at another listener that is known. */
  lookBeside(book: AddressBook, dead: Endpoint): void {
    const lost = book.entries().filter((entry) => sameEndpoint(entry, dead))
    const others = book.others().filter((other) => lost.some(({ nodeId }) => nodeId === other.nodeId))
    for (const other of others) this.candidates.ask(other).catch(() => {})
  }
}

const nameOf = ({ nodeId, to }: Claim): string => `${nodeId} ${formatEndpoint(to)} ${to.addresses}`
