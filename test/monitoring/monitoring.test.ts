// The dashboard and the alert rules, held against the metrics that there are.
import { expect, test } from 'vitest'
import { metrics } from '../../src/opentelemetry/metrics.ts'
import { exportedText, namesIn, namesOf, withUnits } from './exporter-names.ts'
import { alertExpressions, alertRules, dashboard, dashboardExpressions, filled } from './files.ts'
import { errorsIn, groupingsIn, labelsLeft, type Selection, selectionsIn, withoutComparisons } from './promql.ts'

const expressions = [...alertExpressions, ...dashboardExpressions].map(({ where, expr, shown }) => ({
  ...{ where, shown },
  expr: filled(expr, '5m'),
}))
const withoutUnits = namesIn(await exportedText())
const exporters = [
  ['an exporter that leaves units out of names', withoutUnits],
  ['one that writes them', withUnits(withoutUnits)],
] as const

test('there are expressions of alerts, panels and variables', () => {
  expect(alertExpressions.length).toBeGreaterThan(10)
  expect(dashboardExpressions.length).toBeGreaterThan(30)
  expect(dashboardExpressions.filter(({ where }) => where.startsWith('variable'))).toHaveLength(2)
  expect(expressions.filter(({ expr }) => expr.includes('$'))).toEqual([])
})

test('every expression parses, also without its comparisons', () => {
  expect(errorsIn('sum by (job) relisten_lag')).not.toEqual([])
  for (const { where, expr } of expressions) {
    expect(errorsIn(expr), where).toEqual([])
    expect(errorsIn(withoutComparisons(expr)), where).toEqual([])
    expect(withoutComparisons(expr), where).not.toMatch(/[<>] *[\d.]+/)
  }
})

test.each(exporters)('every name and label that is selected exists with %s', (_, names) => {
  const matched = ({ name }: Selection) => [...names].filter(([each]) => name.test(each))
  for (const { where, expr, shown } of expressions) {
    const selections = selectionsIn(expr)
    expect(selections.length, where).toBeGreaterThan(0)
    for (const selection of selections) {
      const found = matched(selection)
      expect(found, `${where} selects ${selection.text}`).toHaveLength(1)
      for (const [name, labels] of found)
        expect(
          selection.labels.filter((label) => !labels.has(label)),
          `${where}: labels of ${name}`,
        ).toEqual([])
    }
    const labelsOf = (list: readonly Selection[]) => list.flatMap(matched).flatMap(([, labels]) => [...labels])
    for (const { text, labels, of } of groupingsIn(expr))
      expect(
        labels.filter((label) => !labelsOf(of).includes(label)),
        `${where}: ${text}`,
      ).toEqual([])
    const left = labelsLeft(expr) ?? labelsOf(selections)
    expect(
      shown.filter((label) => !left.includes(label)),
      `${where} shows labels that are not there`,
    ).toEqual([])
  }
})

test.each(exporters)('every metric is in a panel or an alert, with %s', (_, names) => {
  const selections = expressions.flatMap(({ expr }) => selectionsIn(expr))
  const isShown = (name: string) => selections.some((selection) => selection.name.test(name))
  const missing = Object.values(metrics).filter((metric) => !namesOf(metric, names).some(isShown))
  expect(missing.map(({ name }) => name)).toEqual([])
})

test('every alert says for how long, how bad it is, and what to do', () => {
  expect(new Set(alertRules.map(({ alert }) => alert)).size).toBe(alertRules.length)
  for (const { alert, for: lasts, labels, annotations } of alertRules) {
    expect(alert).toMatch(/^Relisten[A-Z]\w+$/)
    expect(lasts, alert).toMatch(/^\d+m$/)
    expect(['critical', 'warning'], alert).toContain(labels.severity)
    expect(annotations.summary, alert).toMatch(/\$labels\.\w+/)
    expect(annotations.description, alert).toMatch(/^[^{}]+\. Next step: [^{}]+\.$/)
  }
})

test('the panels have ids of their own, and places that do not overlap', () => {
  const { panels } = dashboard
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  const cells = new Map<string, string>()
  for (const { title, gridPos } of panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(cells.get(`${x} ${y}`), `${title} lies over it`).toBeUndefined()
        cells.set(`${x} ${y}`, title)
      }
    }
  }
})

test('everything asks the data source that was chosen, and the queries of a panel have ids of their own', () => {
  expect(dashboard.templating.list.map(({ name }) => name)).toEqual(['datasource', 'job', 'group'])
  const sources = [...JSON.stringify(dashboard).matchAll(/"type":"prometheus","uid":"([^"]*)"/g)].map(([, uid]) => uid)
  expect(sources.length).toBeGreaterThan(dashboardExpressions.length)
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is Grafana's
  expect(new Set(sources)).toEqual(new Set(['${datasource}']))
  for (const { type, title, targets = [] } of dashboard.panels) {
    expect(targets.length > 0, title).toBe(type !== 'row')
    expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length)
  }
})
