/** The inspector as it is laid out: one consumer or journal at a time, now or after a record. */

import { useEffect, useMemo, useState } from 'preact/hooks'
import type { StateThen } from '../src/command-line/fold.ts'
import type { Status } from '../src/views/status.ts'
import { BalancerFigures, ImbalanceTable, StepTable } from './balancing.tsx'
import type { Charts } from './chart.ts'
import { ChartView } from './chart-view.tsx'
import { Handovers } from './handovers.tsx'
import { type History, historyOf, type Lit } from './history.ts'
import { Now } from './now.tsx'
import { usePace } from './pace.ts'
import { Panel } from './panel.tsx'
import type { Log, Store } from './store.ts'
import { ask, type Connection } from './stream.ts'
import { Brokers, Partitions, Retries } from './tables.tsx'
import { TimeBar } from './time-bar.tsx'
import { TimeLine } from './time-line.tsx'

/** Laid out when the package was built. */
declare const CHARTS: Readonly<Record<'lifecycle' | 'membership' | 'following' | 'balancing', Charts>>

const wide = {
  lifecycle: CHARTS.lifecycle.wide,
  membership: CHARTS.membership.wide,
  following: CHARTS.following.wide,
  balancing: CHARTS.balancing.wide,
}

export function Inspector({ store }: { readonly store: Store }) {
  const logs = [...store.logs.values()]
  const [name, choose] = useState<string>()
  const labels = labelsOf(logs)
  const log = logs.find(({ id }) => labels.get(id) === name) ?? logs[0]
  return (
    <>
      <header>
        <h1>relisten</h1>
        {logs.length > 0 && (
          <label>
            <span class="visually-hidden">Consumer or journal</span>
            <select value={log && labels.get(log.id)} onChange={({ currentTarget }) => choose(currentTarget.value)}>
              {logs.map(({ id }) => (
                <option key={id} value={labels.get(id)}>
                  {labels.get(id)}
                </option>
              ))}
            </select>
          </label>
        )}
        <ConnectionSign connection={store.connection} pid={store.greeting?.pid} isJournal={log?.isJournal === true} />
      </header>
      <main>
        {log ? (
          <LogView key={log.id} log={log} isLive={store.connection === 'live'} />
        ) : (
          <Empty connection={store.connection} />
        )}
      </main>
    </>
  )
}

/** By group, and by number where a group has several members here. */
function labelsOf(logs: readonly Log[]): ReadonlyMap<number, string> {
  const count = new Map<string, number>()
  const isAlone = (name: string) => logs.filter((each) => each.name === name).length === 1
  return new Map(
    logs.map(({ id, name }) => {
      const number = (count.get(name) ?? 0) + 1
      count.set(name, number)
      return [id, isAlone(name) ? name : `${name} · ${number}`]
    }),
  )
}

const signs: Readonly<Record<Connection, string>> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
  refused: 'refused',
}

function ConnectionSign(props: {
  readonly connection: Connection
  readonly pid?: number | undefined
  readonly isJournal: boolean
}) {
  const { connection, pid, isJournal } = props
  const text = isJournal && connection === 'live' ? 'journal' : signs[connection]
  return (
    <p class={`sign ${connection}`} role="status">
      {text}
      {pid !== undefined && connection === 'live' && !isJournal && <span class="quiet"> process {pid}</span>}
    </p>
  )
}

function Empty({ connection }: { readonly connection: Connection }) {
  const texts: Readonly<Record<Connection, string>> = {
    connecting: 'Connecting to the process.',
    live: 'There is no consumer or balancer yet. One appears when it is created with inspect: inspector.observe.',
    lost: 'The process does not respond. The page connects again when it does.',
    refused:
      'The token in the address is not the one of this process. Open the address that it has printed on standard error.',
  }
  return <p class="empty">{texts[connection]}</p>
}

