/** A balancer: how its rounds go, how uneven the cluster is, and the steps of the newest plan. */

import type { ExecutionProgress } from '../actors/balancer/execution-progress.ts'
import { formatBytes } from '../machines/balancer/byte-count.ts'
import type { Decision } from '../machines/balancer/decision.ts'
import type { BalancerFold, BalancerStatus } from '../src/balancer/balancer-status.ts'
import { duration } from '../src/command-line/show.ts'
import { clock } from './clock.ts'
import type { Lit, TakenStep } from './history.ts'
import { Figure, LastFailure, many } from './now.tsx'
import { Table } from './tables.tsx'

export function BalancerFigures(props: {
  readonly lit: Lit | undefined
  readonly status: (BalancerFold & Partial<BalancerStatus>) | undefined
}) {
  const { lit, status } = props
  return (
    <dl class="figures">
      <Figure name="state">
        {lit?.state ?? status?.state ?? 'none yet'}
        {lit && <span class="quiet"> since {clock(lit.since)}</span>}
      </Figure>
      {status && <StatusFigures status={status} />}
    </dl>
  )
}

function StatusFigures({ status }: { readonly status: BalancerFold & Partial<BalancerStatus> }) {
  const { round, isPaused, blindness, rounds, moves, copiedBytes, throttles, newestSampleAt, execution, journal } =
    status
  return (
    <>
      <Figure name="round">
        {round}
        {isPaused && <span class="quiet">, paused</span>}
      </Figure>
      <Figure name="samples">
        {blindness ? `stale: ${blindness.reason}` : 'fresh'}
        {newestSampleAt != null && <span class="quiet">, the newest at {clock(newestSampleAt)}</span>}
      </Figure>
      {execution && <Progress progress={execution} />}
      <Figure name="rounds so far">
        {rounds.executed} carried out, {rounds.proposed} shown only, {rounds.still} without a move, {rounds.failed}{' '}
        failed
      </Figure>
      <Figure name="steps so far">
        {moves.done} done, {moves.cancelled} cancelled, {moves.failed} failed, {formatBytes(copiedBytes)} copied
      </Figure>
      <Figure name="throttles">{throttles.length === 0 ? 'none' : throttles.join(', ')}</Figure>
      <Figure name="journal">{journal}</Figure>
      <LastFailure failure={status.lastFailure} />
    </>
  )
}

function Progress({ progress }: { readonly progress: ExecutionProgress }) {
  const { done, failed, waiting, underWay, bytes, leftMs } = progress
  return (
    <Figure name="newest plan">
      {done} of {many(done + failed + waiting + underWay.length, 'step')} done, {underWay.length} under way
      {bytes.total > 0 && `, ${formatBytes(bytes.copied)} of ${formatBytes(bytes.total)} copied`}
      {underWay.length > 0 && leftMs !== null && <span class="quiet">, about {duration(leftMs)} left</span>}
    </Figure>
  )
}

/** By goal: 0 is even. */
export function ImbalanceTable({ decision }: { readonly decision: Decision | undefined }) {
  if (!decision) return <p class="empty">No round has decided yet.</p>
  const { before, after, total, stillness } = decision
  const rows = [...Object.entries(before), ['all, weighted', total.before] as const]
  const ends: Readonly<Record<string, number>> = { ...after, 'all, weighted': total.after }
  return (
    <>
      <Table label="imbalance" head={['goal', 'before the plan', 'after it']}>
        {rows.map(([goal, was]) => (
          <tr key={goal}>
            <td>{goal}</td>
            <td>{was.toFixed(4)}</td>
            <td>{ends[goal]?.toFixed(4)}</td>
          </tr>
        ))}
      </Table>
      {stillness && <p class="quiet">Nothing is moved: {stillness}.</p>}
    </>
  )
}

/** Those that were taken; before that those that are planned. */
export function StepTable(props: { readonly steps: readonly TakenStep[]; readonly decision: Decision | undefined }) {
  const { steps, decision } = props
  const isTaken = steps.length > 0
  const planned = decision?.steps ?? []
  if (!isTaken && planned.length === 0) return <p class="empty">None.</p>
  return (
    <Table label="steps" head={['what', 'from', 'to', isTaken ? 'result' : 'why']}>
      {isTaken
        ? steps.toReversed().map(({ seq, what, from, to, result }) => (
            <tr key={seq}>
              <td>{what}</td>
              <td>{from}</td>
              <td>{to}</td>
              <td>{result ?? 'under way'}</td>
            </tr>
          ))
        : planned.map(({ kind, topic, partition, from, to, why }) => (
            <tr key={`${topic}/${partition} ${to}`}>
              <td>
                {kind === 'leader' ? 'leader of' : 'replica of'} {topic}/{partition}
              </td>
              <td>{from}</td>
              <td>{to}</td>
              <td>{why}</td>
            </tr>
          ))}
    </Table>
  )
}
