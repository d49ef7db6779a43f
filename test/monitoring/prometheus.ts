/** Debian's `prometheus`, scraping one target each second as it is and with units in its names, with the alert rules. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until, within } from '../real/harness/until.ts'
import { relabelings } from './exporter-names.ts'

/** Names without units, and with them. */
export const jobs = ['without-units', 'with-units'] as const

export interface Series {
  readonly metric: Readonly<Record<string, string>>
}

/** An alert that is pending or firing. */
export interface Alert {
  readonly state: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface Prometheus extends AsyncDisposable {
  /** The series that an expression has now. Rejects with what Prometheus says against it. */
  query(expr: string): Promise<readonly Series[]>
  alerts(): Promise<readonly Alert[]>
}

export async function startPrometheus(target: string, rules: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'relisten-prometheus-'))
  const configuration = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: jobs.map((job) => ({
      job_name: job,
      static_configs: [{ targets: [target] }],
      metric_relabel_configs: job === 'with-units' ? relabelings : [],
    })),
  }
  // JSON is YAML
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(configuration))
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const exited = once(child, 'exit')
  exited.catch(() => {})
  let log = ''
  child.stderr.on('data', (chunk) => {
    log += chunk
  })
  const close = async () => {
    child.kill()
    await within(10_000, 'The stop of Prometheus', exited).catch(() => child.kill('SIGKILL'))
    await rm(folder, { recursive: true })
  }
  const port = () => /msg="Listening on" address=127\.0\.0\.1:(\d+)/.exec(log)?.[1]
  const ask = (path: string) => fetch(`http://127.0.0.1:${port()}${path}`, { signal: AbortSignal.timeout(10_000) })
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended with code ${child.exitCode}:\n${log}`)
      if (port() === undefined) return 'the port of Prometheus'
      const isReady = await ask('/-/ready').then(
        ({ ok }) => ok,
        () => false,
      )
      return isReady ? undefined : 'Prometheus ready'
    })
  } catch (error) {
    await close()
    throw error
  }
  return {
    async query(expr) {
      const response = await ask(`/api/v1/query?${new URLSearchParams({ query: expr })}`)
      const { data, error } = (await response.json()) as { data?: { result: Series[] }; error?: string }
      if (!data) throw new Error(error)
      return data.result
    },
    async alerts() {
      const response = await ask('/api/v1/alerts')
      const { data } = (await response.json()) as { data: { alerts: Alert[] } }
      return data.alerts
    },
    [Symbol.asyncDispose]: close,
  }
}
