// The simulated cluster: nodes, topics, leaders and one group with its coordinator. Nodes answer as their own view of the cluster says.

import type { Network } from '../network.ts'
import { type BrokerEntry, type KafkaWatch, Node } from './broker.ts'
import type { BrokerClock, Ground } from './ground.ts'
import { Group } from './group.ts'
import type { Message } from './log.ts'
import { Logins } from './logins.ts'
import { type Partition, partitionNumber, Topic } from './topic.ts'
import { Trouble } from './trouble.ts'
import type { Release } from './versions.ts'

export class SimulatedKafka {
  readonly clusterId: string
  readonly clock: BrokerClock
  readonly ground: Ground
  readonly watch: KafkaWatch
  /** The first topic's name. */
  readonly topic = 'orders'
  readonly topics: Topic[]
  readonly nodes = new Map<number, Node>()
  readonly group: Group
  readonly trouble: Trouble
  readonly logins = new Logins()
  /** The brokers' release: which requests they know. */
  release: Release = '4.4'
  coordinatorId = 1
  loadsUntil = 0
  /** Error codes that the next commits are answered with. */
  readonly commitErrors: number[] = []
  /** So many of the next commits are taken, and their answers lost with the connection. */
  lostCommitAnswers = 0
  /** Brokers say that they take what producers send; in seeds of consumers there are none. */
  hasProducers = false
  private producerIds = 0
  private readonly waiting = new Set<() => void>()

  constructor(clusterId: string, ground: Ground, partitions: number, watch: KafkaWatch) {
    this.clusterId = clusterId
    this.clock = ground.clock
    this.ground = ground
    this.watch = watch
    this.topics = [new Topic(this.topic, 0, partitions)]
    this.group = new Group(this.clock)
    this.trouble = new Trouble((kind) => watch.reached(kind))
  }

  /** Begins to listen at an endpoint and says so to all who ask. */
  addNode(nodeId: number, host: string, port: number): Node {
    const node = new Node(this, nodeId, { nodeId, host, port })
    this.nodes.set(nodeId, node)
    this.ground.listeners.set(placeOf(node.entry), node)
    return node
  }

  addTopic(name: string, partitions: number): Topic {
    const topic = new Topic(name, this.topics.length, partitions)
    this.topics.push(topic)
    return topic
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

  /** The same, as the nodes' second listeners have it. */
  secondEntries(): BrokerEntry[] {
    return [...this.nodes.values()].flatMap(({ isUp, second }) => (isUp && second ? [second] : []))
  }

  /** The topic of this name, if there is one now. */
  topicNamed(name: string): Topic | undefined {
    return this.topics.find((topic) => topic.name === name && topic.isThere)
  }

  /** All partitions there are. */
  partitions(): Partition[] {
    return this.topics.filter(({ isThere }) => isThere).flatMap(({ partitions }) => partitions)
  }

  /** A partition by its topic and index in it, or by its number over all topics. */
  partition(topic: string | number, index = 0): Partition | undefined {
    if (typeof topic === 'string') return this.topicNamed(topic)?.partitions[index]
    return this.partitions().find(({ number }) => number === topic)
  }

  /** Where a partition is, by its number; undefined when it is gone. */
  placeOf(partition: number): { readonly topic: string; readonly partition: number } | undefined {
    const topic = this.topics.find(({ partitions }) => partitions.some(({ number }) => number === partition))
    const index = topic?.partitions.find(({ number }) => number === partition)?.index
    return topic && index !== undefined ? { topic: topic.name, partition: index } : undefined
  }

  /** The number of a partition that is there, was, or could be; undefined for a topic nobody knows. */
  numberOf(topic: string, index: number): number | undefined {
    const found = this.topics.find(({ name }) => name === topic)
    return found && partitionNumber(found.index, index)
  }

  newProducerId(): number {
    return ++this.producerIds
  }

  append(partition: number, messages: readonly Message[]): void {
    this.partition(partition)?.append(messages)
    this.changed()
  }

  /** Whoever waits for something new looks again. */
  changed(): void {
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
    for (const partition of this.partitions()) if (partition.leader === nodeId) partition.lead(to)
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
