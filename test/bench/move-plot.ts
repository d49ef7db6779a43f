/** The picture of the README: what two clients have handled before, during and after one move of all brokers, as SVG. */
import * as echarts from 'echarts'
import type { ClientName } from './client.ts'
import type { Timeline } from './timeline.ts'

const WIDTH = 860
const HEIGHT = 400
const TICK_S = 5

/** Each colour has about 4 : 1 on white and on a dark page alike, as one picture is shown on both. */
const grey = '#787c82'
const label = { color: grey, fontSize: 14, fontWeight: 'normal' as const }
/** `labelAt`: at which part of its line the label ends. */
const looks: Partial<Record<ClientName, { readonly name: string; readonly colour: string; readonly labelAt: number }>> =
  {
    'relisten-1': { name: 'relisten', colour: '#0f8a5f', labelAt: 0.65 },
    'kafkajs-function': { name: 'KafkaJS', colour: '#d1553b', labelAt: 0.8 },
  }

export function plotMove({ clients, fromMs, stepMs }: Timeline): string {
  const steps = Math.min(...clients.map(({ handled }) => handled.length))
  const lastTick = Math.floor((fromMs + (steps - 1) * stepMs) / 1000 / TICK_S) * TICK_S
  const lines = clients.map(({ client, gapMs, handled }) => {
    const { name = client, colour = grey, labelAt = 0.5 } = looks[client] ?? {}
    const points = handled
      .map((count, step): [number, number] => [(fromMs + step * stepMs) / 1000, count])
      .filter(([at]) => at <= lastTick)
    return { name, colour, gapMs, points, labelled: points[Math.round(points.length * labelAt)] ?? [0, 0] }
  })
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT })
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    title: { text: 'messages handled', left: 8, top: 8, textStyle: label },
    grid: { left: 70, right: 30, top: 45, bottom: 60 },
    xAxis: {
      type: 'value' as const,
      name: 'seconds before and after all brokers move to other addresses',
      nameLocation: 'middle' as const,
      nameGap: 35,
      nameTextStyle: label,
      min: fromMs / 1000,
      max: lastTick,
      interval: TICK_S,
      axisLabel: label,
      axisLine: { onZero: false, lineStyle: { color: grey } },
      splitLine: { show: false },
    },
    yAxis: {
      type: 'value' as const,
      axisLabel: { ...label, formatter: (value: number) => value.toLocaleString('en') },
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: grey, opacity: 0.25 } },
    },
    series: lines.map(({ name, colour, gapMs, points, labelled }, index) => ({
      name,
      type: 'line' as const,
      showSymbol: false,
      color: colour,
      lineStyle: { width: 3.5 },
      data: points,
      markLine: {
        symbol: 'none',
        label: { ...label, formatter: 'the brokers move', align: 'left' as const, offset: [8, 22] },
        lineStyle: { color: grey, type: 'dashed' as const, width: 1.5 },
        data: index === 0 ? [{ xAxis: 0 }] : [],
      },
      markPoint: {
        symbolSize: 0,
        label: {
          show: true,
          formatter: labelOf({ name, gapMs }),
          color: colour,
          fontSize: 16,
          fontWeight: 'bold' as const,
          align: 'right' as const,
          offset: [-12, -16],
        },
        data: [{ coord: labelled }],
      },
    })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return plain(svg, lines.map(labelOf).join('; '))
}

const labelOf = ({ name, gapMs }: { readonly name: string; readonly gapMs: number }): string =>
  `${name}: longest gap ${(gapMs / 1000).toFixed(1)} s`

/** Without what an image has no use for, the colours under a mouse; the same figures make the same file, although echarts counts its charts. */
function plain(svg: string, title: string): string {
  return svg
    .replace(/<style[\s\S]*<\/style>\n?/, '')
    .replaceAll(/ class="[^"]*"/g, '')
    .replaceAll(/\bzr\d+-/g, '')
    .replace('>', `>\n<title>${title}</title>`)
}
