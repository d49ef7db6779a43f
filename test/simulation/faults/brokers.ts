// Faults of the brokers: lies about the cluster, nodes that go down, coordinators and leaders that move, commits that fail, members that go.

import type { BrokerEntry, Lie } from '../kafka/broker.ts'
import { placeOf } from '../kafka/kafka.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'
import type { FaultKind } from './fault-kind.ts'

function lying(name: string, tell: (world: World, random: Random) => Lie): FaultKind {
  return {
    name,
    proofs: [name],
    weight: 1,
    apply(world, random) {
      const nodes = random.chance(0.4) ? [1, 2, 3] : [random.pick([1, 2, 3])]
      const lie = { kind: name, tell: tell(world, random) }
      const liars = nodes.map((nodeId) => world.kafka.node(nodeId)).filter((node) => !node.lie)
      for (const node of liars) node.lie = lie
      return () => {
        for (const node of liars) if (node.lie === lie) node.lie = undefined
      }
    },
  }
}

const rest = (truth: readonly BrokerEntry[], nodeId: number, host: string, port: number): BrokerEntry[] =>
  truth.map((entry) => (entry.nodeId === nodeId ? { nodeId, host, port } : entry))

const lies: readonly FaultKind[] = [
  lying('metadata is not answered', () => 'silence'),
  lying('metadata ends the connection', () => 'hang-up'),
  lying('metadata names no broker', () => () => []),
  lying('metadata names one broker', (_, random) => {
    const index = random.below(3)
    return (truth) => truth.slice(index, index + 1)
  }),
  lying('metadata names a node twice', () => (truth) => [...truth, ...truth.slice(0, 1)]),
  lying('metadata names impossible ports', (_, random) => {
    const nodeId = random.pick([1, 2, 3])
    const port = random.pick([0, 70_000])
    return (truth) => rest(truth, nodeId, '10.9.9.9', port)
  }),
  lying('metadata names a dead address', (_, random) => {
    const nodeId = random.pick([1, 2, 3])
    return (truth) => rest(truth, nodeId, `10.250.0.${nodeId}`, 9092)
  }),
  lying('metadata names a forbidden address', (_, random) => {
    const nodeId = random.pick([1, 2, 3])
    return (truth) => rest(truth, nodeId, `192.0.2.${nodeId}`, 9092)
  }),
  lying('metadata is out of date', (world) => {
    const former = world.formerly.slice(-3)
    return (truth) => truth.map((entry) => former.find(({ nodeId }) => nodeId === entry.nodeId) ?? entry)
  }),
  lying('metadata swaps two nodes', () => (truth) => {
    const [first, second, ...others] = truth
    if (!first || !second) return truth
    return [{ ...second, nodeId: first.nodeId }, { ...first, nodeId: second.nodeId }, ...others]
  }),
]

const nodeDown: FaultKind = {
  name: 'a node goes down',
  proofs: ['a node goes down'],
  weight: 2,
  apply(world, random) {
    const { kafka, network } = world
    const up = [...kafka.nodes.values()].filter(({ isUp }) => isUp)
    if (up.length < 2) return undefined
    const node = random.pick(up)
    const other = random.pick(up.filter((each) => each !== node))
    node.isUp = false
    kafka.evacuate(node.nodeId, other.nodeId)
    for (const place of [node.entry, ...(node.second ? [node.second] : [])].map(placeOf)) {
      if (network.listeners.get(place) === node) network.listeners.delete(place)
      for (const connection of network.connectionsAt(place)) {
        world.reached('a node goes down')
        connection.reset()
      }
    }
    return () => {
      node.isUp = true
      if (node.second) network.listeners.set(placeOf(node.second), node)
      network.listeners.set(placeOf(node.entry), node)
    }
  },
}

const coordinatorMoves: FaultKind = {
  name: 'the coordinator becomes another node',
  proofs: ['not coordinator', 'coordinator loads'],
  weight: 2,
  apply(world, random) {
    const others = [...world.kafka.nodes.values()].filter(
      ({ isUp, nodeId }) => isUp && nodeId !== world.kafka.coordinatorId,
    )
    if (others.length > 0) world.kafka.moveCoordinator(random.pick(others).nodeId, random.pick([0, 100, 600]))
    return undefined
  },
}

const leadersMove: FaultKind = {
  name: 'leaders move',
  proofs: ['leader moves'],
  weight: 2,
  apply(world, random) {
    const up = [...world.kafka.nodes.values()].filter(({ isUp }) => isUp)
    for (const partition of world.kafka.partitions()) {
      if (up.length > 0 && random.chance(0.6)) partition.lead(random.pick(up).nodeId)
    }
    return undefined
  },
}

function commitsFail(code: number): FaultKind {
  return {
    name: `commits end with error ${code}`,
    proofs: [`commit error ${code}`],
    weight: 0.5,
    apply(world, random) {
      const { commitErrors } = world.kafka
      for (let times = random.between(1, 3); times > 0; times--) commitErrors.push(code)
      return () => commitErrors.splice(0)
    },
  }
}

const commitAnswersLost: FaultKind = {
  name: 'answers to commits are lost',
  proofs: ['commit answer lost'],
  weight: 1,
  apply(world, random) {
    world.kafka.lostCommitAnswers += random.between(1, 3)
    return () => {
      world.kafka.lostCommitAnswers = 0
    }
  },
}

const eviction: FaultKind = {
  name: 'a member is evicted',
  proofs: ['eviction'],
  weight: 1,
  apply(world, random) {
    const members = world.kafka.group.memberIds
    if (members.length === 0) return undefined
    world.kafka.group.remove(random.pick(members))
    world.reached('eviction')
    return undefined
  },
}

const rebalance: FaultKind = {
  name: 'a rebalance',
  proofs: ['rebalance'],
  weight: 1,
  apply(world) {
    world.kafka.group.shake()
    return undefined
  },
}

const passerBy: FaultKind = {
  name: 'a stranger joins and leaves',
  proofs: ['stranger joined'],
  weight: 1,
  apply(world, random) {
    const { group } = world.kafka
    const metadata = group.anyMetadata
    if (!metadata) return undefined
    const request = { sessionTimeoutMs: 3000, rebalanceTimeoutMs: 3000, protocols: metadata }
    const stays = random.between(50, 1500)
    group.join({ ...request, memberId: '' }, ({ memberId }) => {
      group.join({ ...request, memberId }, ({ error, generation, leader }) => {
        if (error !== 0) return
        world.reached('stranger joined')
        // As a leader it has no plan, and leaves at once.
        if (leader === memberId) return void world.clock.plan(0, () => group.leave(memberId))
        group.sync(memberId, generation, [], () => {})
        world.clock.plan(stays, () => group.leave(memberId))
      })
    })
    return undefined
  },
}

export const brokers: readonly FaultKind[] = [
  ...lies,
  nodeDown,
  coordinatorMoves,
  leadersMove,
  ...[14, 15, 16, 22, 25, 27].map(commitsFail),
  commitAnswersLost,
  eviction,
  rebalance,
  passerBy,
]
