// The world of one seed: clock, network, brokers and services, the faults that happen to them, and the oracles that watch.

import { Clock } from './clock.ts'
import { optionsOf } from './dimensions.ts'
import type { Fault } from './faults/fault.ts'
import type { KafkaWatch } from './kafka/broker.ts'
import { type ForeignKafka, placeOf, SimulatedKafka } from './kafka/kafka.ts'
import type { Message } from './kafka/log.ts'
import type { Life } from './life.ts'
import { NameServer } from './names.ts'
import { type Connection, Network } from './network.ts'
import type { SimulatedOptions } from './options.ts'
import { allOracles } from './oracles/all.ts'
import type { Oracle } from './oracles/oracle.ts'
import { Retries } from './oracles/retries.ts'
import { seenStored } from './producers/message-id.ts'
import { Random } from './random.ts'
import { canaries, digest, type Service, type Surroundings } from './service.ts'
import type { Sighting, SightingOf } from './sighting.ts'
import { Tap } from './tap.ts'

export interface Violation {
  readonly invariant: string
  readonly what: string
  readonly atMs: number
}

const partitionCount = 4
/** Messages come at this distance, on average. */
const messageEachMs = 60

export class World {
  readonly seed: number
  /** What this world has that others have not. */
  readonly dimensions: ReadonlySet<string>
  readonly clock = new Clock()
  readonly network: Network
  readonly kafka: SimulatedKafka
  readonly options: SimulatedOptions
  /** Numbers of the world; those of the library come from another stream. */
  readonly random: Random
  /** Numbers for what only some worlds have. */
  readonly more: Random
  readonly services: Service[] = []
  readonly lives = new Map<string, Service>()
  readonly story: string[] = []
  readonly counts = new Map<string, number>()
  readonly foreign: ForeignKafka[] = []
  /** Which of the nodes' listeners the list of brokers names. */
  listenersInUse: 'first' | 'second' | 'both' = 'first'
  readonly names: NameServer | undefined
  violation: Violation | undefined
  isCalm = false
  isOver = false
  /** Where the cluster was a while ago, for lies and stale lists. */
  readonly formerly: { nodeId: number; host: string; port: number }[] = []
  private readonly oracles: readonly Oracle[]
  readonly retries = new Retries()
  private readonly tap: Tap
  private readonly arrivals = new Map<string, string>()
  private readonly told: string[] = []
  private troubles = 0
  /** Partitions in which something was committed. */
  private readonly begun = new Set<number>()
  private generation = 0
  private readonly isTold: boolean

