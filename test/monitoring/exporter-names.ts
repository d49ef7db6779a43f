/** The names and labels under which Prometheus gets the metrics: from an exporter that leaves units out of names, and from one that writes them. */
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { createInstruments } from '../../src/opentelemetry/instruments.ts'
import { type Metric, type MetricKey, metrics } from '../../src/opentelemetry/metrics.ts'

/** The labels of each series' name. */
export type Names = ReadonlyMap<string, ReadonlySet<string>>

/** What the exporter writes after each metric of the table was measured once, with all its attributes. */
export async function exportedText(): Promise<string> {
  class Reader extends MetricReader {
    protected override async onForceFlush() {}
    protected override async onShutdown() {}
  }
  const reader = new Reader()
  const { write, observed } = createInstruments(new MeterProvider({ readers: [reader] }).getMeter('relisten'))
  for (const [key, { attributes }] of Object.entries(metrics) as [MetricKey, Metric][]) {
    const measured = Object.fromEntries(attributes.map((name) => [name, 'some']))
    observed.get(key)?.addCallback((result) => result.observe(1, measured))
    write(key, 1, measured)
  }
  const { resourceMetrics } = await reader.collect()
  return new PrometheusSerializer().serialize(resourceMetrics)
}

export function namesIn(text: string): Names {
  const names = new Map<string, Set<string>>()
  for (const [, name = '', labels = ''] of text.matchAll(/^([a-z]\w*)(?:\{(.*)\})? \S+$/gm)) {
    const known = names.get(name) ?? new Set(['job', 'instance'])
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label)
    names.set(name, known)
  }
  return names
}

/** The names that a metric has in there. */
export const namesOf = ({ name }: Metric, names: Names): string[] =>
  [...names.keys()].filter((each) => isOf(each, name.replaceAll('.', '_')))

const unitWords: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' }
const bases = Object.values(metrics).map(({ name, unit }) => ({
  base: name.replaceAll('.', '_'),
  word: unitWords[unit] ?? '',
}))

/** The names as the collector and Prometheus's OTLP receiver write them: the unit stands before `_total`, `_bucket`, … */
export function withUnits(names: Names): Names {
  return new Map(
    [...names].map(([name, labels]) => {
      const { base, word } = bases.find((each) => isOf(name, each.base)) ?? { base: name, word: '' }
      return [`${base}${word}${name.slice(base.length)}`, labels]
    }),
  )
}

/** The same as rules of a scrape (`metric_relabel_configs`). */
export const relabelings = bases
  .filter(({ word }) => word !== '')
  .map(({ base, word }) => ({
    source_labels: ['__name__'],
    regex: `(${base})(_total|_bucket|_sum|_count)?`,
    target_label: '__name__',
    replacement: `\${1}${word}$2`,
  }))

const isOf = (name: string, base: string): boolean =>
  name.startsWith(base) && /^(_seconds|_bytes)?(_total|_bucket|_sum|_count)?$/.test(name.slice(base.length))
