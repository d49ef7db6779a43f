/** An examination: the addresses that are named, those that brokers advertise, the group and its topics, looked at one after the other. */

import { createSource } from '../../actors/cluster/source.ts'
import type { HeldConnection } from '../../actors/connection/connection.ts'
import { calls } from '../../actors/kafkajs/calls.ts'
import { within } from '../../actors/time/deadline.ts'
import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import { failureFrom, RelistenError } from '../error.ts'
import type { KafkaOptions } from '../options/consumer-options.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { type Finding, finding } from './finding.ts'
import { type GroupView, lookAtGroup } from './group.ts'
import { advertisedFindings, type BrokerVisit, namedFindings, togetherFindings, type Wanted } from './listeners.ts'
import { asked } from './question.ts'
import { lookAtTopic, type TopicView } from './topic.ts'
import { type Visit, type VisitOptions, visit } from './visit.ts'

/** Those of a consumer; group and topics may be left out. */
export type ExaminationOptions = Pick<
  ResolvedOptions,
  'brokers' | 'kafka' | 'dialTimeoutMs' | 'allowEndpoint' | 'expectedIdentity' | 'lookup' | 'clusterId'
> & { readonly groupId: string | undefined; readonly topics: readonly string[] }

export interface Examination {
  readonly clusterId: string | undefined
  readonly named: readonly Visit[]
  readonly brokers: readonly BrokerVisit[]
  /** Undefined where none was given, or no broker answered. */
  readonly group: GroupView | undefined
  readonly topics: readonly TopicView[]
  readonly findings: readonly Finding[]
}

/** Visits at a time. */
const atOnce = 8

/** Looks at everything. Rejects only with what is wrong with the options; `tell` is called with what it is at. */
export async function examine(
  options: ExaminationOptions,
  tell: (doing: string) => void = () => {},
): Promise<Examination> {
  const { endpoints, failure } = await createSource(options.brokers).current()
  const findings = failure ? [finding('source-failed', failure.message, failure)] : []
  const settings = await settingsOf(options.kafka)
  if ('kind' in settings)
    return { ...nothingSeen, findings: [...findings, finding('settings-failed', settings.message, settings)] }
  const { ssl, sasl, clientId = 'relisten' } = settings
  const stepMs = options.dialTimeoutMs ?? (ssl || sasl ? 2000 : 1000)
  let clusterId = options.clusterId
  const visits: VisitOptions = {
    ...options,
    ...{ security: options.kafka, stepMs, clientId, ssl, clusterId: () => clusterId },
  }
  const open: HeldConnection[] = []
  const look = async (endpoint: Endpoint): Promise<Visit> => {
    tell(`connecting to ${formatEndpoint(endpoint)}`)
    const seen = await visit(endpoint, visits)
    if (seen.connection) open.push(seen.connection)
    return seen
  }
  try {
    const named: Visit[] = []
    let base: Snapshot | undefined
    // With a login one after the other until one works: a password that is wrong is tried once.
    const atFirst = sasl ? 1 : atOnce
    while (!base && named.length < endpoints.length) {
      const seen = await inTurns(endpoints.slice(named.length, named.length + atFirst), look)
      named.push(...seen)
      base = seen.find(({ connection }) => connection)?.snapshot
      if (seen.some(({ failure: refused }) => refused?.kind === 'login-refused')) break
    }
    clusterId ??= base?.clusterId
    if (base) named.push(...(await inTurns(endpoints.slice(named.length), look)))
    const wanted: Wanted = { hasTls: Boolean(ssl), hasLogin: Boolean(sasl), stepMs, clusterId }
    const known = new Map(named.map((one) => [formatEndpoint(one.endpoint), one]))
    const brokers = await inTurns(base?.brokers ?? [], async ({ nodeId, host, port }): Promise<BrokerVisit> => {
      const endpoint = { host, port }
      const seen = known.get(formatEndpoint(endpoint)) ?? (await look(endpoint))
      return { ...seen, nodeId, ownNodeId: await ownNodeId(seen.connection, nodeId) }
    })
    const advertised = new Set(brokers.map(({ endpoint }) => formatEndpoint(endpoint)))
    findings.push(
      ...named
        .filter(({ endpoint }) => !advertised.has(formatEndpoint(endpoint)))
        .flatMap((one) => namedFindings(one, wanted)),
      ...brokers.flatMap((one) => advertisedFindings(one, wanted)),
      ...(base ? togetherFindings(base, named, brokers) : []),
    )
    if (!base)
      findings.push(finding('no-broker-answers', 'None of the addresses in `brokers` led to a broker of the cluster'))
    const connections = connectionsTo(brokers)
    const { groupId } = options
    const isReached = connections.size > 0
    if (isReached) tell('asking for group and topics')
    const group = groupId !== undefined && isReached ? await lookAtGroup(groupId, connections) : undefined
    const coordinator = connections.get(group?.coordinator ?? Number.NaN)
    const asking = { connections, group: group && coordinator && { groupId: group.groupId, coordinator } }
    const topics = await inTurns(isReached ? options.topics : [], (topic) => lookAtTopic(topic, asking))
    findings.push(...(group?.findings ?? []), ...topics.flatMap((topic) => topic.findings))
    const problems = findings.filter(({ severity }) => severity === 'problem')
    const inOrder = [...problems, ...findings.filter((one) => !problems.includes(one))]
    return { clusterId: base?.clusterId, named, brokers, group, topics, findings: inOrder }
  } finally {
    for (const connection of open) connection.close()
  }
}

const nothingSeen = { clusterId: undefined, named: [], brokers: [], group: undefined, topics: [] }

const settingsMs = 3000

/** What the option `kafka` gives, or why it gives nothing. What is wrong with its values is thrown on. */
export async function settingsOf(kafka: ExaminationOptions['kafka']): Promise<KafkaOptions | Failure> {
  try {
    return await within(kafka(), settingsMs, 'The option `kafka` has given no settings')
  } catch (error) {
    if (error instanceof RelistenError) throw error
    const { message, code } = failureFrom(error, 'settings-failed')
    return {
      kind: 'settings-failed',
      message: `The option \`kafka\` gave no settings: ${message}`,
      ...(code ? { code } : {}),
    }
  }
}

/** A connection to each node that is who it should be. */
function connectionsTo(brokers: readonly BrokerVisit[]): Map<number, HeldConnection> {
  return new Map(
    brokers.flatMap(({ nodeId, ownNodeId = nodeId, connection }) =>
      connection && ownNodeId === nodeId ? [[nodeId, connection] as const] : [],
    ),
  )
}

/** A broker answers for its own configuration only, and otherwise says who it is. */
export async function ownNodeId(connection: HeldConnection | undefined, nodeId: number): Promise<number | undefined> {
  if (!connection) return undefined
  try {
    const [own] = (await asked(connection, calls.describeBroker(nodeId, ['node.id']))).resources
    if (own?.errorCode === 0) return nodeId
    const [, other] = /expected (\d+)/.exec(own?.errorMessage ?? '') ?? []
    return other === undefined ? undefined : Number(other)
  } catch {
    return undefined
  }
}

/** The results in the order of the items, a few at a time. */
async function inTurns<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  const waiting = [...items.entries()]
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results[next[0]] = await work(next[1])
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}
