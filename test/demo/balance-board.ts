/** What the balancer's demo shows while it runs, as lines: a pure rendering of what was measured and of the balancer's own status. */
import { formatBytes } from '../../machines/balancer/byte-count.ts'
import type { Imbalance, SoftGoal } from '../../machines/balancer/plan.ts'
import type { BalancerStatus } from '../../src/balancer.ts'
import type { Carried } from './balance-meter.ts'

export interface BoardView {
  /** In milliseconds since 1970. */
  readonly now: number
  readonly brokers: readonly Carried[]
  readonly status: Pick<
    BalancerStatus,
    'state' | 'round' | 'execution' | 'moves' | 'copiedBytes' | 'throttles' | 'newestSampleAt' | 'blindness'
  >
  /** Measured before the balancer looked at it. */
  readonly before: Imbalance
  readonly imbalance: Imbalance
  /** What has become of the listeners, in words. */
  readonly listeners: string
}

/** Cells of a bar, and how many of them stand for the mean. */
const [barCells, meanCells] = [25, 10]

export const boardLines = (view: BoardView): string[] => [
  '',
  `  ${progressLine(view.status)}`,
  `  listeners ${view.listeners}`,
  `  newest sample ${ageText(view)}   throttles set ${view.status.throttles.length}`,
  '',
  ...brokerLines(view.brokers),
  '',
  ...imbalanceLines(view),
]

/** The state of the balancer and how far its plan is, in one line. */
export function progressLine({ state, round, execution, moves, copiedBytes }: BoardView['status']): string {
  const where = `${state}, round ${round}`
  if (state !== 'executing' || !execution)
    return `${where}: ${moves.done} steps done in all, ${formatBytes(copiedBytes)} copied`
  const { done, failed, waiting, underWay, bytes } = execution
  const all = done + failed + waiting + underWay.length
  const failures = failed === 0 ? '' : `, ${failed} failed`
  const copied = `${formatBytes(bytes.copied)} of ${formatBytes(bytes.total)} copied`
  return `${where}: ${done} of ${all} steps done, ${underWay.length} under way${failures}, ${copied}`
}

export function brokerLines(brokers: readonly Carried[]): string[] {
  const means = { in: meanOf(brokers.map((each) => each.in)), out: meanOf(brokers.map((each) => each.out)) }
  const width = barCells + 20
  return [
    `            ${'network in'.padEnd(width)}network out`,
    ...brokers.map((broker) => {
      const sides = (['in', 'out'] as const).map((side) => sideText(broker[side], means[side]).padEnd(width))
      return `  broker ${broker.id}  ${sides.join('')}`.trimEnd()
    }),
    `            ${`${' '.repeat(meanCells)}│ mean ${formatBytes(means.in)}/s`.padEnd(width)}${' '.repeat(meanCells)}│ mean ${formatBytes(means.out)}/s`,
  ]
}

/** Filled as far as the share of the mean goes, with a mark where the mean is. A share beyond the bar ends in an arrow. */
export function bar(share: number): string {
  const filled = Math.round(share * meanCells)
  const cells = Array.from({ length: barCells }, (_, cell): string => {
    if (cell < filled) return '█'
    return cell === meanCells ? '│' : '·'
  })
  if (filled > barCells) cells[barCells - 1] = '▶'
  return cells.join('')
}

function sideText(bytes: number, mean: number): string {
  const share = mean > 0 ? bytes / mean : 0
  return `${bar(share)} ${share.toFixed(2)}  ${formatBytes(bytes)}/s`
}

function imbalanceLines({ before, imbalance }: BoardView): string[] {
  const cells = (Object.keys(imbalance) as SoftGoal[]).map((goal) => {
    return `${goal.padEnd(11)}${before[goal].toFixed(3)} → ${imbalance[goal].toFixed(3)}`.padEnd(29)
  })
  return [cells.slice(0, 3), cells.slice(3)].map((row, index) =>
    `  ${index === 0 ? 'imbalance' : '         '} ${row.join('')}`.trimEnd(),
  )
}

function ageText({ now, status: { newestSampleAt, blindness } }: BoardView): string {
  if (newestSampleAt === null) return 'none yet'
  const age = `${(Math.max(0, now - newestSampleAt) / 1000).toFixed(1)} s old`
  return blindness === null ? age : `${age}, stale: nothing is decided`
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
