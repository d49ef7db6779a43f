// Logs that grow by the clock of a test, and the questions about them.

import type { LogSource } from '../../actors/balancer/log-source.ts'
import type { TopicDescription } from '../../actors/protocol/cluster-description.ts'
import type { Batches, LogPlace } from '../../machines/balancer/log-rates.ts'
import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'

export class FakeLog {
  readonly topic: string
  leader = 1
  id = 'a'
  start = 0n
  bytesPerOffset = 100
  isCompacted = false
  /** Bytes that were cleaned up. */
  cleaned = 0
  private perSecond = 0
  private since = Date.now()
  private base = 0

  constructor(topic: string) {
    this.topic = topic
  }

  /** It grows by so many offsets per second from now on. */
  grow(perSecond: number): void {
    this.base = this.end
    this.since = Date.now()
    this.perSecond = perSecond
  }

  /** It is another one of the same name. */
  recreate(): void {
    this.id += 'a'
    this.base = 0
    this.since = Date.now()
  }

  get end(): number {
    return this.endAt(Date.now())
  }

  endAt(at: number): number {
    return Math.floor(this.base + (this.perSecond * Math.max(0, at - this.since)) / 1000)
  }

  get size(): number {
    return this.end * this.bytesPerOffset - this.cleaned
  }
}

export class FakeLogSource implements LogSource {
  readonly logs: FakeLog[] = []
  /** What groups have committed. */
  readonly commits = new Map<string, () => ReadonlyMap<string, bigint>>()
  /** Questions that fail, by name; `*` for all. */
  readonly failing = new Set<string>()
  readonly asked: string[] = []
  isClosed = false

  log(topic: string): FakeLog {
    const log = new FakeLog(topic)
    this.logs.push(log)
    return log
  }

  nodes = () => [1, 2]

  async topics(): Promise<readonly TopicDescription[]> {
    this.ask('topics')
    return this.logs.map(({ topic, id, leader }) => {
      const partition = { partition: 0, leader, replicas: [1, 2], isr: [1, 2], offline: [] }
      return { topic, id, errorCode: 0, isInternal: false, partitions: [partition] }
    })
  }

  async offsets(leader: number, places: readonly TopicPartition[], at: 'start' | 'end' | number) {
    this.ask(`offsets of ${leader}`)
    const found = places.map((place): [string, bigint] => {
      const log = this.of(place.topic)
      if (at === 'start') return [partitionKey(place), log.start]
      if (at === 'end') return [partitionKey(place), BigInt(log.end)]
      return [partitionKey(place), log.endAt(at) < log.end ? BigInt(log.endAt(at)) : -1n]
    })
    return new Map(found)
  }

  async sizes(nodeId: number) {
    this.ask(`sizes of ${nodeId}`)
    return new Map(this.logs.map((log) => [`${log.topic}/0`, log.size]))
  }

  async groups(nodeId: number) {
    this.ask(`groups of ${nodeId}`)
    return nodeId === 1 ? [...this.commits.keys()] : []
  }

  async committed(_nodeId: number, groupId: string) {
    this.ask(`commits of ${groupId}`)
    return this.commits.get(groupId)?.() ?? new Map()
  }

  async batches(leader: number, places: readonly LogPlace[]): Promise<ReadonlyMap<string, Batches>> {
    this.ask(`batches of ${leader}`)
    return new Map(
      places.map((place) => [partitionKey(place), { bytes: 10 * this.of(place.topic).bytesPerOffset, offsets: 10 }]),
    )
  }

  async uncompacted(topics: readonly string[]) {
    this.ask('policies')
    return new Set(topics.filter((topic) => !this.of(topic).isCompacted))
  }

  close(): void {
    this.isClosed = true
  }

  private of(topic: string): FakeLog {
    const log = this.logs.find((each) => each.topic === topic)
    if (!log) throw new Error(`there is no topic ${topic}`)
    return log
  }

  private ask(question: string): void {
    this.asked.push(question)
    const isFailing = this.failing.has('*') || this.failing.has(question)
    if (isFailing) throw new Error('the test lets it fail')
  }
}
