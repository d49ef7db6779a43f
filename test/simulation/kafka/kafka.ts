// The simulated cluster: nodes, logs, leaders and one group with its coordinator. Nodes answer as their own view of the cluster says.

import { kafkaVersions, type VersionTable } from '../../kafka-versions.ts'
import type { Clock } from '../clock.ts'
import type { Network } from '../network.ts'
import { type BrokerEntry, type KafkaWatch, Node } from './broker.ts'
import { Group } from './group.ts'
import { Log, type Message } from './log.ts'

export class SimulatedKafka {
  readonly clusterId: string
  readonly clock: Clock
  readonly network: Network
  readonly watch: KafkaWatch
  readonly topic = 'orders'
  /** What its brokers say they speak. */
  versions: VersionTable = kafkaVersions['4.4']
  readonly nodes = new Map<number, Node>()
  readonly logs: Log[]
  readonly leaders: number[]
  readonly group: Group
  coordinatorId = 1
  loadsUntil = 0
  /** Error codes that the next commits are answered with. */
  readonly commitErrors: number[] = []
  /** So many of the next commits are taken, and their answers lost with the connection. */
  lostCommitAnswers = 0
  private readonly waiting = new Set<() => void>()

  constructor(clusterId: string, network: Network, partitions: number, watch: KafkaWatch) {
    this.clusterId = clusterId
    this.clock = network.clock
    this.network = network
    this.watch = watch
    this.logs = Array.from({ length: partitions }, () => new Log())
    this.leaders = this.logs.map((_, index) => (index % 3) + 1)
    this.group = new Group(this.clock)
  }

  /** Begins to listen at an endpoint and says so to all who ask. */
  addNode(nodeId: number, host: string, port: number): Node {
    const node = new Node(this, nodeId, { nodeId, host, port })
    this.nodes.set(nodeId, node)
    this.network.listeners.set(placeOf(node.entry), node)
    return node
  }

  node(nodeId: number): Node {
    const node = this.nodes.get(nodeId)
    if (!node) throw new Error(`There is no node ${nodeId}`)
    return node
  }

  /** Every node that is up, as the cluster has it. */
  entries(): BrokerEntry[] {
    return [...this.nodes.values()].filter(({ isUp }) => isUp).map(({ entry }) => entry)
  }

  append(partition: number, messages: readonly Message[]): void {
    this.logs[partition]?.append(messages)
    for (const look of [...this.waiting]) look()
  }

  /** Calls `look` whenever there may be more to read, until the function it returns is called. */
  await(look: () => void): () => void {
    this.waiting.add(look)
    return () => this.waiting.delete(look)
  }

  moveCoordinator(nodeId: number, loadMs: number): void {
    if (nodeId === this.coordinatorId) return
    this.coordinatorId = nodeId
    this.loadsUntil = this.clock.now + loadMs
    this.group.handOver()
  }

  /** Takes leaders and the group away from a node that is going down. */
  evacuate(nodeId: number, to: number): void {
    for (const [partition, leader] of this.leaders.entries()) if (leader === nodeId) this.leaders[partition] = to
    if (this.coordinatorId === nodeId) this.moveCoordinator(to, 100)
  }
}

export const placeOf = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`

/** Another cluster at addresses that were ours: it says who it is and answers nothing else. */
export class ForeignKafka {
  readonly clusterId: string
  private readonly network: Network
  private readonly places: string[] = []

  constructor(clusterId: string, network: Network) {
    this.clusterId = clusterId
    this.network = network
  }

  /** Listens there with the node ids that were there before. */
  occupy(entries: readonly BrokerEntry[], watch: KafkaWatch): void {
    const kafka = new SimulatedKafka(this.clusterId, this.network, 4, watch)
    for (const entry of entries) {
      this.places.push(placeOf(entry))
      kafka.addNode(entry.nodeId, entry.host, entry.port).isForeign = true
    }
  }

  leave(): void {
    for (const place of this.places) {
      const listener = this.network.listeners.get(place)
      if (listener instanceof Node && listener.isForeign) this.network.listeners.delete(place)
      for (const connection of this.network.connectionsAt(place)) connection.reset()
    }
  }
}
