/** Brokers, partitions and retries, as tables. */

import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { TopicPartition } from '../machines/topic-partition.ts'
import { duration } from '../src/command-line/show.ts'
import type { Remembered } from '../src/journal/recovery.ts'
import type { Status } from '../src/views/status.ts'
import { clock } from './clock.ts'
import type { History } from './history.ts'
import { Scrolled } from './panel.tsx'
import type { Look } from './store.ts'

export function Table(props: {
  readonly label: string
  readonly head: readonly string[]
  readonly children: ComponentChildren
}) {
  return (
    <Scrolled label={`Table of ${props.label}`}>
      <table>
        <thead>
          <tr>
            {props.head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </Scrolled>
  )
}

export function Brokers(props: {
  readonly history: History
  readonly look: Look | undefined
  readonly remembered: Remembered | undefined
}) {
  const { history, look, remembered } = props
  const now = useNow()
  const seen = new Map(look?.brokers.map((each) => [each.nodeId, each]))
  const endpoints: Record<string, string> = Object.fromEntries(
    [...history.brokers.values()].map(({ nodeId, endpoint }) => [nodeId, endpoint]),
  )
  // A look may be a second older than the newest fact.
  const sights = Object.fromEntries([...seen].map(([id, { endpoint }]) => [id, endpoint]))
  const all: Readonly<Record<string, string>> = { ...sights, ...endpoints, ...remembered?.brokers }
  const nodes = Object.entries(all).map(([id, endpoint]) => ({ nodeId: Number(id), endpoint }))
  if (nodes.length === 0) return <p class="empty">None is known yet.</p>
  return (
    <Table
      label="brokers"
      head={
        look
          ? ['node', 'endpoint', 'before', 'last heard', 'round trip', 'remark']
          : ['node', 'endpoint', 'before', 'remark']
      }
    >
      {nodes.map(({ nodeId, endpoint }) => {
        const { before, refused } = history.brokers.get(nodeId) ?? {}
        const sight = seen.get(nodeId)
        return (
          <tr key={nodeId}>
            <th scope="row">{nodeId}</th>
            <td>{endpoint}</td>
            <td class="quiet">{before ?? '–'}</td>
            {look && <td class="number">{sight?.heardAt ? ago(now - sight.heardAt) : '–'}</td>}
            {look && <td class="number">{sight?.roundTripMs == null ? '–' : `${sight.roundTripMs.toFixed(1)} ms`}</td>}
            <td>
              {refused !== undefined && <span class="bad">refused: {refused}</span>}
              {sight?.isPresent === false && <span class="quiet">not in the metadata</span>}
            </td>
          </tr>
        )
      })}
    </Table>
  )
}

export function Partitions(props: {
  readonly assignment: Status['assignment']
  readonly status: Status | undefined
  readonly look: Look | undefined
}) {
  const { assignment, status, look } = props
  const now = useNow()
  const owned = Object.entries(assignment).flatMap(([topic, list]) => list.map((partition) => ({ topic, partition })))
  const seen = new Map(look?.partitions.map((each) => [`${each.topic}/${each.partition}`, each]))
  if (owned.length === 0) return <p class="empty">None is assigned.</p>
  return (
    <Table
      label="partitions"
      head={
        look
          ? ['partition', 'position', 'committed', 'lag', 'messages/s', 'handler', 'remark']
          : ['partition', 'remark']
      }
    >
      {owned.map(({ topic, partition }) => {
        const sight = seen.get(`${topic}/${partition}`)
        return (
          <tr key={`${topic}/${partition}`}>
            <th scope="row">
              {topic}/{partition}
            </th>
            {look && <td class="number">{sight?.position ?? '–'}</td>}
            {look && <td class="number">{sight?.committed ?? '–'}</td>}
            {look && <td class="number">{sight?.lag ?? '–'}</td>}
            {look && <td class="number">{sight?.rate === undefined ? '–' : Math.max(0, sight.rate).toFixed(1)}</td>}
            {look && (
              <td class="number">{sight?.handlingSince ? `for ${ago(now - sight.handlingSince, '')}` : 'idle'}</td>
            )}
            <td>{signsOf({ topic, partition }, status)}</td>
          </tr>
        )
      })}
    </Table>
  )
}

function signsOf(one: TopicPartition, status: Status | undefined) {
  const is = (each: TopicPartition) => each.topic === one.topic && each.partition === one.partition
  const stalled = status?.stalled.find(is)
  const failing = status?.failing.find(is)
  return (
    <>
      {stalled && <span class="bad">stalled: {stalled.reason} </span>}
      {failing && (
        <span class="bad">
          fails at {failing.offset}, {failing.attempts} calls{' '}
        </span>
      )}
      {status?.paused.some(is) && <span class="quiet">paused</span>}
    </>
  )
}

export function Retries({ history }: { readonly history: History }) {
  if (history.retries.length === 0) return <p class="empty">None.</p>
  return (
    <Table label="retries" head={['time', 'attempt', 'wait', 'because']}>
      {history.retries.toReversed().map(({ seq, at, attempt, waitMs, because }) => (
        <tr key={seq}>
          <td>{clock(at)}</td>
          <td class="number">{attempt}</td>
          <td class="number">{duration(Math.round(waitMs))}</td>
          <td class="wrap">{because}</td>
        </tr>
      ))}
    </Table>
  )
}

/** A time that passes on the page; whole seconds, so that nothing flickers. */
function useNow(): number {
  const [now, tick] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => tick(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  return now
}

function ago(ms: number, after = ' ago'): string {
  if (ms < 1000) return after === '' ? '< 1 s' : 'now'
  return `${duration(Math.floor(ms / 1000) * 1000).replace('.0 s', ' s')}${after}`
}