  constructor(seed: number, isTold = false, dimensions: readonly string[] = [], oracles?: readonly Oracle[]) {
    this.seed = seed
    this.isTold = isTold
    this.dimensions = new Set(dimensions)
    this.random = new Random(seed, 'world')
    this.more = new Random(seed, 'more of the world')
    this.options = optionsOf(seed, this.dimensions)
    this.oracles = oracles ?? allOracles(Object.values(canaries), this.options)
    if (this.dimensions.has('names')) {
      this.names = new NameServer(this.clock, (life, name) => {
        this.reached('names')
        this.see({ type: 'looked-up', life: life.name, name })
      })
    }
    this.tap = new Tap(
      (sighting) => this.see(sighting),
      () => this.clock.now,
      (topic, index) => this.kafka.numberOf(topic, index),
    )
    this.network = new Network(this.clock, new Random(seed, 'network'), {
      dialled: (life, place) =>
        this.see({ type: 'dialled', life: life.name, place, isAllowed: this.isAllowed(hostOf(place)) }),
      wrote: (life, place, bytes, connection) => this.wrote(life, place, bytes, connection),
      delivered: (life, _place, bytes, connection) => {
        this.tap.answer(life, connection, bytes)
        // It may lose only what it is asked: what it was asked before is still answered, and silence begins with what is asked next.
        if (connection.isForgotten) this.dark(connection)
      },
      closed: (life, connection) => {
        const waiting = this.tap.oldest(connection)
        const { path, place, isOpen, isUnheard } = connection
        const isWell =
          path.cause === undefined &&
          !connection.isForgotten &&
          isOpen &&
          !isUnheard &&
          connection.server?.isForeign === false
        // Shorter waits are those of a connection that somebody else has taken the place of.
        const isLong = waiting !== undefined && this.clock.now - waiting.at > 400
        if (isLong && isWell && this.network.isServed(connection) && !this.tap.isOvertaken(connection, waiting))
          this.see({
            type: 'cut',
            life: life.name,
            place,
            apiKey: waiting.apiKey,
            memberId: waiting.memberId,
            waitedMs: this.clock.now - waiting.at,
          })
        this.tap.closed(connection)
        this.see({ type: 'closed', life: life.name, connection: connection.id })
      },
      accepted: (place) => {
        const kind = this.arrivals.get(place)
        if (kind === undefined) return
        this.arrivals.delete(place)
        this.reached(kind)
      },
      failed: (life, place) => this.see({ type: 'dial-failed', life: life.name, place }),
      reached: (cause) => this.reached(cause),
    })
    const watch: KafkaWatch = {
      committed: (commit) => this.see({ type: 'committed', ...commit }),
      placed: (life, partition, offset) => this.see({ type: 'placed', life, partition, offset }),
      read: (life, partition) => this.see({ type: 'read', life, partition }),
      reached: (kind) => this.reached(kind),
      refused: (life, place) => this.see({ type: 'login-refused', life, place }),
      stored: (stored) => this.see(seenStored(stored)),
    }
    this.kafka = new SimulatedKafka('cluster-of-ours', this.network, partitionCount, watch)
    this.kafka.group.onExpired = (memberId, silentMs) => {
      this.log(`${memberId} expires`)
      this.reached('session expired')
      const life = [...this.members].find(([, member]) => member === memberId)?.[0] ?? ''
      if (this.lives.get(life)?.life?.name === life && this.lives.get(life)?.isRunning)
        this.see({ type: 'expired', life, memberId, silentMs })
    }
    this.kafka.group.onRebalance = () => this.reached('rebalance')
    this.kafka.group.onTakenOver = () => this.reached('static members')
    for (const nodeId of [1, 2, 3]) {
      const { host, port } = this.freshAddress(nodeId)
      this.kafka.addNode(nodeId, host, port)
    }
  }

  /** The newest member id of each life. */
  readonly members = new Map<string, string>()

  /** Everything that must be the same when the seed is run again. */
  get hash(): string {
    return digest(this.told.join('\n'))
  }

  freshAddress(nodeId: number): { nodeId: number; host: string; port: number } {
    this.generation++
    if (this.names) return { nodeId, host: `n${nodeId}-${this.generation}.example`, port: 9092 }
    return { nodeId, host: `10.${Math.floor(this.generation / 200)}.${this.generation % 200}.${nodeId}`, port: 9092 }
  }

  isAllowed(host: string): boolean {
    return host.startsWith('10.') || host.endsWith('.example')
  }

  subscription(service: string): (string | RegExp)[] {
    const all = this.kafka.topics.map(({ name }) => name)
    if (!this.dimensions.has('subscriptions differ')) return all
    this.reached('subscriptions differ')
    return service === 'a' ? all : [/^(orders|refunds)$/]
  }

  /** What the user does with an assignment. */
  assigned: Surroundings['assigned'] = () => {}

  touched(partition: number): void {
    if (this.dimensions.has('many partitions') && partition > 100) this.reached('many partitions')
    if (partition >= 1000) this.reached('several topics')
    if (this.kafka.partition(partition)?.isOriginal === false) this.reached('partitions are added')
  }

  holds(partition: number, offset: number, content: string): 'current' | 'former' | undefined {
    // A deleted topic's partitions are still there for this question: what was fetched of them before is handed out, and is no more what the log holds.
    const topic = this.kafka.topics.find(({ partitions }) => partitions.some(({ number }) => number === partition))
    const held = topic?.partitions.find(({ number }) => number === partition)?.log.held(offset, content)
    return held && (topic?.isThere ? held : 'former')
  }

