// Brokers with names, as the shared cluster sees them: the resolver is under the test's control.
import type { LookupFunction } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { acquireCluster, type Cluster } from '../../../actors/cluster/cluster.ts'
import { createSource } from '../../../actors/cluster/source.ts'
import type { Fact } from '../../../machines/fact.ts'
import { FakeNetwork } from '../fake-network.ts'

let cluster: Cluster | undefined
afterEach(() => cluster?.release())

const places = '1@one:1 2@two:1 3@three:1'
const addresses: Record<string, string> = { one: '10.0.0.1', two: '10.0.0.2', three: '10.0.0.3' }

/** A cluster whose names resolve to `addresses`, those that hang aside. */
function watch(hanging: ReadonlySet<string>) {
  const network = new FakeNetwork()
  network.resolves = false
  const view = { clusterId: 'ours', places }
  for (const [host, address] of Object.entries(addresses)) {
    network.names.set(host, address)
    network.listen(`${address}:1`, { view: () => view })
  }
  const lookup = ((host: string, _how: unknown, done: (...found: unknown[]) => void) => {
    if (!hanging.has(host)) done(null, [{ address: network.names.get(host), family: 4 }])
  }) as LookupFunction
  const facts: Fact[] = []
  const held = acquireCluster({
    brokers: createSource(['one:1', 'two:1']),
    dial: network.dial,
    pollIntervalMs: 200,
    key: network,
    lookup,
  })
  cluster = held
  held.facts$.subscribe((fact) => facts.push(fact))
  return { network, view, facts, cluster: held }
}

test('a name that hangs keeps no answer from being used, and the others are known', async () => {
  const { facts, cluster } = watch(new Set(['three']))
  await cluster.ready()
  await expect
    .poll(() => cluster.book.entries().map((entry) => entry.addresses.join()))
    .toEqual(['10.0.0.1', '10.0.0.2', ''])
  expect(facts.map(({ type }) => type)).toEqual(['cluster.reached'])
})

test('names that all hang leave what is connected as it is, and a move by address is followed', async () => {
  const hanging = new Set<string>()
  const { network, view, facts, cluster } = watch(hanging)
  await cluster.ready()
  await expect.poll(() => cluster.book.entryOf(3)?.addresses).toEqual(['10.0.0.3'])
  for (const host of Object.keys(addresses)) hanging.add(host)
  view.places = '1@one:1 2@two:1 3@10.0.9.3:1'
  network.listen('10.0.9.3:1', { view: () => view })
  network.close('10.0.0.3:1')
  await expect.poll(() => cluster.book.entryOf(3)?.host, { timeout: 4000 }).toBe('10.0.9.3')
  expect(facts.map(({ type }) => type)).not.toContain('cluster.unreachable')
})

test('an unchanged name that leads elsewhere is looked up beside the poll, and is a move once the node answers there', async () => {
  const { network, view, facts, cluster } = watch(new Set())
  await cluster.ready()
  await expect.poll(() => cluster.book.entryOf(1)?.addresses).toEqual(['10.0.0.1'])
  network.names.set('one', '10.0.9.1')
  network.listen('10.0.9.1:1', { view: () => view })
  await expect.poll(() => cluster.book.entryOf(1)?.addresses, { timeout: 4000 }).toEqual(['10.0.9.1'])
  const moved = facts.find(({ type }) => type === 'cluster.moved')
  expect(moved).toMatchObject({ reason: 'resolved-anew', moves: [{ nodeId: 1 }] })
})
