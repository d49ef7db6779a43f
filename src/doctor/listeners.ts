/** What visits tell of the listeners that brokers advertise: whether each leads to its broker, and to nobody else. */

import type { Certificate } from '../../actors/connection/certificate.ts'
import type { ListenerView } from '../../actors/connection/listener-probe.ts'
import { formatEndpoint, sameEndpoint } from '../../machines/endpoint.ts'
import type { BrokerEntry, Snapshot } from '../../machines/snapshot.ts'
import { type Finding, type FindingCode, finding } from './finding.ts'
import type { Visit } from './visit.ts'

/** A visit to the address that a broker advertises. */
export interface BrokerVisit extends Visit {
  readonly nodeId: number
  /** Who it says it is when it is asked for its own configuration; undefined where this user may not ask. */
  readonly ownNodeId: number | undefined
}

/** What the settings in force speak. */
export interface Wanted {
  readonly hasTls: boolean
  readonly hasLogin: boolean
  readonly stepMs: number
  readonly clusterId: string | undefined
}

/** Certificates that end earlier are found, in milliseconds. */
const soonMs = 30 * 86_400_000
/** A step that takes a larger share of its timeout is found. */
const closeShare = 0.5

/** What is wrong with one address that was named by the user. */
export function namedFindings(visit: Visit, wanted: Wanted): Finding[] {
  const where = formatEndpoint(visit.endpoint)
  const { failure, listener } = visit
  if (!failure) return [...foreignFindings(visit, where, wanted), ...healthFindings(visit, where, wanted)]
  const own = finding(codeOf(visit) ?? 'address-failed', `${where}: ${reason(visit)}`, failure)
  if (!listener || protocolOf(wanted) === listener.protocol) return [own]
  const other = finding(
    'wrong-protocol',
    `${where} ${spoken(visit)}, and ${protocolOf(wanted)} is set here: ${missing(listener, wanted)}`,
  )
  // A certificate that does not fit stays so when the rest is right.
  return isCertificate(visit, wanted) ? [own, other] : [other]
}

/** It was connected to before it was known which cluster is meant. */
function foreignFindings({ snapshot }: Visit, where: string, { clusterId }: Wanted): Finding[] {
  if (!snapshot || clusterId === undefined || snapshot.clusterId === clusterId) return []
  const message = `Cluster ${snapshot.clusterId} answered instead of ${clusterId}`
  return [finding('foreign-cluster', `${where}: ${message}`, { kind: 'foreign-cluster', message, endpoint: where })]
}

/** Whether TLS was spoken as it is there, and the certificate was the reason. */
const isCertificate = ({ failure, listener }: Visit, { hasTls }: Wanted): boolean =>
  failure?.kind === 'identity-refused' && hasTls && listener?.protocol.endsWith('SSL') === true

/** What the settings lack, or have too much. */
function missing({ protocol }: ListenerView, { hasTls, hasLogin }: Wanted): string {
  const there = { hasTls: protocol.endsWith('SSL'), hasLogin: protocol.startsWith('SASL') }
  const tls = there.hasTls === hasTls ? [] : [there.hasTls ? 'TLS is missing' : 'TLS is not spoken there']
  const login = there.hasLogin === hasLogin ? [] : [there.hasLogin ? 'a login is missing' : 'no login is taken there']
  return [...tls, ...login].join(', ')
}

/** What is wrong with the address that a broker advertises. */
export function advertisedFindings(visit: BrokerVisit, wanted: Wanted): Finding[] {
  const { nodeId, endpoint, failure, listener, snapshot, ownNodeId } = visit
  const where = `node ${nodeId} advertises ${formatEndpoint(endpoint)}`
  if (
    snapshot &&
    wanted.clusterId !== undefined &&
    snapshot.clusterId !== '' &&
    snapshot.clusterId !== wanted.clusterId
  )
    return [
      finding(
        'leads-to-another-cluster',
        `${where}, where cluster ${snapshot.clusterId} is instead of ${wanted.clusterId}`,
      ),
    ]
  if (failure) {
    if (listener && protocolOf(wanted) !== listener.protocol)
      return [
        finding(
          'another-protocol',
          `${where}, which ${spoken(visit)}; the brokers that answered speak ${protocolOf(wanted)}`,
        ),
      ]
    return [finding(codeOf(visit) ?? unreachableCode(visit), `${where}: ${reason(visit)}`, failure)]
  }
  const healthy = healthFindings(visit, where, wanted)
  const itself = snapshot?.brokers.find((broker) => broker.nodeId === nodeId)
  if (ownNodeId !== undefined && ownNodeId !== nodeId)
    return [finding('leads-elsewhere', `${where}, where node ${ownNodeId} is`), ...healthy]
  if (!itself)
    return [finding('leads-elsewhere', `${where}, and who is there does not know of node ${nodeId}`), ...healthy]
  if (!sameEndpoint(itself, endpoint)) {
    const says = `who is there says that node ${nodeId} is at ${formatEndpoint(itself)}`
    return [finding('leads-elsewhere', `${where}, and ${says}`), ...healthy]
  }
  return healthy
}

/** What is wrong between addresses: none of them shows it alone. */
export function togetherFindings(base: Snapshot, named: readonly Visit[], brokers: readonly BrokerVisit[]): Finding[] {
  return [...sharedAddresses(brokers), ...otherListeners(base, named), ...otherViews(base, [...named, ...brokers])]
}

