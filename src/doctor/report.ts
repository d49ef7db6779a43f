/** The report of an examination: lines for people, an object for machines. */

import type { DialStep } from '../../actors/connection/dial-step.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import { many } from '../views/log.ts'
import type { Examination } from './examination.ts'
import { described } from './listeners.ts'
import type { Visit } from './visit.ts'

export interface ReportLine {
  readonly text: string
  readonly tone?: 'good' | 'bad' | 'doubtful' | 'dim'
}

export function reportLines({ clusterId, named, brokers, findings }: Examination): ReportLine[] {
  const shown = new Set(brokers.map(({ endpoint }) => formatEndpoint(endpoint)))
  const others = named.filter(({ endpoint }) => !shown.has(formatEndpoint(endpoint)))
  const rows = [...brokers.map((one) => rowOf(`node ${one.nodeId}`, one)), ...others.map((one) => rowOf('named', one))]
  return [
    { text: `cluster ${clusterId ?? 'unknown'}, ${many(brokers.length, 'broker')}` },
    { text: '' },
    { text: columns(heading), tone: 'dim' },
    ...rows.map((row) => ({ text: columns(row) })),
    ...certificateLines(brokers),
    { text: '' },
    ...findings.flatMap(({ code, severity, what, likelyCause, nextStep }): ReportLine[] => [
      { text: `${severity} ${code}: ${what}`, tone: severity === 'problem' ? 'bad' : 'doubtful' },
      { text: `  likely cause: ${likelyCause}` },
      { text: `  next step: ${nextStep}` },
    ]),
    findings.length === 0 ? { text: 'Nothing was found.', tone: 'good' } : summary(findings),
  ]
}

const summary = (findings: Examination['findings']): ReportLine => {
  const problems = findings.filter(({ severity }) => severity === 'problem').length
  const text = `${many(problems, 'problem')}, ${many(findings.length - problems, 'warning')}`
  return { text, tone: problems > 0 ? 'bad' : 'doubtful' }
}

const steps: readonly DialStep[] = ['lookup', 'connect', 'tls', 'login', 'answer']
const heading = ['', 'address', 'name', 'connect', 'TLS', 'login', 'answer', 'round trip', '']

function rowOf(who: string, visit: Visit): string[] {
  const { endpoint, steps: took, failure, roundTripMs } = visit
  const last = steps.findLast((step) => took[step] !== undefined)
  return [
    who,
    formatEndpoint(endpoint),
    ...steps.map((step) => (took[step] === undefined ? '-' : failure && step === last ? 'FAILED' : ms(took[step]))),
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

/** All of it but the connections. */
export function reportObject({ clusterId, named, brokers, findings }: Examination): object {
  return { clusterId: clusterId ?? null, named: named.map(plain), brokers: brokers.map(plain), findings }
}

function plain({ connection: _connection, listener, ...visit }: Visit): object {
  const { protocol, mechanisms } = listener ?? {}
  return {
    ...visit,
    endpoint: formatEndpoint(visit.endpoint),
    ...(listener ? { listener: { protocol, mechanisms } } : {}),
  }
}
