// The stage of routes: one broker on loopback that is node 1, a cluster that is told what to say, and what the routes told.
import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, vi } from 'vitest'
import { createDial } from '../../../actors/connection/dial.ts'
import { PrefetchBudget } from '../../../actors/delivery/prefetch-budget.ts'
import type { FetchSummary } from '../../../actors/protocol/fetch-answers.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { MetadataView } from '../../../actors/topics/metadata-view.ts'
import { Subscription } from '../../../actors/topics/subscription.ts'
import { Topics } from '../../../actors/topics/topics.ts'
import { Routes, type RoutesOptions } from '../../../actors/wire/routes.ts'
import type { Fact } from '../../../machines/fact.ts'
import { answerFrame, fetchBody, int32, int64, list, requestFrame, text } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { FakeCluster } from '../fake-cluster.ts'

export let cluster: FakeCluster
export let broker: FakeBroker
export let fetched: [nodeId: number, summary: FetchSummary][]
export let facts: Fact[]
export let refreshes: number
export const moments = new EventEmitter()
const made: Routes[] = []

beforeEach(async () => {
  cluster = new FakeCluster()
  broker = await FakeBroker.listen()
  cluster.book.put(1, broker.endpoint)
  fetched = []
  facts = []
  refreshes = 0
})
afterEach(async () => {
  vi.useRealTimers()
  for (const routes of made.splice(0)) routes.close()
  await broker.close()
})

const topics = new Topics()
const subscription = new Subscription({
  ...{ subscribed: ['orders'], cluster: new FakeCluster(), clientId: 'orders-service', topics },
  signal: new AbortController().signal,
})
const view = new MetadataView({
  ...{ epoch: 1, topics, subscription, emit: () => {}, isJoining: () => true, onGrown: () => {} },
  onMissing: () => {},
  onRecreated: () => {},
})

/** Another broker, after a test has closed the one that was there. */
export async function renewBroker(): Promise<void> {
  broker = await FakeBroker.listen()
}

export function routesWith(options: Partial<RoutesOptions> = {}): Routes {
  const routes = new Routes({
    cluster,
    dial: createDial({ security: () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' }),
    holdMs: 5000,
    maxWaitMs: 100,
    fetchVersion: 10,
    clientId: 'orders-service',
    leaderOf: () => 1,
    prefetchBudget: new PrefetchBudget(1_000_000),
    era: () => 0,
    onAsked: () => {},
    diverged: async () => [],
    identify: async () => {},
    view: (description, nodes) => view.view(description, nodes),
    emit: (fact) => facts.push(fact),
    group: async (request) => answerFrame(0, int32(0), request),
    refreshMetadata: async () => {
      refreshes++
      moments.emit('refresh')
    },
    onFetched: (...given) => fetched.push(given),
    ...options,
  })
  made.push(routes)
  return routes
}

/** A fetch of these partitions of "orders" from their start. */
export const fetchRequest = (...partitions: number[]): Buffer => {
  const places = partitions.map((partition) =>
    Buffer.concat([int32(partition), int32(-1), int64(0n), int64(-1n), int32(1000)]),
  )
  const topics = list(partitions.length > 0 ? [Buffer.concat([text('orders'), list(places)])] : [])
  const limits = [-1, 10, 1, 1000].map(int32)
  return requestFrame(apiKeys.fetch, 10, 1, ...limits, Buffer.from([1]), int32(0), int32(-1), topics)
}
export const emptyFetch = answerFrame(0, fetchBody(10, {}))