function sharedAddresses(brokers: readonly BrokerVisit[]): Finding[] {
  const owners = new Map<string, number[]>()
  for (const { endpoint, addresses, nodeId } of brokers) {
    for (const host of new Set([endpoint.host, ...addresses])) {
      const place = formatEndpoint({ host, port: endpoint.port })
      owners.set(place, [...(owners.get(place) ?? []), nodeId])
    }
  }
  const told = new Set<string>()
  return [...owners].flatMap(([place, nodes]) => {
    if (nodes.length < 2 || told.has(nodes.join())) return []
    told.add(nodes.join())
    return [finding('same-address', `nodes ${nodes.join(' and ')} are both under ${place}`)]
  })
}

/** Named addresses that advertise the brokers at other addresses than the first. */
function otherListeners(base: Snapshot, named: readonly Visit[]): Finding[] {
  const told = new Set<string>()
  return named.flatMap(({ endpoint, snapshot }) => {
    const isOther = base.brokers.some((one) => {
      const other = snapshot?.brokers.find(({ nodeId }) => nodeId === one.nodeId)
      return other && !sameEndpoint(one, other)
    })
    if (!snapshot || snapshot.clusterId !== base.clusterId || !isOther) return []
    const view = placesIn(snapshot.brokers)
    if (told.has(view)) return []
    told.add(view)
    const here = `${formatEndpoint(base.answeredBy)} advertises ${placesIn(base.brokers)}`
    return [finding('two-listeners', `${here}; ${formatEndpoint(endpoint)} advertises ${view}`)]
  })
}

/** Answers of our cluster that know of other nodes than the first. */
function otherViews(base: Snapshot, visits: readonly Visit[]): Finding[] {
  const told = new Set([nodesIn(base)])
  return visits.flatMap(({ endpoint, snapshot }) => {
    if (!snapshot || snapshot.clusterId !== base.clusterId) return []
    const there = nodesIn(snapshot)
    if (told.has(there)) return []
    told.add(there)
    const here = `${formatEndpoint(base.answeredBy)} knows of nodes ${nodesIn(base)}`
    return [finding('views-differ', `${here}; ${formatEndpoint(endpoint)} knows of nodes ${there}`)]
  })
}

const nodesIn = ({ brokers }: Snapshot): string =>
  brokers
    .map(({ nodeId }) => nodeId)
    .toSorted((one, other) => one - other)
    .join(', ')

const placesIn = (brokers: readonly BrokerEntry[]): string =>
  brokers
    .toSorted((one, other) => one.nodeId - other.nodeId)
    .map((broker) => `node ${broker.nodeId} at ${formatEndpoint(broker)}`)
    .join(', ')

/** What is found at an address that works. */
function healthFindings({ certificates, slowMs, steps }: Visit, where: string, { stepMs }: Wanted): Finding[] {
  const found: Finding[] = []
  const slowest = Math.max(0, ...Object.values(steps))
  if (slowMs !== undefined)
    found.push(finding('timeout-short', `${where}: a step took ${whole(slowMs)} ms, and ${stepMs} ms are allowed`))
  else if (slowest > stepMs * closeShare)
    found.push(finding('timeout-close', `${where}: a step took ${whole(slowest)} ms of ${stepMs} ms that are allowed`))
  const [first] = certificates.filter(({ validTo }) => validTo - Date.now() < soonMs)
  if (first) found.push(finding('certificate-ends-soon', `${where}: ${described(first)}`))
  return found
}

const whole = (ms: number): string => ms.toFixed(0)

/** The code of a failure that says enough by itself; undefined where it matters who named the address. */
function codeOf({ failure }: Visit): FindingCode | undefined {
  if (!failure) return undefined
  const { kind, code = '' } = failure
  if (code === 'NOT_ALLOWED') return 'not-allowed'
  if (kind === 'identity-refused') return 'certificate-refused'
  if (kind === 'login-refused' || kind === 'version-too-old' || kind === 'foreign-cluster') return kind
  return undefined
}

/** Where the address leads to nobody, or to no broker. */
function unreachableCode({ failure, addresses }: Visit): FindingCode {
  if (failure?.kind === 'settings-failed') return 'settings-failed'
  return addresses.length === 0 ? 'name-unknown' : 'leads-to-nobody'
}

function reason({ endpoint, failure, certificates, listener }: Visit): string {
  const what = failure?.message.replace(`${formatEndpoint(endpoint)}: `, '') ?? ''
  const [own] = certificates
  if (failure?.kind === 'identity-refused' && own) return `${what}; ${described(own)}`
  if (failure?.code === 'UNSUPPORTED_SASL_MECHANISM' && listener)
    return `${what}; it offers ${listener.mechanisms.join(', ')}`
  return what
}

/** More names are counted. */
const mostNames = 4

/** The certificate in a few words. */
export function described({ subject, issuer, names, validTo }: Certificate): string {
  const until = Number.isNaN(validTo) ? 'an unknown day' : new Date(validTo).toISOString().slice(0, 10)
  const more = names.length > mostNames ? ` and ${names.length - mostNames} more` : ''
  const covered = `${names.slice(0, mostNames).join(', ') || 'no name'}${more}`
  return `its certificate is of ${subject}, signed by ${issuer}, for ${covered}, until ${until}`
}

function spoken({ listener }: Visit): string {
  if (!listener) return 'speaks something else'
  const { protocol, mechanisms } = listener
  return `speaks ${protocol}${mechanisms.length > 0 ? ` (${mechanisms.join(', ')})` : ''}`
}

export const protocolOf = ({ hasTls, hasLogin }: Wanted): string =>
  `${hasLogin ? 'SASL_' : ''}${hasTls ? 'SSL' : 'PLAINTEXT'}`
