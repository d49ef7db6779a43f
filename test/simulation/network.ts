// The simulated network: endpoints with a path each, and connections over it. What is lost, held, slow or cut to pieces is a matter of the path.

import { EventEmitter } from 'node:events'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import type { Clock } from './clock.ts'
import type { BrokerLine, BrokerListener } from './kafka/ground.ts'
import type { Life } from './life.ts'
import type { Random } from './random.ts'

/** What becomes of bytes on their way in one direction. */
export type Passage = 'flows' | 'held' | 'lost'

/** The way to one endpoint, as it is now. */
export interface Path {
  /** What a dial meets; `open` needs a listener too. */
  dial: 'open' | 'refused' | 'hangs'
  toServer: Passage
  toClient: Passage
  latencyMs: number
  /** Bytes of one piece; undefined: as they were written. */
  piece: number | undefined
  /** What has made it other than it was; told where it takes effect. */
  cause: string | undefined
}

/** Sees what is dialled and written, before anything else does. */
export interface NetworkWatch {
  dialled(life: Life, place: string): void
  wrote(life: Life, place: string, bytes: Buffer, connection: Connection): void
  delivered(life: Life, place: string, bytes: Buffer, connection: Connection): void
  closed(life: Life, connection: Connection): void
  accepted(place: string): void
  /** A dial ended without having been asked who it is. */
  failed(life: Life, place: string): void
  /** The cause of a path took effect. */
  reached(cause: string): void
}

const retryMs = 20
/** A path slower than this is a fault. */
const slowMs = 20
/** A narrow line brings an answer in segments, as TCP does: somebody who listens hears that it is coming. */
const segmentBytes = 1460

/** Things in flight in one direction, in order. */
class Flow {
  private readonly items: { at: number; work: () => void; lost: () => void }[] = []
  private readonly clock: Clock
  private readonly passage: () => Passage
  private readonly onStopped: () => void
  private planned = false

  constructor(clock: Clock, passage: () => Passage, onStopped: () => void) {
    this.clock = clock
    this.passage = passage
    this.onStopped = onStopped
  }

  /** Arrives after the delay, behind what is in flight, and takes `carryMs` for itself. */
  put(delayMs: number, work: () => void, carryMs = 0, lost = () => {}): void {
    const at = Math.max(this.clock.now + delayMs, this.items.at(-1)?.at ?? 0) + carryMs
    this.items.push({ at, work, lost })
    this.look()
  }

  private look(): void {
    const [first] = this.items
    if (!first || this.planned) return
    this.planned = true
    const waitMs = Math.max(0, first.at - this.clock.now)
    this.clock.plan(waitMs, () => {
      this.planned = false
      const passage = this.passage()
      if (passage !== 'flows') this.onStopped()
      if (passage === 'held') {
        for (const item of this.items) item.at = Math.max(item.at, this.clock.now + retryMs)
      } else {
        this.items.shift()
        if (passage === 'flows') first.work()
        else first.lost()
      }
      this.look()
    })
  }
}

/** One connection, seen from the server. */
export class Connection implements BrokerLine {
  readonly id: number
  readonly life: Life
  readonly place: string
  readonly path: Path
  isOpen = false
  /** Something between, a NAT for one, no longer knows this connection: what is sent is lost without a word. */
  isForgotten: 'one way' | 'both ways' | undefined
  /** The client has heard nothing over it. */
  isUnheard = true
  /** When commits were written, as far as the server has not seen them. */
  readonly commitsSentAt: number[] = []
  server: ReturnType<BrokerListener['accept']> | undefined
  private readonly client: SimulatedSocket
  private readonly network: Network
  private readonly outward: Flow
  private readonly inward: Flow

  constructor(network: Network, client: SimulatedSocket, life: Life, place: string, path: Path) {
    this.network = network
    this.client = client
    this.life = life
    this.place = place
    this.path = path
    this.id = ++network.count
    this.outward = new Flow(
      network.clock,
      () => (this.isForgotten ? 'lost' : path.toServer),
      () => network.effect(path),
    )
    this.inward = new Flow(
      network.clock,
      () => (this.isForgotten === 'both ways' ? 'lost' : path.toClient),
      () => network.effect(path),
    )
  }

