/** A check before brokers move: would clients follow to the new addresses? It connects to each of them once, and logs in only where that is wanted. */

import { createSource } from '../../actors/cluster/source.ts'
import type { HeldConnection } from '../../actors/connection/connection.ts'
import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import { type ExaminationOptions, ownNodeId, settingsOf } from './examination.ts'
import { type Finding, finding } from './finding.ts'
import { namedFindings, protocolOf, type Wanted } from './listeners.ts'
import { type Visit, type VisitOptions, visit } from './visit.ts'

/** A visit to a new address. */
export interface NewAddress extends Visit {
  /** Who is there; undefined where it does not say, or not without a login. */
  readonly nodeId: number | undefined
}

export interface MoveCheck {
  /** The cluster that is to move; undefined where it was not given and did not say. */
  readonly clusterId: string | undefined
  readonly addresses: readonly NewAddress[]
  readonly findings: readonly Finding[]
}

export interface MoveCheckOptions extends Omit<ExaminationOptions, 'groupId' | 'topics'> {
  readonly to: readonly Endpoint[]
  readonly hasLogin: boolean
}

/** No node has this id, so whoever is asked for its configuration says who it is. */
const noNode = 2 ** 31 - 2

/** Rejects only with what is wrong with the options. */
export async function checkMove(
  options: MoveCheckOptions,
  tell: (doing: string) => void = () => {},
): Promise<MoveCheck> {
  const settings = await settingsOf(options.kafka)
  if ('kind' in settings)
    return { clusterId: undefined, addresses: [], findings: [finding('settings-failed', settings.message, settings)] }
  const { ssl, sasl, clientId = 'relisten' } = settings
  const security = async () => {
    const { sasl: fresh, ...others } = await options.kafka()
    return options.hasLogin && fresh ? { ...others, sasl: fresh } : others
  }
  const stepMs = options.dialTimeoutMs ?? (ssl || sasl ? 2000 : 1000)
  let clusterId = options.clusterId
  const visits: VisitOptions = {
    ...options,
    ...{ security, stepMs, clientId, ssl, clusterId: () => clusterId, isOnce: true },
  }
  const open: HeldConnection[] = []
  let isRefused = false
  const look = async (endpoint: Endpoint): Promise<Visit> => {
    tell(`connecting to ${formatEndpoint(endpoint)}`)
    const seen = await visit(endpoint, visits)
    if (seen.connection) open.push(seen.connection)
    isRefused ||= seen.failure?.kind === 'login-refused'
    return seen
  }
  try {
    const { endpoints } = await createSource(options.brokers).current()
    const { base, failed } = await currentCluster(endpoints, look)
    clusterId ??= base?.clusterId
    const wanted: Wanted = { hasTls: Boolean(ssl), hasLogin: Boolean(sasl), stepMs, clusterId }
    const isLoginLeftOut = Boolean(sasl) && !options.hasLogin
    const addresses: NewAddress[] = []
    // One after the other: a password that is wrong is tried once.
    for (const endpoint of isRefused ? [] : options.to) {
      const seen = await look(endpoint)
      addresses.push({ ...seen, nodeId: await ownNodeId(seen.connection, noNode) })
      if (isRefused) break
    }
    const findings = [...(base || options.clusterId !== undefined ? [] : failed), ...addresses].flatMap((one) =>
      addressFindings(one, wanted, isLoginLeftOut),
    )
    if (base) findings.push(...missingNodes(base, addresses))
    return { clusterId, addresses, findings }
  } finally {
    for (const connection of open) connection.close()
  }
}

/** What the first of the brokers of today says that can be asked, and those that can't. */
async function currentCluster(endpoints: readonly Endpoint[], look: (endpoint: Endpoint) => Promise<Visit>) {
  const failed: Visit[] = []
  for (const endpoint of endpoints) {
    const seen = await look(endpoint)
    if (seen.connection) return { base: seen.snapshot, failed }
    failed.push(seen)
    // The others would say the same.
    if (seen.failure?.kind === 'login-refused' || seen.listener?.protocol.startsWith('SASL')) break
  }
  return { base: undefined, failed }
}

/** Without a login there is no failure where the listener is the one that is wanted, and only then wants one. */
function addressFindings(visit: Visit, wanted: Wanted, isLoginLeftOut: boolean): Finding[] {
  const { endpoint, listener, failure } = visit
  const where = formatEndpoint(endpoint)
  if (isLoginLeftOut && failure?.kind === 'dial-failed' && listener?.protocol === protocolOf(wanted))
    return [finding('cluster-unknown', `${where} speaks ${listener.protocol} as it should, and was not logged in to`)]
  return namedFindings(visit, wanted)
}

function missingNodes({ brokers }: Snapshot, addresses: readonly NewAddress[]): Finding[] {
  // Where some do not say who they are, nothing is known of the others.
  if (addresses.length === 0 || addresses.some(({ nodeId }) => nodeId === undefined)) return []
  const there = new Set(addresses.map(({ nodeId }) => nodeId))
  const missing = brokers.filter(({ nodeId }) => !there.has(nodeId)).map(({ nodeId }) => nodeId)
  return missing.length > 0
    ? [finding('node-without-address', `node ${missing.join(', ')} is at none of the new addresses`)]
    : []
}
