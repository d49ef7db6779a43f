/** The report of an examination: lines for people, an object for machines. */

import type { DialStep } from '../../actors/connection/dial-step.ts'
import { withoutSecrets } from '../../actors/security/secrets.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import { many } from '../views/log.ts'
import type { Examination } from './examination.ts'
import type { Finding } from './finding.ts'
import type { GroupView } from './group.ts'
import { described } from './listeners.ts'
import type { TopicView } from './topic.ts'
import type { Visit } from './visit.ts'

export interface ReportLine {
  readonly text: string
  readonly tone?: 'good' | 'bad' | 'doubtful' | 'dim'
}

export function reportLines({ clusterId, named, brokers, group, topics, findings }: Examination): ReportLine[] {
  const shown = new Set(brokers.map(({ endpoint }) => formatEndpoint(endpoint)))
  const others = named.filter(({ endpoint }) => !shown.has(formatEndpoint(endpoint)))
  const rows = [...brokers.map((one) => rowOf(`node ${one.nodeId}`, one)), ...others.map((one) => rowOf('named', one))]
  return [
    { text: `cluster ${clusterId ?? 'unknown'}, ${many(brokers.length, 'broker')}` },
    { text: '' },
    ...visitLines(rows),
    ...certificateLines(brokers),
    ...(group ? [{ text: groupLine(group) }] : []),
    ...topics.filter(({ partitions }) => partitions.length > 0).map((topic) => ({ text: topicLine(topic) })),
    { text: '' },
    ...findingLines(findings),
  ]
}

/** Each finding with cause and next step, and how many there are. */
export function findingLines(findings: readonly Finding[]): ReportLine[] {
  return [
    ...findings.flatMap(({ code, severity, what, likelyCause, nextStep }): ReportLine[] => [
      { text: withoutSecrets(`${severity} ${code}: ${what}`), tone: severity === 'problem' ? 'bad' : 'doubtful' },
      { text: `  likely cause: ${likelyCause}` },
      { text: `  next step: ${nextStep}` },
    ]),
    findings.length === 0 ? { text: 'Nothing was found.', tone: 'good' } : summary(findings),
  ]
}

const summary = (findings: readonly Finding[]): ReportLine => {
  const problems = findings.filter(({ severity }) => severity === 'problem').length
  const text = `${many(problems, 'problem')}, ${many(findings.length - problems, 'warning')}`
  return { text, tone: problems > 0 ? 'bad' : 'doubtful' }
}

const steps: readonly DialStep[] = ['lookup', 'connect', 'tls', 'login', 'answer']
const heading = ['', 'address', 'name', 'connect', 'TLS', 'login', 'answer', 'round trip', '']

/** The steps of visits, as a table. */
export const visitLines = (rows: readonly (readonly string[])[]): ReportLine[] => [
  { text: columns(heading), tone: 'dim' },
  ...rows.map((row) => ({ text: columns(row) })),
]

/** One row of it. */
export function rowOf(who: string, visit: Visit): string[] {
  const { endpoint, steps: took, failedIn, failure, roundTripMs } = visit
  const cell = (step: DialStep) => (failedIn === step ? 'FAILED' : took[step] === undefined ? '-' : ms(took[step]))
  return [
    who,
    formatEndpoint(endpoint),
    ...steps.map(cell),
    roundTripMs === undefined ? '-' : ms(roundTripMs),
    failure ? (failure.code ?? failure.kind) : 'ok',
  ]
}

const ms = (time: number): string => `${time < 10 ? time.toFixed(1) : time.toFixed(0)} ms`

function columns(cells: readonly string[]): string {
  const widths = [8, 26, 9, 9, 9, 9, 9, 11]
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join(' ')
    .trimEnd()
}

function certificateLines(brokers: Examination['brokers']): ReportLine[] {
  return brokers.flatMap(({ nodeId, certificates: [own] }) =>
    own ? [{ text: `node ${nodeId}: ${described(own)}` }] : [],
  )
}

function groupLine({ groupId, coordinator, state, members }: GroupView): string {
  const where = coordinator === null ? 'no coordinator' : `coordinator node ${coordinator}`
  // Kafka's word for a group that is not there.
  if (state === 'Dead') return `group ${groupId}: ${where}, not used yet`
  return `group ${groupId}: ${where}, ${state ?? 'state unknown'}, ${many(members.length, 'member')}`
}

function topicLine({ topic, partitions }: TopicView): string {
  const lags = partitions.map(({ end, committed }) =>
    end === null || committed === null ? undefined : Number(BigInt(end) - BigInt(committed)),
  )
  const known = lags.filter((lag) => lag !== undefined)
  const lag = known.length > 0 ? `, lag ${known.reduce((sum, one) => sum + one, 0)}` : ''
  const never = lags.length > known.length ? `, ${lags.length - known.length} without a committed offset` : ''
  return `topic ${topic}: ${many(partitions.length, 'partition')}${lag}${never}`
}

/** All of it but the connections. */
export function reportObject({ clusterId, named, brokers, group, topics, findings }: Examination): object {
  const seen = { named: named.map(plain), brokers: brokers.map(plain), group: group && withoutFindings(group) }
  return { clusterId: clusterId ?? null, ...seen, topics: topics.map(withoutFindings), findings }
}

const withoutFindings = ({ findings: _findings, ...view }: GroupView | TopicView): object => view

/** A visit for machines. */
export function plain({ connection: _connection, listener, snapshot, steps: took, ...visit }: Visit): object {
  const { protocol, mechanisms } = listener ?? {}
  const rounded = Object.fromEntries(Object.entries(took).map(([step, time]) => [step, tenths(time)]))
  const advertised = snapshot?.brokers.map((broker) => [broker.nodeId, formatEndpoint(broker)]) ?? []
  return {
    ...visit,
    ...{ endpoint: formatEndpoint(visit.endpoint), steps: rounded, roundTripMs: tenths(visit.roundTripMs) },
    ...(snapshot ? { clusterId: snapshot.clusterId, advertises: Object.fromEntries(advertised) } : {}),
    ...(listener ? { listener: { protocol, mechanisms } } : {}),
  }
}

const tenths = (time: number | undefined): number | undefined => time && Math.round(time * 10) / 10
