// What the dimensions of a seed give its world from the beginning.

import { seekOnAssignment } from './faults/users.ts'
import { placeOf } from './kafka/kafka.ts'
import { releases } from './kafka/versions.ts'
import type { World } from './world.ts'

const fetchKey = 1
const plainPartitions = 4

export function furnish(world: World): void {
  const { more } = world
  if (world.dimensions.has('many partitions')) world.kafka.topics[0]?.grow(200 - plainPartitions, true)
  if (world.dimensions.has('several topics') || world.dimensions.has('subscriptions differ')) {
    world.kafka.addTopic('payments', more.between(1, 3))
    world.kafka.addTopic('refunds', 1)
  }
  const { kafka, network, dimensions } = world
  if (dimensions.has('held joins')) kafka.group.initialDelayMs = 3000
  if (dimensions.has('long distances')) network.latencyMs = more.pick([25, 100, 250])
  if (dimensions.has('narrow lines')) network.bytesPerMs = more.pick([5, 20, 100])
  // A dial is several round trips, and has to leave some time to be used in.
  if (dimensions.has('logins expire'))
    kafka.logins.validMs = more.pick([2000, 4000]) * (dimensions.has('long distances') ? 5 : 1)
  if (dimensions.has('two listeners')) {
    world.listenersInUse = more.pick(['second', 'both', 'both'])
    for (const node of kafka.nodes.values()) {
      node.second = { nodeId: node.nodeId, host: `10.100.0.${node.nodeId}`, port: 9092 }
      network.listeners.set(placeOf(node.second), node)
    }
  }
  if (dimensions.has('releases')) {
    kafka.release = more.pick(releases)
    if (kafka.release !== '4.4') world.reached('releases')
  }
  if (dimensions.has('slow brokers')) {
    const slow = more.chance(0.3) ? [1, 2, 3] : [more.pick([1, 2, 3])]
    const lateMs = more.pick([400, 1200, 1800, 3000])
    kafka.trouble.lateMs = (nodeId, apiKey) => {
      if (apiKey !== fetchKey || !slow.includes(nodeId)) return 0
      world.reached('slow brokers')
      return lateMs * (0.8 + 0.4 * more.next())
    }
  }
  world.assigned = (service, partitions) => {
    if (!world.isCalm) seekOnAssignment(world, more, service, partitions)
  }
}
