/**
 * `npm run monitoring`: the dashboard and the alert rules on a real Prometheus, that scrapes consumers on a real cluster. Each
 * expression has to give series, an alert's without what it is compared with, and alerts with a cause have to be pending or firing. All of it
 * twice: for names without units and with them.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import Table from 'cli-table3'
import { instrument } from '../../src/opentelemetry.ts'
import { startCluster } from '../cluster/kafka-cluster.ts'
import { until } from '../real/harness/until.ts'
import { runCommand } from '../verification/command.ts'
import { alertExpressions, dashboardExpressions, filled, rulesPath } from './files.ts'
import { jobs, type Prometheus, startPrometheus } from './prometheus.ts'
import { withoutComparisons } from './promql.ts'
import { afterAll, provoked } from './situations.ts'

const say = (line: string) => console.log(line)

const check = await runCommand('promtool', ['check', 'rules', rulesPath], { timeoutMs: 30_000 })
if (check.exitCode !== 0) {
  const isMissing = check.exitCode === null
  console.error(
    isMissing
      ? 'There is no `promtool` on the PATH: install the Debian package `prometheus`, which has both programs that this needs.'
      : check.output.trim(),
  )
  process.exit(1)
}
say(check.output.trim())

const exporter = new PrometheusExporter({ preventServerStart: true })
const server = createServer((request, response) => exporter.getMetricsRequestHandler(request, response))
await once(server.listen(0, '127.0.0.1'), 'listening')
const end = instrument({ meterProvider: new MeterProvider({ readers: [exporter] }) })
try {
  await using cluster = await startCluster({ bindFixed: true, onProgress: say })
  await using prometheus = await startPrometheus(`127.0.0.1:${(server.address() as AddressInfo).port}`, rulesPath)
  const rows = await afterAll(cluster, say, () => judge(prometheus))
  const table = new Table({ head: ['alert or panel', 'names', 'expression', 'series', 'alert', ''] })
  table.push(
    ...rows.map(({ where, job, expr, series, state, fault }) => [where, job, short(expr), series, state, fault]),
  )
  const faults = rows.filter(({ fault }) => fault !== '')
  say(
    `${table}\n${rows.length} expressions, ${faults.length} without series, with an error, or an alert that is missing`,
  )
  process.exitCode = faults.length > 0 ? 1 : 0
} finally {
  end()
  server.close()
}

interface Row {
  readonly where: string
  readonly job: string
  readonly expr: string
  readonly series: number
  readonly state: string
  /** Empty where it is as it should be. */
  readonly fault: string
}

async function judge(prometheus: Prometheus): Promise<Row[]> {
  const alertsOf = async (name: string, job: string) =>
    (await prometheus.alerts()).filter(({ labels }) => labels.alertname === name && labels.job === job)
  // those that do not come are faults below
  await until(
    async () => {
      for (const name of provoked) for (const job of jobs) if ((await alertsOf(name, job)).length === 0) return name
    },
    { deadlineMs: 30_000, everyMs: 1000 },
  ).catch(() => {})
  const rows: Row[] = []
  for (const { where, expr, shown } of [...alertExpressions, ...dashboardExpressions]) {
    const isAlert = alertExpressions.some((alert) => alert.where === where)
    for (const job of jobs) {
      const asked = isAlert ? withoutComparisons(expr) : filled(expr, '1m', job)
      const answer = await prometheus.query(asked).catch((error: Error) => error.message)
      const series = typeof answer === 'string' ? [] : answer.filter(({ metric }) => !isAlert || metric.job === job)
      const missing = shown.filter((label) => !series.some(({ metric }) => metric[label]))
      const alerts = isAlert ? await alertsOf(where, job) : []
      const states = alerts.map(({ state }) => state)
      const texts = alerts.map(({ annotations }) => annotations.summary ?? '')
      const faults = [
        ...(typeof answer === 'string' ? [answer] : []),
        ...(series.length === 0 ? ['no series'] : missing.map((label) => `no label ${label}`)),
        ...(provoked.includes(where) && states.length === 0 ? ['no alert'] : []),
        // a template that can't be expanded
        ...texts.filter((text) => text.includes('<')),
      ]
      const state = states.includes('firing') ? 'firing' : (states[0] ?? '')
      rows.push({ where, job, expr: asked, series: series.length, state, fault: faults.join(', ') })
    }
  }
  return rows
}

function short(expr: string): string {
  return (expr.length > 60 ? `${expr.slice(0, 59)}…` : expr).replaceAll(/\s+/g, ' ')
}