  /** Called by the client's socket. */
  write(bytes: Buffer): void {
    this.network.watch.wrote(this.life, this.place, bytes, this)
    this.outward.put(this.delay(), () => {
      if (this.server) this.server.receive(bytes)
      else if (this.isOpen) this.reset()
    })
  }

  /** The server's answer. */
  send(bytes: Buffer): void {
    const { piece } = this.path
    const { bytesPerMs } = this.network
    if (piece !== undefined || this.path.latencyMs > slowMs) this.network.effect(this.path)
    if (bytesPerMs !== undefined) this.network.watch.reached('narrow lines')
    if (this.network.latencyMs > slowMs) this.network.watch.reached('long distances')
    const size = piece ?? (bytesPerMs === undefined ? bytes.length : segmentBytes)
    // Behind a hole in the middle of an answer TCP hands nothing on.
    const lost = () => {
      if (size < bytes.length) this.isForgotten = 'both ways'
    }
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size)
      const arrive = () => {
        this.isUnheard = false
        if (!this.client.destroyed) this.network.watch.delivered(this.life, this.place, part, this)
        this.client.hear('data', part)
      }
      this.inward.put(at === 0 ? this.delay() : 1, arrive, part.length / (bytesPerMs ?? Number.POSITIVE_INFINITY), lost)
    }
  }

  /** The server ends it in order. */
  finish(): void {
    if (!this.isOpen) return
    this.drop()
    this.inward.put(this.delay(), () => this.client.hear('end'))
  }

  /** The server, or the network between, tears it. */
  reset(): void {
    if (!this.isOpen) return
    this.drop()
    this.inward.put(this.delay(), () => this.client.tear('ECONNRESET'))
  }

  /** The server forgets it and says nothing: what the client writes next is answered with a reset. */
  forget(): void {
    this.server?.closed()
    this.server = undefined
  }

  /** The client is gone. */
  left(): void {
    this.network.connections.delete(this)
    this.network.watch.closed(this.life, this)
    if (this.life.alive) this.outward.put(this.delay(), () => this.drop())
    else this.drop()
  }

  private drop(): void {
    this.isOpen = false
    this.forget()
    this.network.connections.delete(this)
  }

  private delay(): number {
    return this.path.latencyMs * (0.5 + this.network.random.next())
  }
}

/** The part of a socket that the library and KafkaJS use. */
export class SimulatedSocket extends EventEmitter {
  destroyed = false
  remoteAddress: string
  readonly holder: Life
  private readonly connection: Connection
  private readonly clock: Clock
  private readonly leave: () => void

  constructor(network: Network, host: string, place: string, life: Life, lookup: LookupFunction | undefined) {
    super()
    this.clock = network.clock
    this.remoteAddress = host
    this.holder = life
    this.connection = new Connection(network, this, life, place, network.pathTo(place))
    if (!life.survives('dial')) {
      this.destroyed = true
      this.leave = () => {}
      this.failed = () => {}
      return
    }
    this.leave = life.onEnd(() => this.gone())
    network.open.add(this)
    network.watch.dialled(life, place)
    const { path } = this.connection
    this.failed = () => network.watch.failed(life, place)
    const dial = () =>
      network.clock.plan(path.latencyMs * (1 + network.random.next()), () => {
        const listener = network.listeners.get(place)
        if (this.destroyed) return
        if (path.dial !== 'open' || path.toServer !== 'flows' || path.toClient !== 'flows') network.effect(path)
        if (path.dial === 'hangs' || path.toServer !== 'flows' || path.toClient !== 'flows') return
        if (path.dial === 'refused' || !listener) return this.tear('ECONNREFUSED')
        this.connection.isOpen = true
        this.connection.server = listener.accept(this.connection)
        network.connections.add(this.connection)
        network.watch.accepted(place)
        this.hear('connect')
      })
    if (isIP(host) || !lookup) dial()
    else {
      lookup(host, {}, (_error, address) => {
        this.remoteAddress = `${address}`
        dial()
      })
    }
    this.forgetIn = () => network.open.delete(this)
  }

