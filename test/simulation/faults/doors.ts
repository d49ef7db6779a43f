// Faults at the doors of brokers: names that are not resolved, logins that are refused or cut off, listeners that close.

import { placeOf } from '../kafka/kafka.ts'
import type { LoginMood } from '../kafka/logins.ts'
import type { FaultKind } from './fault-kind.ts'

function naming(name: string, how: 'slow' | 'hangs' | 'rotates'): FaultKind {
  return {
    name,
    dimension: 'names',
    proofs: ['names'],
    weight: 1,
    apply(world, random) {
      const { names } = world
      if (!names) return undefined
      const prefix = random.chance(0.5) ? `n${random.pick([1, 2, 3])}-` : 'n'
      if (how === 'rotates') {
        names.isRotating = true
        return () => {
          names.isRotating = false
        }
      }
      const trouble = { prefix, delayMs: how === 'slow' ? 600 : Infinity }
      names.troubles.add(trouble)
      return () => names.troubles.delete(trouble)
    },
  }
}

function logins(mood: LoginMood): FaultKind {
  return {
    name: `logins: ${mood}`,
    dimension: 'logins fail',
    proofs: [`logins: ${mood}`],
    weight: 1,
    apply(world, random) {
      const nodes = random.chance(0.4) ? [1, 2, 3] : [random.pick([1, 2, 3])]
      const { moods } = world.kafka.logins
      for (const nodeId of nodes) moods.set(nodeId, mood)
      // Who is logged in stays so: only what is dialled anew meets it.
      for (const nodeId of nodes) {
        const { entry } = world.kafka.node(nodeId)
        for (const connection of world.network.connectionsAt(placeOf(entry))) if (random.chance(0.5)) connection.reset()
      }
      return () => {
        for (const nodeId of nodes) moods.delete(nodeId)
      }
    },
  }
}

const listenerCloses: FaultKind = {
  name: 'a listener closes on all nodes',
  dimension: 'two listeners',
  proofs: ['a listener closes'],
  weight: 1,
  apply(world) {
    const { network, kafka } = world
    if (world.listenersInUse === 'first') return undefined
    world.listenersInUse = 'first'
    for (const node of kafka.nodes.values()) {
      const { second } = node
      if (!second) continue
      node.second = undefined
      network.listeners.delete(placeOf(second))
      for (const connection of network.connectionsAt(placeOf(second))) {
        world.reached('a listener closes')
        connection.reset()
      }
    }
    return undefined
  },
}

export const doors: readonly FaultKind[] = [
  naming('the name server is slow', 'slow'),
  naming('the name server hangs', 'hangs'),
  naming('names rotate', 'rotates'),
  ...(['refuses', 'hangs up', 'hangs up midway', 'is silent'] as const).map(logins),
  listenerCloses,
]
