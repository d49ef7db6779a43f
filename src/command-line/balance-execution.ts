/** `relisten balance --execute`: carries plans out, round after round, until nothing is left to move. */

import type { ExecutionProgress } from '../../actors/balancer/execution-progress.ts'
import { formatBytes } from '../../machines/balancer/byte-count.ts'
import { type Decision, remainderOf, summaryOf } from '../../machines/balancer/decision.ts'
import type { FactData } from '../../machines/fact.ts'
import type { Balancer } from '../balancer/balancer.ts'
import type { FactRecord } from '../journal/journal.ts'
import type { Output } from './output.ts'
import { planTable } from './plan-table.ts'
import { duration } from './show.ts'

/** How often the progress is drawn, in milliseconds. */
const drawMs = 500

/**
 * Resolves with whether it came to a round that moves nothing, and no step failed. A plan is awaited for at most `withinMs` in each round; an interrupt ends
 * it in an orderly way.
 */
export async function executeRounds(balancer: Balancer, withinMs: number, output: Output): Promise<boolean> {
  let isBalanced = false
  let hasFailed = false
  let due: NodeJS.Timeout | undefined
  const awaitPlan = () => {
    clearTimeout(due)
    due = setTimeout(() => void balancer.stop(), withinMs)
  }
  const interrupted = output.interrupted()
  const stop = () => void balancer.stop()
  interrupted.addEventListener('abort', stop, { once: true })
  const drawing = setInterval(() => draw(balancer, output), drawMs)
  const records = balancer.events()
  output.progress('Samples of the load are gathered …')
  awaitPlan()
  balancer.start()
  try {
    for await (const record of records) {
      const { type, data } = record as FactRecord
      if (type === 'plan.proposed') {
        clearTimeout(due)
        show(data.decision as Decision, output)
      }
      if (type === 'throttle.found')
        output.error(`${data.config} of ${data.on} ${data.name} is ${data.value}, and no record says who set it.`)
      if (type === 'step.ended' && data.result !== 'done')
        output.error(`${data.topic}/${data.partition} to broker ${data.to}: ${data.result}, ${data.reason}.`)
      if (type === 'execution.ended') {
        hasFailed ||= data.failed > 0
        output.out(endLine(data, balancer))
      }
      if (type === 'round.closed' && data.result === 'executed') awaitPlan()
      if (type !== 'round.closed' || data.result !== 'still') continue
      const decision = data.decision as Decision
      // Without trust in all figures this is no result: another round knows more.
      if (decision.pinned.untrusted) continue
      isBalanced = true
      show(decision, output)
      stop()
    }
  } finally {
    clearTimeout(due)
    clearInterval(drawing)
    interrupted.removeEventListener('abort', stop)
    await balancer.stop()
  }
  return isBalanced && !hasFailed
}

function show(decision: Decision, output: Output): void {
  for (const line of [...summaryOf(decision), ...planTable(decision), ...remainderOf(decision)]) output.out(line)
}

function endLine({ round, moved, failed, reason }: FactData['execution.ended'], balancer: Balancer): string {
  const copied = formatBytes(balancer.status().execution?.bytes.copied ?? 0)
  const early = reason === undefined ? '' : `; it ended early: ${reason}`
  return `Round ${round}: ${moved} done, ${failed} failed, ${copied} copied${early}.`
}

function draw(balancer: Balancer, output: Output): void {
  const { state, round, execution } = balancer.status()
  if (state === 'executing' && execution) output.progress(progressLine(round, execution))
  else if (state === 'settling' || state === 'cooling')
    output.progress('Samples from after the moves are gathered, for the next round …')
}

/** How far a plan is, in one line. */
function progressLine(round: number, { done, failed, waiting, underWay, bytes, leftMs }: ExecutionProgress): string {
  const all = done + failed + waiting + underWay.length
  const copied = bytes.total === 0 ? '' : `, ${formatBytes(bytes.copied)} of ${formatBytes(bytes.total)} copied`
  const left = leftMs === null || copied === '' ? '' : `, about ${duration(leftMs)} left`
  return `Round ${round}: ${done} of ${all} steps done, ${underWay.length} under way${copied}${left}`
}
