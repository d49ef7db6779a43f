/** What the consumer is doing, and how it is, in a few figures. */

import { duration } from '../src/command-line/show.ts'
import type { Status } from '../src/views/status.ts'
import { clock } from './clock.ts'
import type { History } from './history.ts'

export function Now({ history, status }: { readonly history: History; readonly status: Status | undefined }) {
  const { lifecycle, newest } = history
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
          {lifecycle?.state ?? 'none yet'}
          {lifecycle && <span class="quiet"> since {clock(lifecycle.since)}</span>}
        </Figure>
        {status && <StatusFigures status={status} />}
        {!status && newest && <Figure name="in it for">{duration(end - (lifecycle?.since ?? end))}</Figure>}
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
      {lastFailure && (
        <Figure name="last failure">
          {lastFailure.message} <span class="quiet">{clock(lastFailure.at)}</span>
        </Figure>
      )}
    </>
  )
}

const many = (count: number, one: string, several = `${one}s`): string => `${count} ${count === 1 ? one : several}`

function Figure(props: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  )
}
