// A cluster that says what a test tells it to, and writes down what it is told. Its book has no rule of acceptance.

import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { Subject } from 'rxjs'
import { AddressBook, type BookChange } from '../../actors/cluster/address-book.ts'
import type { Cluster } from '../../actors/cluster/cluster.ts'
import type { HeldConnection } from '../../actors/connection/connection.ts'
import { DialPace } from '../../actors/connection/dial-pace.ts'
import type { SpokenVersions } from '../../actors/protocol/versions.ts'
import type { BookEntry } from '../../machines/book.ts'
import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'

class FakeBook extends AddressBook {
  private readonly places = new Map<number, BookEntry>()
  private readonly watchers = new Set<(change: BookChange) => void>()

  /** From now on the node is there. */
  put(nodeId: number, { host, port }: Endpoint): void {
    this.places.set(nodeId, { nodeId, host, port, addresses: [], present: true })
    this.tell({ moved: [nodeId], joined: [], left: [] })
  }

  /** The newest snapshot does not name the node; its place is kept. */
  drop(nodeId: number): void {
    const place = this.places.get(nodeId)
    if (place) this.places.set(nodeId, { ...place, present: false })
    this.tell({ moved: [], joined: [], left: [nodeId] })
  }

  get watched(): number {
    return this.watchers.size
  }

  override entries(): readonly BookEntry[] {
    return [...this.places.values()]
  }

  override entryOf(nodeId: number): BookEntry | undefined {
    return this.places.get(nodeId)
  }

  override names(nodeId: number): boolean {
    return this.entryOf(nodeId)?.present === true
  }

  override onChange(listener: (change: BookChange) => void): () => void {
    this.watchers.add(listener)
    return () => this.watchers.delete(listener)
  }

  private tell(change: BookChange): void {
    for (const watcher of [...this.watchers]) watcher(change)
  }
}

export class FakeCluster implements Cluster {
  contact = () => ({ heardAt: undefined, roundTripMs: undefined })
  readonly book = new FakeBook()
  readonly pace = new DialPace()
  readonly facts$ = new Subject<Fact>()
  readonly clusterId = 'ours'
  lateMs = 0
  /** How often an update was requested. */
  updateRequests = 0
  /** Emits `update`. */
  readonly moments = new EventEmitter()
  /** Endpoints that were reported dead, refused or healed, in order: `dead host:port`. */
  readonly reports: string[] = []
  readonly observed: Snapshot[] = []
  newestSnapshot: Snapshot | undefined
  /** Answers a request that any broker can answer. */
  answering: (frame: Buffer) => Promise<Buffer> = () => Promise.reject(new Error('nobody answers'))
  /** Whether it is reached: `ready` and `snapshotSince` wait for it. */
  reached: Promise<void> = Promise.resolve()

  ready(signal?: AbortSignal): Promise<void> {
    return Promise.race([this.reached, rejected(signal)])
  }
  newest(): Snapshot | undefined {
    return this.newestSnapshot
  }
  async snapshotSince(at: number, signal?: AbortSignal): Promise<Snapshot> {
    await this.ready(signal)
    return snapshotOf(at)
  }
  /** Gives away a connection that was dialled elsewhere. */
  giving: (endpoint: Endpoint) => HeldConnection | undefined = () => undefined

  async take(endpoint: Endpoint): Promise<HeldConnection | undefined> {
    return this.giving(endpoint)
  }
  requestUpdate(): void {
    this.updateRequests++
    this.moments.emit('update')
  }
  observe(snapshot: Snapshot): void {
    this.observed.push(snapshot)
  }
  report(dead: Endpoint): void {
    this.reports.push(`dead ${formatEndpoint(dead)}`)
  }
  refuse(_nodeId: number, endpoint: Endpoint, { kind }: Failure): void {
    this.reports.push(`${kind} ${formatEndpoint(endpoint)}`)
  }
  heal(nodeId: number): void {
    const entry = this.book.entryOf(nodeId)
    this.reports.push(`healed ${entry && formatEndpoint(entry)}`)
  }
  async ask(frame: Buffer): Promise<Buffer> {
    await turn()
    return this.answering(frame)
  }
  /** What its brokers speak, `apiKey/version`. */
  readonly spoken = new Set<string>()
  speaks(apiKey: number, version: number): boolean {
    return this.spoken.has(`${apiKey}/${version}`)
  }
  versions(): Promise<readonly SpokenVersions[]> {
    return Promise.resolve([])
  }
  release(): void {}
}

/** A snapshot of no brokers, asked for at this time. */
export const snapshotOf = (at: number): Snapshot => ({
  clusterId: 'ours',
  controllerId: 1,
  brokers: [],
  answeredBy: { host: '127.0.0.1', port: 1, address: '127.0.0.1' },
  at,
})

const rejected = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason)
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
