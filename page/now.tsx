/** What the consumer is doing, or what `follow` returned, and how it is, in a few figures. */

import { duration } from '../src/command-line/show.ts'
import type { FollowFold } from '../src/follow/follow-status.ts'
import type { Status } from '../src/views/status.ts'
import { clock } from './clock.ts'
import type { History } from './history.ts'

export function Now(props: {
  readonly history: History
  readonly status: Status | undefined
  readonly followed: FollowFold | undefined
}) {
  const { history, status, followed } = props
  const { newest, lifecycle, following: lit = lifecycle } = history
  const end = newest?.at ?? 0
  return (
    <>
      {status && (
        <ul class="verdicts">
          <Verdict is={status.live} good="live" bad="not live" why={status.liveReason} />
          <Verdict is={status.ready} good="ready" bad="not ready" why={status.reason} />
          <Verdict is={!status.degraded} good="not degraded" bad="degraded" why={status.degradedReason} />
        </ul>
      )}
      <dl class="figures">
        <Figure name="state">
          {lit?.state ?? 'none yet'}
          {lit && <span class="quiet"> since {clock(lit.since)}</span>}
        </Figure>
        {status && <StatusFigures status={status} />}
        {followed && <FollowedFigures status={followed} />}
        {!status && newest && <Figure name="in it for">{duration(end - (lit?.since ?? end))}</Figure>}
      </dl>
    </>
  )
}

function Verdict(props: { readonly is: boolean; readonly good: string; readonly bad: string; readonly why: string }) {
  const { is, good, bad, why } = props
  return (
    <li class={is ? 'good' : 'bad'}>
      <strong>{is ? good : bad}</strong> <span>{why}</span>
    </li>
  )
}

function StatusFigures({ status }: { readonly status: Status }) {
  const { memberId, generation, epoch, clusterId, journal, lastHandover, lastFailure, counts } = status
  const { sessions, rebalances, reconnects, retries, handlerFailures, commitFailures, restarts } = counts
  return (
    <>
      <Figure name="member">{memberId ?? '–'}</Figure>
      <Figure name="generation, session">
        {generation ?? '–'}, {epoch}
      </Figure>
      <Figure name="cluster">{clusterId ?? '–'}</Figure>
      <Figure name="journal">{journal}</Figure>
      <Figure name="hand-overs">
        {restarts.inPlace} in place, {restarts.replacement} by replacement
        {lastHandover && <span class="quiet">, the last with a gap of {duration(lastHandover.gapMs)}</span>}
      </Figure>
      <Figure name="so far">
        {many(sessions, 'session')}, {many(rebalances, 'rebalance')}, {many(reconnects, 'reconnection')},{' '}
        {many(retries, 'retry', 'retries')}, {many(handlerFailures, 'failure')} of handlers, {commitFailures} of commits
      </Figure>
      <LastFailure failure={lastFailure} />
    </>
  )
}

function FollowedFigures({ status }: { readonly status: FollowFold }) {
  const { clusterId, journal, lastMove, lastFailure, counts } = status
  const { moves, reconnects, outages, lostResponses } = counts
  return (
    <>
      <Figure name="cluster">{clusterId ?? '–'}</Figure>
      <Figure name="journal">{journal}</Figure>
      <Figure name="so far">
        {many(moves, 'move')}, {many(reconnects, 'reconnection')}, {many(outages, 'outage')},{' '}
        {many(lostResponses, 'lost response')}
        {lastMove && <span class="quiet">, connected again {duration(lastMove.tookMs)} after the last move</span>}
      </Figure>
      <LastFailure failure={lastFailure} />
    </>
  )
}

export function LastFailure({ failure }: { readonly failure: Status['lastFailure'] }) {
  if (!failure) return null
  return (
    <Figure name="last failure">
      {failure.message} <span class="quiet">{clock(failure.at)}</span>
    </Figure>
  )
}

export const many = (count: number, one: string, several = `${one}s`): string =>
  `${count} ${count === 1 ? one : several}`

export function Figure(props: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  )
}
