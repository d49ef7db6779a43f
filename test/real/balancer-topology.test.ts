// A real cluster as a plan is made of it: brokers, who holds what, and what is under way.
import { expect, test } from 'vitest'
import { readTopology } from '../../actors/balancer/topology.ts'
import { acquireCluster } from '../../actors/cluster/cluster.ts'
import { createSource } from '../../actors/cluster/source.ts'
import { createDial } from '../../actors/connection/dial.ts'
import { resolveOptions } from '../../src/options/options.ts'
import { openSettings } from '../../src/options/security.ts'
import { sharedCluster } from './harness/shared-cluster.ts'

const cluster = sharedCluster({ bindFixed: true })

test('brokers, and the partitions with their replicas, leaders and what is in sync, are read from any broker', async () => {
  const { nodeIds } = cluster()
  await cluster().createTopic('topology', { partitions: 4, replication: 2 })
  const options = resolveOptions({
    ...{ brokers: cluster().endpoints(), groupId: 'none', topics: ['none'], eachMessage: () => {} },
  })
  const { security } = await openSettings(options.kafka)
  const dial = createDial({ ...options, security, clusterId: () => cluster().clusterId })
  const held = acquireCluster({ ...options, dial, key: {}, brokers: createSource(options.brokers) })
  try {
    const { brokers, partitions, underWay } = await readTopology((frame, signal) => held.ask(frame, signal), 'test')
    expect(brokers.map(({ id }) => id).toSorted()).toEqual(nodeIds)
    const own = partitions.filter(({ topic }) => topic === 'topology')
    expect(own.map(({ partition }) => partition).toSorted()).toEqual([0, 1, 2, 3])
    const leaders = await cluster().leaders('topology')
    for (const { partition, replicas, isr, leader, isInternal } of own) {
      expect([leader, replicas.length, isr.toSorted(), isInternal]).toEqual([
        ...[leaders.get(partition), 2, replicas.toSorted(), false],
      ])
    }
    expect(underWay).toEqual([])
  } finally {
    held.release()
  }
})