  bootstrap(): readonly string[] {
    const first = this.kafka.entries().map(placeOf)
    if (this.listenersInUse === 'first') return first
    const second = this.kafka.secondEntries().map(placeOf)
    return this.listenersInUse === 'second' ? second : [...second, ...first]
  }

  /** The next connection to this place shows that the move was followed. */
  awaitArrival(place: string, kind: string): void {
    this.arrivals.set(place, kind)
  }

  reached(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
  }

  log(line: string): void {
    if (this.isTold) this.story.push(`${(this.clock.now / 1000).toFixed(3).padStart(8)} ${line}`)
  }

  see(sighting: Sighting): void {
    if (this.violation) return
    this.retries.see(sighting, this.clock.now)
    if (sighting.type === 'committed') this.firstCommit(sighting)
    if (sighting.type === 'joined') this.members.set(sighting.life, sighting.memberId)
    if (isPartOfHash.has(sighting.type)) this.told.push(`${this.clock.now} ${JSON.stringify(sighting)}`)
    if (this.isTold && isPartOfStory.has(sighting.type)) this.log(`· ${JSON.stringify(sighting)}`)
    for (const oracle of this.oracles) {
      const what = oracle.see(sighting, this.clock.now)
      if (what === undefined) continue
      this.violation = { invariant: oracle.id, what, atMs: Math.round(this.clock.now) }
      this.log(`!! ${oracle.id}: ${what}`)
      return
    }
  }

  /** Where the consumer is told to begin at the end, nobody reads what was there before the first commit. */
  private firstCommit({ partition, offset }: SightingOf<'committed'>): void {
    if (this.options.fromBeginning || this.begun.has(partition)) return
    this.begun.add(partition)
    if (this.kafka.partition(partition)?.isOriginal !== true) return
    if (offset > 0) this.reached('begins at the end')
    this.see({ type: 'excused', partition, from: 0, to: offset })
  }

  /** Reads what a service's disk holds now, as anybody could. */
  readJournal(service: Service, isFinal: boolean): void {
    const segments = service.disk.journal()
    const text = segments.map(({ bytes }) => bytes.toString('utf8')).join('')
    const isTorn = text.length > 0 && !text.endsWith('\n')
    const lines = text.split('\n').filter((line) => line !== '')
    const life = service.life?.name ?? service.name
    const { isSpoilt } = service
    this.see({ type: 'journal-read', life, lines, isTorn, isSpoilt, isFinal })
    if (isFinal) this.told.push(digest(text))
  }

  /** A fault begins; the returned function tells that it is over. */
  trouble(): () => void {
    this.troubles++
    let isOver = false
    return () => {
      if (!isOver) this.troubles--
      isOver = true
    }
  }

  begin(fault: Fault): void {
    this.log(`-- ${fault.kind}`)
    this.see({ type: 'fault', kind: fault.kind })
  }

  tick(): void {
    for (const service of this.services) service.probe()
    this.see({ type: 'tick', isTroubled: this.troubles > 0 || !this.isCalm })
  }

  /** All connections at a place answer nothing from now on. */
  darken(place: string): void {
    for (const connection of this.network.connectionsAt(place)) this.dark(connection)
  }

  /** Some of a node's connections lose what is sent, while new ones work. */
  forget(place: string, how: 'one way' | 'both ways', isHit: () => boolean): void {
    for (const connection of this.network.connectionsAt(place)) {
      if (!isHit()) continue
      connection.isForgotten = how
      this.dark(connection)
      this.reached('connections are forgotten')
    }
  }

  /** Nothing that it is asked from now on is answered. */
  private dark(connection: Connection): void {
    const { life, id } = connection
    this.see({ type: 'went-dark', life: life.name, connection: id, ...this.tap.waiting(connection) })
  }

