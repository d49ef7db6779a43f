// Faults of the network: what happens to dials and to bytes on their way.

import { placeOf } from '../kafka/kafka.ts'
import type { Path } from '../network.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'
import type { FaultKind } from './fault-kind.ts'

/** The places of one node, or of all. */
const placesOf = (world: World, nodes: readonly number[]): string[] =>
  nodes.map((nodeId) => placeOf(world.kafka.node(nodeId).entry))

const someNodes = (random: Random): number[] => (random.chance(0.3) ? [1, 2, 3] : [random.pick([1, 2, 3])])

/** Changes paths for as long as the fault lasts. */
function change(
  name: string,
  weight: number,
  to: Partial<Path>,
  begins: (world: World, place: string) => void = () => {},
): FaultKind {
  return {
    name,
    proofs: [name],
    weight,
    apply(world, random) {
      const paths = placesOf(world, someNodes(random)).map((place) => {
        begins(world, place)
        return world.network.pathTo(place)
      })
      // A path that is dark since a move stays so.
      const changed = paths.filter(({ cause }) => cause === undefined)
      for (const path of changed) Object.assign(path, to, { cause: name })
      return () => {
        for (const path of changed) {
          if (path.cause !== name) continue
          Object.assign(path, {
            dial: 'open',
            toServer: 'flows',
            toClient: 'flows',
            latencyMs: world.network.latencyMs,
            piece: undefined,
            cause: undefined,
          })
        }
      }
    },
  }
}

/** Connections break, and dials go on as they will. */
function breakAll(name: string, how: 'reset' | 'finish' | 'forget'): FaultKind {
  return {
    name,
    proofs: [name],
    weight: 1,
    apply(world, random) {
      for (const place of placesOf(world, someNodes(random))) {
        for (const connection of world.network.connectionsAt(place)) {
          connection[how]()
          world.reached(name)
        }
      }
      return undefined
    },
  }
}

const forgotten: FaultKind = {
  name: 'connections are forgotten',
  dimension: 'connections are forgotten',
  proofs: ['connections are forgotten'],
  weight: 1,
  apply(world, random) {
    const how = random.pick(['one way', 'both ways'] as const)
    for (const place of placesOf(world, someNodes(random))) world.forget(place, how, () => random.chance(0.6))
    return undefined
  },
}

const tear = (world: World, place: string): void => {
  for (const connection of world.network.connectionsAt(place)) connection.reset()
}

export const paths: readonly FaultKind[] = [
  change('dials refused', 2, { dial: 'refused' }, tear),
  change('dials hang', 2, { dial: 'hangs' }, tear),
  change('network holds all', 2, { toServer: 'held', toClient: 'held' }),
  change('network holds requests', 1, { toServer: 'held' }),
  change('network holds answers', 1, { toClient: 'held' }),
  change('network is slow', 1, { latencyMs: 150 }),
  change('network cuts to pieces', 1, { piece: 7 }),
  breakAll('connections are reset', 'reset'),
  breakAll('connections are closed', 'finish'),
  breakAll('connections are half open', 'forget'),
  forgotten,
]
