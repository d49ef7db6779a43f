// A cluster in memory that takes what an execution asks of it, and copies when the test says so.

import type { Controls } from '../../actors/balancer/controls.ts'
import type { ConfigEntry, ConfigResource, ReplicaChange } from '../../actors/kafkajs/change-calls.ts'
import type { PartitionPlace, Reassignment, Topology } from '../../machines/balancer/model.ts'
import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

export class FakeControls implements Controls {
  brokers: { id: number; rack: string | null }[] = [1, 2, 3, 4].map((id) => ({ id, rack: `r${id}` }))
  readonly places = new Map<string, Mutable<PartitionPlace>>()
  readonly moves = new Map<string, Mutable<Reassignment>>()
  /** Own values, by `type name config`; those of all brokers have the name ''. */
  readonly values = new Map<string, string>()
  readonly copied = new Map<string, number>()
  /** What it was asked for that changes something, in order. */
  readonly asked: string[] = []
  /** Requests that fail, after they were carried out (`lost`) or before (`refused`), by the word they begin with. */
  readonly failing = new Map<string, 'lost' | 'refused'>()
  /** Kafka's error for each request of a kind. */
  readonly errors = new Map<string, number>()
  isClosed = false

  put(topic: string, partition: number, replicas: readonly number[], own: Partial<PartitionPlace> = {}): void {
    const place = { topic, partition, replicas, isr: replicas, leader: replicas[0] ?? -1, isInternal: false, ...own }
    this.places.set(partitionKey(place), place)
  }

  /** All replicas that are being added come into sync. */
  copy(key: string): void {
    const [place, move] = [this.placeOf(key), this.moves.get(key)]
    if (!move) throw new Error(`nothing is under way in ${key}`)
    this.moves.delete(key)
    place.replicas = place.replicas.filter((id) => !move.removing.includes(id))
    place.isr = place.replicas
    if (!place.isr.includes(place.leader)) place.leader = place.isr[0] ?? -1
  }

  async topology(): Promise<Topology> {
    await this.pass('topology')
    return structuredClone({
      brokers: this.brokers,
      partitions: [...this.places.values()],
      underWay: [...this.moves.values()],
    })
  }

  async reassign(changes: readonly ReplicaChange[]) {
    for (const change of changes) this.asked.push(`reassign ${partitionKey(change)} ${change.replicas ?? 'null'}`)
    await this.pass('reassign', () => {
      for (const change of changes) this.change(change)
    })
    return this.errorsOf('reassign', changes)
  }

  async elect(places: readonly TopicPartition[]) {
    for (const place of places) this.asked.push(`elect ${partitionKey(place)}`)
    const elected = () => {
      for (const each of places) {
        const place = this.placeOf(partitionKey(each))
        place.leader = place.replicas[0] ?? -1
      }
    }
    await this.pass('elect', elected)
    return this.errorsOf('elect', places)
  }

  async sizes(): Promise<ReadonlyMap<string, number>> {
    await this.pass('sizes')
    return this.copied
  }

  async configs(resources: readonly ConfigResource[], names: readonly string[]) {
    await this.pass('configs')
    return resources.flatMap(({ type, name }) => {
      if (this.failing.has(`configs ${type} ${name}`)) throw new Error('the test lets it fail')
      return names.map((config): ConfigEntry => {
        const own = this.values.get(`${type} ${name} ${config}`)
        const all = type === 'broker' ? this.values.get(`broker  ${config}`) : undefined
        const source = own !== undefined ? type : all !== undefined ? 'all-brokers' : 'default'
        return { type, name, config, value: own ?? all ?? null, source }
      })
    })
  }

  async configure({ type, name }: ConfigResource, config: string, value: string | null) {
    this.asked.push(`configure ${type} ${name} ${config} ${value}`)
    await this.pass('configure', () => {
      if (value === null) this.values.delete(`${type} ${name} ${config}`)
      else this.values.set(`${type} ${name} ${config}`, value)
    })
  }

  close(): void {
    this.isClosed = true
  }

  private placeOf(key: string) {
    const place = this.places.get(key)
    if (!place) throw new Error(`there is no ${key}`)
    return place
  }

  private change(change: ReplicaChange): void {
    if (this.errors.has('reassign')) return
    const key = partitionKey(change)
    const place = this.placeOf(key)
    const move = this.moves.get(key)
    const { replicas } = change
    if (replicas === null) {
      // As Kafka does: what was being added goes, what was being removed stays.
      this.moves.delete(key)
      place.replicas = place.replicas.filter((id) => !move?.adding.includes(id))
      place.isr = place.isr.filter((id) => place.replicas.includes(id))
      return
    }
    const adding = replicas.filter((id) => !place.replicas.includes(id))
    const removing = place.replicas.filter((id) => !replicas.includes(id))
    place.replicas = [...replicas, ...removing]
    if (adding.length > 0)
      this.moves.set(key, { ...{ topic: change.topic, partition: change.partition }, adding, removing })
  }

  private async pass(kind: string, work: () => void = () => {}): Promise<void> {
    await Promise.resolve()
    const how = this.failing.get(kind)
    if (how !== 'refused') work()
    if (how !== undefined) throw new Error('the test lets it fail')
  }

  private errorsOf(kind: string, places: readonly TopicPartition[]): ReadonlyMap<string, number> {
    return new Map(places.map((place) => [partitionKey(place), this.errors.get(kind) ?? 0]))
  }
}

/** The same controls, each request of which goes through `pass`. */
export function controlsThrough(
  controls: Controls,
  pass: <Value>(request: keyof Controls, work: () => Promise<Value>) => Promise<Value>,
): Controls {
  return {
    topology: () => pass('topology', () => controls.topology()),
    reassign: (changes) => pass('reassign', () => controls.reassign(changes)),
    elect: (partitions) => pass('elect', () => controls.elect(partitions)),
    sizes: (nodeId) => pass('sizes', () => controls.sizes(nodeId)),
    configs: (resources, names) => pass('configs', () => controls.configs(resources, names)),
    configure: (resource, config, value) => pass('configure', () => controls.configure(resource, config, value)),
    close: () => controls.close(),
  }
}