  append(partition: number, messages: readonly Message[], isPacked = false): void {
    const found = this.kafka.partition(partition)
    if (!found) return
    const first = found.log.end
    for (let index = 0; index < messages.length; index++)
      this.see({ type: 'appended', partition, offset: first + index, isMessage: true })
    found.append(messages, { isPacked })
    if (isPacked) this.reached('batches are packed')
    this.kafka.changed()
  }

  messages(random: Random, count: number): Message[] {
    return Array.from({ length: count }, () => {
      const number = random.below(1_000_000)
      return { key: `key-${number}`, value: `value-${number}-${'x'.repeat(random.below(30))}` }
    })
  }

  produce(untilMs: number): void {
    const { clock, random } = this
    const partition = random.below(partitionCount)
    const count = random.chance(0.2) ? random.between(2, 4) : 1
    this.append(partition, this.messages(random, count), this.dimensions.has('batches are packed'))
    const waitMs = messageEachMs * (0.2 + 1.6 * random.next())
    if (clock.now + waitMs < untilMs) clock.plan(waitMs, () => this.produce(untilMs))
  }

  /** Whether all that was written is handled and committed. */
  get isCaughtUp(): boolean {
    const { kafka } = this
    return kafka.partitions().every(({ number, log }) => (kafka.group.offsets.get(number) ?? 0) >= log.end)
  }

  /** No fault begins any more, and what crashed is up again. */
  calm(): void {
    this.isCalm = true
    for (const service of this.services) {
      if (service.life) service.life.crashAt = undefined
      service.sourcing = 'tells'
      service.handling = { kind: 'works', ms: 0 }
    }
    this.see({ type: 'calm' })
  }

  /** All is handled, or time is up: everything is stopped. */
  finish(): void {
    this.isOver = true
    const { kafka } = this
    const partitions = kafka.partitions().map(({ number, log }) => {
      return { partition: number, end: log.end, committed: kafka.group.offsets.get(number) ?? 0 }
    })
    this.see({ type: 'over', partitions })
    for (const service of this.services) {
      if (service.isServing) service.stop()
      else if (!service.isStopping) service.life?.end()
    }
  }

  /** Whether every service has a consumer that nobody has stopped. */
  get isUp(): boolean {
    return this.services.every(({ isServing }) => isServing)
  }

  crashed(service: Service, port: string): void {
    this.reached(`crash at ${port}`)
    this.reached('crash')
    if (this.isOver) return
    this.startLater(service, 1200)
  }

  stoppedInOrder(service: Service): void {
    if (this.isOver) return
    this.reached('stop and start anew')
    this.startLater(service, 400)
  }

  private startLater(service: Service, withinMs: number): void {
    this.clock.plan(this.random.between(20, withinMs), () => {
      if (!this.isOver) service.start()
    })
  }

  private wrote(life: Life, place: string, bytes: Buffer, connection: Connection): void {
    const service = this.lives.get(life.name)
    const apiKey = bytes.readInt16BE(4)
    this.see({
      type: 'wrote',
      life: life.name,
      place,
      connection: connection.id,
      apiKey,
      isAllowed: this.isAllowed(hostOf(place)),
      isForeign: connection.server?.isForeign === true,
      isSynced: service?.disk.isSynced !== false,
    })
    this.tap.request(life, connection, bytes)
  }
}

const hostOf = (place: string): string => place.slice(0, place.lastIndexOf(':'))

const partOfHash = ['started', 'handled', 'committed', 'joined', 'told', 'dialled', 'crashed', 'stored', 'settled']
const isPartOfHash: ReadonlySet<string> = new Set(partOfHash)
const isPartOfStory: ReadonlySet<string> = new Set([
  ...['started', 'handled', 'threw', 'signalled', 'sought', 'committed', 'placed', 'join-sent', 'joined', 'assigned'],
  ...['disowned', 'left', 'expired', 'born', 'stop-asked', 'stopped', 'released', 'calm', 'over', 'went-dark'],
  ...['named', 'acknowledged', 'commit-asked', 'offered', 'settled', 'given-up', 'stored', 'send-ended', 'produced'],
])
