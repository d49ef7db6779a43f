/** A certificate that a broker showed, and those above it. */

import type { Socket } from 'node:net'
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls'

export interface Certificate {
  /** Its common name. */
  readonly subject: string
  /** The common name of who signed it. */
  readonly issuer: string
  /** Names and addresses that it covers, as it writes them: `DNS:kafka-1.example`, `IP Address:10.0.0.1`. */
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly validFrom: number
  readonly validTo: number
}

/** More are not read: a peer says how many there are. */
const mostInChain = 10

/** The broker's own first, then who signed it, as far as they are known here. Nothing where there is no TLS. */
export function chainOf(socket: Socket): readonly Certificate[] {
  if (!(socket instanceof TLSSocket)) return []
  const chain: Certificate[] = []
  const seen = new Set<string>()
  let shown: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (shown?.fingerprint256 && !seen.has(shown.fingerprint256) && chain.length < mostInChain) {
    seen.add(shown.fingerprint256)
    chain.push({
      subject: nameIn(shown.subject),
      issuer: nameIn(shown.issuer),
      names: shown.subjectaltname?.split(', ') ?? [],
      validFrom: Date.parse(shown.valid_from),
      validTo: Date.parse(shown.valid_to),
    })
    shown = shown.issuerCertificate
  }
  return chain
}

const nameIn = (named: DetailedPeerCertificate['subject'] | undefined): string =>
  [named?.CN ?? named?.O ?? 'unnamed'].flat().join(', ')
