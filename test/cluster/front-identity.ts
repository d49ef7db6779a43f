/** The certificate of a front that ends TLS: one for all addresses it may have. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from './certificates.ts'
import { HIGHEST_SET, loopback } from './loopback.ts'

export interface FrontIdentity {
  /** The authority that signed it, PEM. */
  readonly ca: string
  /** For `startFront`. */
  readonly tls: { readonly key: string; readonly cert: string }
}

export interface FrontIdentityOptions {
  /** What the certificate covers. Default: all addresses of the front. */
  readonly addresses?: readonly string[]
  /** How long it is valid; below 0: it has ended. Default 2. */
  readonly days?: number
}

export async function createFrontIdentity(
  nodeIds: readonly number[],
  { addresses, days }: FrontIdentityOptions = {},
): Promise<FrontIdentity> {
  const folder = await mkdtemp(join(tmpdir(), 'relisten-front-'))
  try {
    const authority = await createAuthority(folder)
    const sets = Array.from({ length: HIGHEST_SET }, (_, index) => index + 1)
    // three fronts may stand before one cluster
    const hosts = [0, 1, 2].flatMap((place) => nodeIds.map((nodeId) => nodeId + place * nodeIds.length))
    const file = join(folder, 'front.pem')
    const all = sets.flatMap((set) => hosts.map((host) => loopback(set, host)))
    await authority.issue(file, 'front', addresses ?? all, days)
    const pem = await readFile(file, 'utf8')
    return { ca: authority.ca, tls: { key: pem, cert: pem } }
  } finally {
    await rm(folder, { recursive: true })
  }
}
