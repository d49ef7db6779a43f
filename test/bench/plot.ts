/** The plot of the gaps: for each boot list, change and client the worst gap of a partition, on a logarithmic scale, as SVG. */
import * as echarts from 'echarts'
import { type ChangeName, changeNames, changes } from './change.ts'
import { type ClientName, clientKinds, clientNames } from './client.ts'
import type { Boot, Row } from './row.ts'

const WIDTH = 1200
const HEIGHT = 1000
const LOWEST_MS = 10

const colours: Readonly<Record<ClientName, string>> = {
  'relisten-1': '#0b6e4f',
  'relisten-3': '#57b894',
  'kafkajs-list': '#a9b4c6',
  'kafkajs-function': '#74839e',
  'kafkajs-rebuild': '#3d4a66',
  'kafkajs-followed': '#8fce6b',
  platformatic: '#c07a2c',
  java: '#a23b3b',
}

/** Without the rows over TLS. */
export function plotGaps(rows: readonly Row[]): string {
  const plain = rows.filter(({ secure }) => !secure)
  const names = clientNames.filter((name) => plain.some(({ client }) => client === name))
  const boots = (['moved', 'stable'] as const).map((boot, index) => panel(plain, boot, index, names))
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'sans-serif' },
    legend: { bottom: 5, data: names.map(plainTitle) },
    title: boots.map(({ title }) => title),
    grid: boots.map(({ grid }) => grid),
    xAxis: boots.map(({ xAxis }) => xAxis),
    yAxis: boots.map(({ yAxis }) => yAxis),
    series: boots.flatMap(({ series }) => series),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

function panel(rows: readonly Row[], boot: Boot, index: number, names: readonly ClientName[]) {
  const shown = rows.filter((row) => row.boot === boot)
  const columns = changeNames.filter((change) => shown.some((row) => row.change === change))
  const top = 45 + index * 470
  return {
    title: {
      text: `Worst gap of a partition, boot list ${boot} (milliseconds, logarithmic)`,
      left: 'center',
      top: top - 35,
      textStyle: { fontSize: 14 },
    },
    grid: { left: 70, right: 20, top, height: 370 },
    xAxis: {
      type: 'category' as const,
      gridIndex: index,
      data: columns.map((name) => changes[name].title),
      axisLabel: { interval: 0, width: 130, overflow: 'break' as const },
    },
    yAxis: {
      type: 'log' as const,
      gridIndex: index,
      min: LOWEST_MS,
      max: 100_000,
      axisLabel: { formatter: (value: number) => value.toLocaleString('en') },
    },
    series: names.map((name) => ({
      name: plainTitle(name),
      type: 'bar' as const,
      xAxisIndex: index,
      yAxisIndex: index,
      itemStyle: { color: colours[name] },
      data: columns.map((change) => barOf(shown, name, change)),
    })),
  }
}

/** A client that is not back is drawn faint, up to the end of its watch. */
function barOf(rows: readonly Row[], client: ClientName, change: ChangeName) {
  const found = rows.filter((row) => row.client === client && row.change === change)
  // what was measured alone counts before what was measured beside others
  const row = found.find(({ alone }) => alone) ?? found[0]
  if (row === undefined) return null
  return {
    value: Math.max(LOWEST_MS, row.gap.worst),
    itemStyle: { opacity: row.back ? 1 : 0.4 },
    label: {
      show: true,
      position: 'top' as const,
      rotate: 90,
      align: 'left' as const,
      verticalAlign: 'middle' as const,
      fontSize: 9,
      formatter: row.back ? Math.round(row.gap.worst).toLocaleString('en') : 'not back',
    },
  }
}

const plainTitle = (name: ClientName) => clientKinds[name].title.replaceAll('`', '')