function LogView({ log, isLive }: { readonly log: Log; readonly isLive: boolean }) {
  const [cursor, move] = useState<number>()
  const count = cursor ?? log.records.length
  const history = useHistory(log, count)
  const isNow = cursor === undefined && !log.isJournal
  const charted = useHistory(log, usePace(log.records, count, isNow && isLive))
  const then = useStateThen(log, isNow ? undefined : history.newest?.seq)
  // What is known of another record is dimmed until the answer is there.
  const isStale = log.isJournal && then !== undefined && then.record !== history.newest?.seq
  const status = isNow ? log.look?.status : then?.actor === 'consumer' ? (then.status ?? undefined) : undefined
  const followed = then?.actor === 'following' ? (then.status ?? undefined) : undefined
  const balanced = isNow ? log.look?.balancer : then?.actor === 'balancing' ? (then.status ?? undefined) : undefined
  const isOfBalancer = history.balancing !== undefined || balanced !== undefined
  const isOfConsumer = history.following === undefined
  if (isOfBalancer)
    return (
      <>
        <TimeBar log={log} cursor={cursor} move={move} newest={history.newest} />
        <div class={isStale ? 'grid stale' : 'grid'} aria-busy={isStale}>
          <Panel title="Balancing" class="lifecycle">
            <ChartView charts={CHARTS.balancing} lit={charted.balancing} />
          </Panel>
          <Panel title={isNow ? 'Now' : 'Then'} class="now">
            <BalancerFigures lit={history.balancing} status={balanced} />
          </Panel>
          <Panel title="Imbalance" class="brokers">
            <ImbalanceTable decision={history.decision} />
          </Panel>
          <Panel title="Steps of the newest round" class="partitions">
            <StepTable steps={history.steps} decision={history.decision} />
          </Panel>
          <Panel title="Facts" class="facts">
            <TimeLine records={log.records} count={count} />
          </Panel>
        </div>
      </>
    )
  return (
    <>
      <TimeBar log={log} cursor={cursor} move={move} newest={history.newest} />
      <div class={isStale ? 'grid stale' : 'grid'} aria-busy={isStale}>
        {isOfConsumer ? (
          <Panel title="Lifecycle" class="lifecycle">
            <ChartView
              charts={CHARTS.lifecycle}
              lit={charted.lifecycle ?? unstarted(isNow ? log.look?.status : undefined)}
            />
          </Panel>
        ) : (
          <Panel title="Following" class="lifecycle">
            <ChartView charts={CHARTS.following} lit={charted.following} />
          </Panel>
        )}
        <Panel title={isNow ? 'Now' : 'Then'} class="now">
          <Now history={history} status={status} followed={followed} />
        </Panel>
        <Panel title="Brokers" class="brokers">
          <Brokers history={history} look={isNow ? log.look : undefined} remembered={then?.remembered} />
        </Panel>
        {isOfConsumer && (
          <>
            <Panel title="Partitions" class="partitions">
              <Partitions
                assignment={status?.assignment ?? history.assignment}
                status={status}
                look={isNow ? log.look : undefined}
              />
            </Panel>
            <Panel title="Membership" class="membership">
              <ChartView charts={CHARTS.membership} lit={charted.membership} />
            </Panel>
            <Panel title="Moves and other hand-overs" class="handovers">
              <Handovers handovers={history.handovers} />
            </Panel>
            <Panel title="Retries" class="retries">
              <Retries history={history} />
            </Panel>
          </>
        )}
        <Panel title="Facts" class="facts">
          <TimeLine records={log.records} count={count} />
        </Panel>
      </div>
    </>
  )
}

/** Before its first record a consumer has a state all the same. */
const unstarted = (status: Status | undefined): Lit | undefined =>
  status && { state: status.state, since: status.since, edge: undefined, event: '' }

const useHistory = ({ records, remembered }: Log, count: number): History =>
  useMemo(() => historyOf(records, count, remembered.brokers, wide), [records, count, remembered])

/** One question at a time: a long journal takes a while to fold, and who moves the slider wants only the last of the answers. */
let lastAsked: Promise<void> = Promise.resolve()

/** The state after a record of a journal, as the process folds it; asked for when the slider rests. */
function useStateThen(log: Log, seq: number | undefined): StateThen | undefined {
  const [then, show] = useState<StateThen>()
  useEffect(() => {
    if (seq === undefined || !log.isJournal) return show(undefined)
    let isWanted = true
    const take = async () => {
      if (!isWanted) return
      const found = await ask<StateThen>(`/state?log=${log.id}&seq=${seq}`).catch(() => undefined)
      if (isWanted) show(found)
    }
    const timer = setTimeout(() => {
      lastAsked = lastAsked.then(take)
    }, 80)
    return () => {
      isWanted = false
      clearTimeout(timer)
    }
  }, [log.id, log.isJournal, seq])
  return then
}
