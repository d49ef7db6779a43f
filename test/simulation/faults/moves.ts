// Moves: nodes get other addresses, in all the ways that clusters do it.

import type { BrokerEntry } from '../kafka/broker.ts'
import { ForeignKafka, placeOf } from '../kafka/kafka.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'
import type { FaultKind } from './fault-kind.ts'

/** What becomes of the old address. */
type Farewell = 'closes' | 'resets' | 'darkens' | 'stays a while'

const farewells: readonly Farewell[] = ['closes', 'resets', 'darkens', 'stays a while']

/** Moves one node. Its old address ends as `farewell` says. */
function moveNode(world: World, nodeId: number, to: { host: string; port: number }, farewell: Farewell): void {
  const { kafka, network } = world
  const node = kafka.node(nodeId)
  const before = placeOf(node.entry)
  const entry: BrokerEntry = { nodeId, host: to.host, port: to.port }
  const place = placeOf(entry)
  if (place === before) return
  world.formerly.push(node.entry)
  node.entry = entry
  const path = network.pathTo(place)
  Object.assign(path, {
    dial: 'open',
    toServer: 'flows',
    toClient: 'flows',
    latencyMs: network.latencyMs,
    cause: undefined,
  })
  for (const connection of network.connectionsAt(place)) connection.reset()
  network.listeners.set(place, node)
  world.log(`node ${nodeId} moves from ${before} to ${place}; the old address ${farewell}`)
  if (network.listeners.get(before) !== node) return
  if (farewell === 'stays a while') {
    world.clock.plan(800, () => {
      if (placeOf(node.entry) !== before && network.listeners.get(before) === node) leave(world, before, 'closes')
    })
  } else leave(world, before, farewell)
}

function leave(world: World, place: string, farewell: Farewell): void {
  const { network } = world
  network.listeners.delete(place)
  if (farewell === 'darkens') {
    world.darken(place)
    Object.assign(network.pathTo(place), {
      dial: 'hangs',
      toServer: 'lost',
      toClient: 'lost',
      cause: 'old address is dark',
    })
    return
  }
  for (const connection of network.connectionsAt(place))
    farewell === 'closes' ? connection.finish() : connection.reset()
}

const awaitNode = (world: World, nodeId: number, kind: string): void =>
  world.awaitArrival(placeOf(world.kafka.node(nodeId).entry), kind)

function moveAll(kind: string, farewell: Farewell): FaultKind {
  return {
    name: kind,
    proofs: [kind],
    weight: 2,
    isMove: true,
    apply(world) {
      for (const nodeId of world.kafka.nodes.keys()) {
        moveNode(world, nodeId, world.freshAddress(nodeId), farewell)
        awaitNode(world, nodeId, kind)
      }
      return undefined
    },
  }
}

const nodeByNode: FaultKind = {
  name: 'move node by node',
  proofs: ['move node by node'],
  weight: 2,
  isMove: true,
  apply(world, random) {
    const farewell = random.pick(farewells)
    const gapMs = random.between(50, 700)
    for (const [index, nodeId] of random.shuffled([...world.kafka.nodes.keys()]).entries()) {
      world.clock.plan(index * gapMs, () => {
        moveNode(world, nodeId, world.freshAddress(nodeId), farewell)
        awaitNode(world, nodeId, 'move node by node')
      })
    }
    return undefined
  },
}

const moveOne: FaultKind = {
  name: 'move of one node',
  proofs: ['move of one node'],
  weight: 1,
  isMove: true,
  apply(world, random) {
    const nodeId = random.pick([1, 2, 3])
    moveNode(world, nodeId, world.freshAddress(nodeId), random.pick(farewells))
    awaitNode(world, nodeId, 'move of one node')
    return undefined
  },
}

const coordinatorMoves: FaultKind = {
  name: 'move of the coordinator only',
  proofs: ['move of the coordinator only'],
  weight: 1,
  isMove: true,
  apply(world, random) {
    const nodeId = world.kafka.coordinatorId
    moveNode(world, nodeId, world.freshAddress(nodeId), random.pick(farewells))
    awaitNode(world, nodeId, 'move of the coordinator only')
    return undefined
  },
}

const backAgain: FaultKind = {
  name: 'move there and back again',
  proofs: ['move there and back again'],
  weight: 1,
  isMove: true,
  apply(world, random) {
    const before = [...world.kafka.nodes.values()].map(({ entry }) => entry)
    const farewell = random.pick(farewells)
    for (const { nodeId } of before) moveNode(world, nodeId, world.freshAddress(nodeId), farewell)
    world.clock.plan(random.between(50, 2000), () => {
      for (const entry of before) {
        const taken = world.network.listeners.get(placeOf(entry))
        if (taken && taken !== world.kafka.node(entry.nodeId)) continue
        moveNode(world, entry.nodeId, entry, farewell)
        awaitNode(world, entry.nodeId, 'move there and back again')
      }
    })
    return undefined
  },
}

const swap: FaultKind = {
  name: 'swap of two addresses',
  proofs: ['swap of two addresses'],
  weight: 1,
  isMove: true,
  apply(world, random) {
    const { kafka, network } = world
    const [one = 1, other = 2] = random.shuffled([1, 2, 3])
    const first = kafka.node(one)
    const second = kafka.node(other)
    const places = [placeOf(first.entry), placeOf(second.entry)]
    const before = first.entry
    first.entry = { ...second.entry, nodeId: one }
    second.entry = { ...before, nodeId: other }
    for (const place of places) for (const connection of network.connectionsAt(place)) connection.reset()
    for (const node of [first, second]) network.listeners.set(placeOf(node.entry), node)
    awaitNode(world, one, 'swap of two addresses')
    awaitNode(world, other, 'swap of two addresses')
    return undefined
  },
}

const foreignMoveIn: FaultKind = {
  name: 'another cluster at the old addresses',
  proofs: ['another cluster answers'],
  weight: 1,
  isMove: true,
  apply(world: World, random: Random) {
    const before = [...world.kafka.nodes.values()].map(({ entry }) => entry)
    for (const { nodeId } of before)
      moveNode(world, nodeId, world.freshAddress(nodeId), random.pick(['closes', 'resets']))
    const foreign = new ForeignKafka('cluster-of-others', world.network)
    foreign.occupy(before, {
      committed: () => {},
      placed: () => {},
      reached: () => {},
      asked: () => world.reached('another cluster answers'),
    })
    world.foreign.push(foreign)
    return () => foreign.leave()
  },
}

export const moves: readonly FaultKind[] = [
  moveAll('move of all, closed', 'closes'),
  moveAll('move of all, reset', 'resets'),
  moveAll('move of all, dark', 'darkens'),
  moveAll('move of all, overlapping', 'stays a while'),
  nodeByNode,
  moveOne,
  coordinatorMoves,
  backAgain,
  swap,
  foreignMoveIn,
]
