/** What `monitoring/` holds: the dashboard, the alert rules, and every expression in them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'

export interface Expression {
  /** The alert, panel or variable it is of. */
  readonly where: string
  readonly expr: string
  /** Labels whose values its legend or its annotations show. */
  readonly shown: readonly string[]
}

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly description: string }
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[]
}

export interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
}

const folder = join(import.meta.dirname, '../../monitoring')
export const rulesPath = join(folder, 'relisten-alerts.yml')

export const dashboard: Dashboard = JSON.parse(await readFile(join(folder, 'relisten-dashboard.json'), 'utf8'))

export const alertRules: readonly AlertRule[] = (
  parse(await readFile(rulesPath, 'utf8')) as { readonly groups: readonly { readonly rules: AlertRule[] }[] }
).groups.flatMap(({ rules }) => rules)

export const alertExpressions: readonly Expression[] = alertRules.map(({ alert, expr, annotations }) => ({
  where: alert,
  expr,
  shown: [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label),
}))

/** Those of panels, and of the variables that ask for the values of a label. */
export const dashboardExpressions: readonly Expression[] = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({
      where: title,
      expr,
      shown: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label),
    })),
  ),
  ...dashboard.templating.list.flatMap(({ name, definition = '' }) => {
    const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? []
    return selector && label
      ? [{ where: `variable ${name}`, expr: `count by (${label}) (${selector})`, shown: [] }]
      : []
  }),
]

/** An expression as Grafana sends it: with this window, all groups, and all jobs or this one. */
export const filled = (expr: string, window: string, job = '.*'): string =>
  expr
    .replaceAll('$__rate_interval', window)
    .replaceAll(/\$group\b/g, '.*')
    .replaceAll(/\$job\b/g, job)