  private readonly forgetIn: () => void = () => {}

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  setTimeout(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  write(bytes: Buffer): boolean {
    if (this.destroyed || !this.holder.survives('write')) return false
    this.connection.write(Buffer.from(bytes))
    this.holder.survives('written')
    return true
  }

  end(): this {
    return this.destroy()
  }

  destroy(error?: Error): this {
    if (this.destroyed) return this
    if (this.connection.isUnheard && this.holder.alive && !error) this.failed()
    this.gone()
    process.nextTick(() => {
      if (error) this.emit('error', error)
      this.emit('close', error !== undefined)
    })
    return this
  }

  /** Something comes in from the network. */
  hear(event: 'connect' | 'data' | 'end', bytes?: Buffer): void {
    this.whenItGoesOn(() => {
      this.clock.current = this.holder
      if (this.holder.survives(event)) this.emit(event, bytes)
    })
  }

  /** The connection is over, with an error of the system. */
  tear(code: string): void {
    this.whenItGoesOn(() => {
      if (code === 'ECONNREFUSED') this.failed()
      this.clock.current = this.holder
      if (this.holder.survives('reset')) this.destroy(Object.assign(new Error(`simulated ${code}`), { code }))
    })
  }

  /** Takes what comes in; for a process that stands still when it goes on, in order, and behind its timers. */
  private whenItGoesOn(take: () => void): void {
    const { holder, clock, putOff } = this
    if (this.destroyed || !holder.alive) return
    const isNow = holder.blockedUntil <= clock.now && putOff.length === 0
    if (isNow) take()
    else if (putOff.push(take) === 1) this.goOn()
  }

  private goOn(): void {
    const { holder, clock, putOff } = this
    const behindTimersMs = 0.001
    clock.plan(Math.max(0, holder.blockedUntil - clock.now) + behindTimersMs, () => {
      if (holder.blockedUntil <= clock.now) {
        const [take] = putOff
        if (!this.destroyed && holder.alive) take?.()
        putOff.shift()
      }
      if (putOff.length > 0) this.goOn()
    })
  }

  /** What has come in and waits for its process. */
  private readonly putOff: (() => void)[] = []
  /** A dial that has come to nothing. */
  private readonly failed: () => void

  private gone(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.leave()
    this.forgetIn()
    this.connection.left()
  }
}

export class Network {
  readonly clock: Clock
  readonly random: Random
  readonly listeners = new Map<string, BrokerListener>()
  readonly connections = new Set<Connection>()
  /** Sockets that clients hold, connected or not. */
  readonly open = new Set<SimulatedSocket>()
  readonly watch: NetworkWatch
  /** One way between anybody, on average, in milliseconds. */
  latencyMs = 1
  /** How much a connection carries in each direction; undefined: as much as is written. */
  bytesPerMs: number | undefined
  /** Connections so far. */
  count = 0
  private readonly paths = new Map<string, Path>()

  constructor(clock: Clock, random: Random, watch: NetworkWatch) {
    this.clock = clock
    this.random = random
    this.watch = watch
  }

  pathTo(place: string): Path {
    const known = this.paths.get(place)
    if (known) return known
    const path: Path = {
      dial: 'open',
      toServer: 'flows',
      toClient: 'flows',
      latencyMs: this.latencyMs,
      piece: undefined,
      cause: undefined,
    }
    this.paths.set(place, path)
    return path
  }

  effect({ cause }: Path): void {
    if (cause !== undefined) this.watch.reached(cause)
  }

  /** Whether who listens at its place is who accepted it. */
  isServed({ place, server }: Connection): boolean {
    return server !== undefined && this.listeners.has(place)
  }

  connectionsAt(place: string): Connection[] {
    return [...this.connections].filter((connection) => connection.place === place)
  }

  connect(host: string, port: number, life: Life, lookup?: LookupFunction): Socket {
    return new SimulatedSocket(this, host, `${host}:${port}`, life, lookup) as unknown as Socket
  }
}
