// Manners: what a consumer asks of brokers, login servers and name servers, and whether it can wait for an answer that is coming.

import { apiKeys } from '../../../actors/protocol/frames.ts'
import { loginKeys } from '../kafka/logins.ts'
import { type Oracle, Table } from './oracle.ts'

/** What may be used at once, and what comes to it in a second. */
interface Allowance {
  readonly burst: number
  readonly perSecond: number
}

/** Moves and broken connections need a few dials at once; an endpoint that is down is dialled once a second. */
const failedDials: Allowance = { burst: 30, perSecond: 1 }
/** Three logins that are refused may be under way at once; then one in five seconds. */
const refusedLogins: Allowance = { burst: 6, perSecond: 0.2 }
const lookUps: Allowance = { burst: 20, perSecond: 1 }

class Buckets {
  private readonly buckets = new Table(() => ({ left: Number.NaN, at: 0 }))
  private readonly allowance: Allowance

  constructor(allowance: Allowance) {
    this.allowance = allowance
  }

  /** False when nothing is left. */
  take(at: number, ...key: string[]): boolean {
    const { burst, perSecond } = this.allowance
    const bucket = this.buckets.of(...key)
    const left = Number.isNaN(bucket.left)
      ? burst
      : Math.min(burst, bucket.left + ((at - bucket.at) / 1000) * perSecond)
    bucket.at = at
    bucket.left = left - 1
    return left >= 1
  }
}

/** N1: dials that come to nothing, logins that are refused and look-ups keep to their rates, per process and endpoint or name. */
export function asksSparingly(): Oracle {
  const dials = new Buckets(failedDials)
  const logins = new Buckets(refusedLogins)
  const names = new Buckets(lookUps)
  return {
    id: 'N1',
    see(sighting, at) {
      if (sighting.type === 'dial-failed' && !dials.take(at, sighting.life, sighting.place)) {
        return `${sighting.life} dials ${sighting.place} again and again, although it comes to nothing`
      }
      if (sighting.type === 'login-refused' && !logins.take(at, sighting.life, sighting.place)) {
        return `${sighting.life} logs in at ${sighting.place} again and again, although it is refused`
      }
      if (sighting.type === 'looked-up' && !names.take(at, sighting.life, sighting.name)) {
        return `${sighting.life} looks ${sighting.name} up again and again`
      }
      return undefined
    },
  }
}

/** Nothing has happened for so long: whatever a consumer does now, nobody made it. */
const restMs = 6000

/** What a dial asks: versions, the login, who is there. */
const ofDials: ReadonlySet<number> = new Set([
  ...[apiKeys.apiVersions, apiKeys.metadata, loginKeys.handshake, loginKeys.authenticate],
])

/**
 * N2: in rest, a request that a broker holds or is slow to answer is waited for: its connection is not left. A member that has left the group waits
 * for nothing: all that its join can be answered from then on is that nobody knows it. A join in trouble has more time than the rest that is asked
 * for here, so a session may well give it up in rest, leave, and close its connections. What names no member, such as a fetch, is judged all the same;
 * not so the dial of a link past a held join or sync: with their answer nobody needs it any more, and far away it may be under way then.
 */
export function heldIsNotCut(): Oracle {
  let troubledAt = 0
  const left = new Set<string>()
  const assignedAt = new Map<string, number>()
  return {
    id: 'N2',
    see(sighting, at) {
      if (sighting.type === 'assigned') assignedAt.set(sighting.life, at)
      if (sighting.type === 'tick' && sighting.isTroubled) troubledAt = at
      if (['fault', 'born', 'crashed', 'stop-asked', 'over', 'disowned', 'expired', 'calm'].includes(sighting.type)) {
        troubledAt = at
      }
      if (sighting.type === 'left') left.add(sighting.memberId)
      if (sighting.type !== 'cut' || at - troubledAt < restMs || left.has(sighting.memberId)) return undefined
      const { life, place, apiKey, waitedMs } = sighting
      if (assignedAt.get(life) === at && ofDials.has(apiKey)) return undefined
      return `${life} left its connection to ${place} although the answer to a request of kind ${apiKey} was coming, after ${waitedMs} ms`
    },
  }
}

/** N3: a static member never leaves: its place waits for the next life of its process. */
export function staticStays(isStatic: boolean): Oracle {
  return {
    id: 'N3',
    see: (sighting) =>
      isStatic && sighting.type === 'left'
        ? `${sighting.life} makes the static member ${sighting.memberId} leave`
        : undefined,
  }
}
