import { afterEach, expect, test } from 'vitest'
import { acquireCluster, type Cluster } from '../../../actors/cluster/cluster.ts'
import { createSource } from '../../../actors/cluster/source.ts'
import { FakeNetwork } from '../fake-network.ts'

const held: Cluster[] = []

afterEach(() => {
  for (const cluster of held.splice(0)) cluster.release()
})

test('an update requested during a round that nobody answers asks the source again, and who is named anew is asked at once', async () => {
  const network = new FakeNetwork()
  network.dialTimeoutMs = 10_000
  const [old, elsewhere] = [
    ['a:1', 'b:1', 'c:1'],
    ['a:9', 'b:9', 'c:9'],
  ]
  const placesOf = (endpoints: readonly string[]) => endpoints.map((where, index) => `${index + 1}@${where}`).join(' ')
  network.cluster({ clusterId: 'ours', places: placesOf(old) })
  let listed = old
  let calls = 0
  const source = createSource(() => {
    calls++
    return listed
  })
  const cluster = acquireCluster({ brokers: source, dial: network.dial, pollIntervalMs: 100, key: network })
  held.push(cluster)
  const told: string[] = []
  cluster.facts$.subscribe(({ type }) => told.push(type))
  await cluster.ready()

  network.silence(...old)
  const before = calls
  await expect.poll(() => calls).toBeGreaterThan(before)
  listed = elsewhere
  network.cluster({ clusterId: 'ours', places: placesOf(elsewhere) })
  await expect
    .poll(() => {
      cluster.requestUpdate('outdated')
      return told
    })
    .toContain('cluster.moved')
  // a round that had ended without an answer would have told that
  expect(told).toEqual(['cluster.reached', 'cluster.moved'])
})
