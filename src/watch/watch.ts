/** A watch: a cluster as a consumer's poller sees it, without a consumer. Each change once, and how things are again and again. */

import { acquireCluster, type Cluster } from '../../actors/cluster/cluster.ts'
import { createSource } from '../../actors/cluster/source.ts'
import { createDial } from '../../actors/connection/dial.ts'
import type { Fact } from '../../machines/fact.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { openSettings } from '../options/security.ts'
import { History, type View } from './history.ts'

/** A change: a fact of the cluster, and when it was seen, in milliseconds since 1970. */
export interface Change {
  readonly at: number
  readonly fact: Fact
}

export interface WatchOptions {
  readonly connection: Omit<ResolvedOptions, 'groupId' | 'topics'>
  readonly signal: AbortSignal
  readonly onChange: (change: Change) => void
  readonly onView: (view: View) => void
}

const viewEachMs = 500

/** Resolves when the signal aborts. */
export async function watch({ connection, signal, onChange, onView }: WatchOptions): Promise<void> {
  const { security } = await openSettings(connection.kafka)
  const dial = createDial({ ...connection, security, clusterId: () => connection.clusterId ?? cluster.clusterId })
  const cluster: Cluster = acquireCluster({ ...connection, dial, key: {}, brokers: createSource(connection.brokers) })
  const history = new History()
  const subscription = cluster.facts$.subscribe((fact) => {
    const at = Date.now()
    history.note(fact, at)
    onChange({ at, fact })
  })
  const timer = setInterval(() => onView(history.view(cluster)), viewEachMs)
  try {
    await aborted(signal)
  } finally {
    clearInterval(timer)
    subscription.unsubscribe()
    cluster.release()
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
