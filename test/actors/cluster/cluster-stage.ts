// A stage for clusters: each on a network of its own, with all the facts it ever told.
import { setImmediate } from 'node:timers/promises'
import { filter, firstValueFrom, timeout } from 'rxjs'
import { afterEach } from 'vitest'
import { acquireCluster, type Cluster, type ClusterOptions } from '../../../actors/cluster/cluster.ts'
import { type Brokers, createSource } from '../../../actors/cluster/source.ts'
import type { Fact, FactOf, FactType } from '../../../machines/fact.ts'
import { FakeNetwork } from '../fake-network.ts'

const held = new Set<Cluster>()

afterEach(() => {
  for (const cluster of held) cluster.release()
  held.clear()
})

/** A cluster under test on its own network, with all the facts it ever told. */
export function watch(network: FakeNetwork, brokers: Brokers, options: Partial<ClusterOptions> = {}) {
  const source = createSource(brokers)
  const cluster = acquireCluster({ brokers: source, dial: network.dial, pollIntervalMs: 200, key: network, ...options })
  held.add(cluster)
  const facts: (Fact & { at: number })[] = []
  cluster.facts$.subscribe((fact) => facts.push({ ...fact, at: performance.now() }))
  const fact = <Type extends FactType>(type: Type, from = 0): Promise<FactOf<Type> & { at: number }> => {
    const isWanted = (candidate: Fact & { at: number }) => candidate.type === type && candidate.at >= from
    const told = facts.find(isWanted)
    if (told) return Promise.resolve(told as never)
    const seen$ = cluster.facts$.pipe(
      filter((candidate) => candidate.type === type && performance.now() >= from),
      timeout(4000),
    )
    return firstValueFrom(seen$).then(() => facts.findLast(isWanted) as never)
  }
  const types = () => facts.map(({ type }) => type)
  const book = () =>
    cluster.book
      .entries()
      .map(({ nodeId, host, port }) => `${nodeId}@${host}:${port}`)
      .join(' ')
  return { cluster, facts, fact, types, book }
}

/** An answer that was asked for after now: the clock has to tick first. */
export async function laterAnswer(cluster: Cluster) {
  const now = Date.now()
  while (Date.now() === now) await setImmediate()
  return cluster.snapshotSince(now + 1)
}

export const old = '1@a:1 2@b:1 3@c:1'
export const elsewhere = '1@a:9 2@b:9 3@c:9'
export const endpoints = (places: string) => places.split(' ').map((place) => place.split('@')[1] ?? '')

export function ours(places = old) {
  const network = new FakeNetwork()
  const view = { clusterId: 'ours', places }
  network.cluster(view)
  return { network, view }
}
