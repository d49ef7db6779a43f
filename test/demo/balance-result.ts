/** The result of the balancer's demo: a table, and whether it holds. */
import Table from 'cli-table3'
import { formatBytes } from '../../machines/balancer/byte-count.ts'
import type { Imbalance, SoftGoal } from '../../machines/balancer/plan.ts'
import type { BalancerStatus } from '../../src/balancer.ts'
import type { Losses } from '../balancer/loaded-topic.ts'
import type { Carried } from './balance-meter.ts'

export interface BalanceOutcome {
  readonly before: Imbalance
  readonly after: Imbalance
  readonly carriedBefore: readonly Carried[]
  readonly carriedAfter: readonly Carried[]
  readonly status: Pick<BalancerStatus, 'rounds' | 'moves' | 'copiedBytes' | 'throttles'>
  /** The longest time between two samples at the move of the listeners, and without it; in milliseconds. */
  readonly gaps: { readonly within: number; readonly elsewhere: number }
  readonly acknowledged: number
  readonly losses: Losses
}

/** How far from the mean a broker may be in the end. */
const band = 0.1
/** How much longer the time between two samples may be at the move, in milliseconds. */
const gapMs = 1000

export function balanceResult(outcome: BalanceOutcome): { readonly text: string; readonly holds: boolean } {
  const { before, after, carriedBefore, carriedAfter, status, gaps, acknowledged, losses } = outcome
  const { rounds, moves, copiedBytes, throttles } = status
  const farthest = distance(carriedAfter)
  const broken = [
    ...(farthest > band ? [`a broker is ${percent(farthest)} from the mean`] : []),
    ...(moves.failed + moves.cancelled > 0 ? [`${moves.failed + moves.cancelled} steps were not done`] : []),
    ...(throttles.length > 0 ? [`${throttles.length} throttles are still set`] : []),
    ...(losses.lost + losses.twice > 0 ? ['messages were lost or handled twice'] : []),
    ...(gaps.within > gaps.elsewhere + gapMs ? ['samples were missing for too long at the move'] : []),
  ]
  const goals = new Table({
    ...{ head: ['', 'before', 'after'], colAligns: ['left', 'right', 'right'] },
    style: { head: [], border: [], compact: true },
  })
  for (const goal of Object.keys(before) as SoftGoal[])
    goals.push([`imbalance: ${goal}`, before[goal].toFixed(3), after[goal].toFixed(3)])
  goals.push(['farthest from the mean, network', percent(distance(carriedBefore)), percent(farthest)])
  const whole = new Table({ colAligns: ['left', 'right'], style: { head: [], border: [], compact: true } })
  whole.push(
    ['rounds that moved something', rounds.executed],
    ['steps done / failed / cancelled', `${moves.done} / ${moves.failed} / ${moves.cancelled}`],
    ['copied', formatBytes(copiedBytes)],
    ['longest time between samples, at the move / otherwise', `${seconds(gaps.within)} / ${seconds(gaps.elsewhere)}`],
    [
      'messages acknowledged / lost / handled twice',
      [acknowledged, losses.lost, losses.twice].map((count) => count.toLocaleString('en')).join(' / '),
    ],
  )
  const verdict =
    broken.length === 0
      ? `Every broker is within ${percent(band)} of the mean, and no message was lost or handled twice.`
      : `The balancer did NOT keep its promise: ${broken.join('; ')}.`
  return { text: [goals.toString(), '', whole.toString(), '', verdict].join('\n'), holds: broken.length === 0 }
}

/** Of the broker that is farthest from the mean, in or out. */
function distance(carried: readonly Carried[]): number {
  const farthest = (['in', 'out'] as const).map((side) => {
    const mean = carried.reduce((sum, each) => sum + each[side], 0) / carried.length
    return Math.max(...carried.map((each) => Math.abs(each[side] / mean - 1)))
  })
  return Math.max(...farthest)
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`
