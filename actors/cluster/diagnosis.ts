/**
 * The diagnosis: why no broker answers. Each endpoint that was asked has its newest failure; the one that tells most is the reason, and
 * the others stand beside it. So the reason is that of now, and does not change with the order in which endpoints fail.
 */

import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure, FailureKind } from '../../machines/failure.ts'
import { isSilence } from '../connection/dial-step.ts'

/** Endpoints that are named beside the reason. */
const mostBeside = 3

export class Diagnosis {
  private readonly failures = new Map<string, Failure>()

  /** An endpoint failed. */
  note(endpoint: Endpoint, failure: Failure): void {
    this.failures.set(formatEndpoint(endpoint), failure)
  }

  /** A broker of our cluster answered. */
  clear(): void {
    this.failures.clear()
  }

  /** Forgets every other endpoint. */
  keep(endpoints: readonly Endpoint[]): void {
    const wanted = new Set(endpoints.map(formatEndpoint))
    for (const name of this.failures.keys()) if (!wanted.has(name)) this.failures.delete(name)
  }

  /** Why a round that asked these got no answer. `silenceOf` tells of a dial that is still under way. */
  reason(asked: readonly Endpoint[], silenceOf: (endpoint: Endpoint) => Failure | undefined): Failure {
    for (const endpoint of asked) {
      if (!this.failures.has(formatEndpoint(endpoint))) this.note(endpoint, silenceOf(endpoint) ?? silent(endpoint))
    }
    const ranked = [...this.failures].sort(([, one], [, other]) => rankOf(one) - rankOf(other))
    const [first, ...others] = ranked
    if (!first) return nobodyKnown
    const [endpoint, failure] = first
    const beside = others.slice(0, mostBeside).map(([name, { code, kind }]) => `${name} ${code ?? kind}`)
    const more = others.length > mostBeside ? ` and ${others.length - mostBeside} more` : ''
    const message = beside.length > 0 ? `${failure.message} (also ${beside.join(', ')}${more})` : failure.message
    return { endpoint, ...failure, message }
  }
}

/** Whether both say the same: what is told beside it, and how long it took, does not count. */
export const isSameReason = (one: Failure, other: Failure): boolean =>
  one.kind === other.kind && one.code === other.code && one.endpoint === other.endpoint

/** What somebody has to correct tells more than what heals by itself. */
const ranks: readonly FailureKind[] = [
  ...(['settings-failed', 'login-refused', 'version-too-old', 'identity-refused', 'foreign-cluster'] as const),
]
/** A port that is closed, or a peer that closes: somebody is there, or nobody is any more. */
const plain: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'CLOSED', 'CLOSED_UNANSWERED'])

function rankOf(failure: Failure): number {
  const rank = ranks.indexOf(failure.kind)
  if (rank >= 0) return rank
  if (isSilence(failure)) return ranks.length + (failure.code === 'ETIMEDOUT' ? 3 : 1)
  return ranks.length + (plain.has(failure.code ?? '') ? 2 : 0)
}

const silent = (endpoint: Endpoint): Failure => ({
  kind: 'unreachable',
  message: 'it does not answer any more',
  code: 'ETIMEDOUT',
  endpoint: formatEndpoint(endpoint),
})

const nobodyKnown: Failure = {
  kind: 'unreachable',
  message: 'There is no broker to ask: the source named none so far, and none is remembered',
  code: 'NO_BROKERS',
}
