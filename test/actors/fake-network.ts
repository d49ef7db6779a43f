// A network in memory: brokers that listen at endpoints, and a dial that reaches them. No sockets, no timers of its own but the dial's deadline.

import { ConnectionError, type HeldConnection } from '../../actors/connection/connection.ts'
import type { Dial } from '../../actors/connection/dial.ts'
import { RoundTrip } from '../../actors/connection/round-trip.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../machines/endpoint.ts'
import type { FailureKind } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'

/** What listens somewhere: a broker with its view of the cluster, nobody any more (`silent`), or somebody who turns every dial down. */
export type Listener = { readonly view: () => View } | 'silent' | { readonly refuses: FailureKind }

/** What a broker tells: `node@host:port` each, and the cluster id. */
export interface View {
  readonly clusterId: string
  readonly places: string
}

export const endpointOf = (text: string): Endpoint => {
  const endpoint = parseEndpoint(text)
  if (!endpoint) throw new Error(`not an endpoint: ${text}`)
  return endpoint
}

export class FakeNetwork {
  /** Every dial so far, `host:port` in order. */
  readonly dials: string[] = []
  /** How many metadata requests went out over open lines. */
  questions = 0
  /** Frames that brokers got, as `host:port text`. */
  readonly frames: string[] = []
  /** What names resolve to; other hosts are their own address. */
  readonly names = new Map<string, string>()
  /** False: answers come without the addresses of their hosts, as over the wire. */
  resolves = true
  dialTimeoutMs = 200
  private readonly listeners = new Map<string, Listener>()
  private readonly lines = new Set<{ place: string; end: () => void; isCut: boolean }>()

  /** Whoever listens at an address, `address:port`. */
  listen(place: string, listener: Listener): void {
    this.listeners.set(place, listener)
  }

  /** One cluster: every place listens and tells the same view, which may change later. */
  cluster(view: { places: string; clusterId: string }, at = view.places): void {
    for (const place of at.split(' ')) this.listen(place.split('@')[1] ?? '', { view: () => view })
  }

  /** The listener is gone and its connections end. */
  close(...places: string[]): void {
    for (const place of places) {
      this.listeners.delete(place)
      for (const line of this.lines) if (line.place === place) line.end()
    }
  }

  /** Nothing answers any more, nothing ends. */
  silence(...places: string[]): void {
    for (const place of places) this.listeners.set(place, 'silent')
    for (const line of this.lines) if (places.includes(line.place)) line.isCut = true
  }

  get openLines(): string[] {
    return [...this.lines].map(({ place }) => place).sort()
  }

  readonly dial: Dial = async (endpoint, { signal } = {}) => {
    const named = formatEndpoint(endpoint)
    this.dials.push(named)
    const address = this.names.get(endpoint.host) ?? endpoint.host
    const place = `${address}:${endpoint.port}`
    const listener = this.listeners.get(place)
    const fail = (kind: FailureKind, code: string, snapshot?: Snapshot) =>
      new ConnectionError({ kind, message: `${named}: ${code}`, code, endpoint: named }, snapshot)
    await Promise.resolve()
    if (listener === undefined) throw fail('dial-failed', 'ECONNREFUSED')
    if (listener === 'silent') {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.dialTimeoutMs)
        signal?.addEventListener('abort', () => {
          clearTimeout(timer)
          resolve()
        })
      })
      throw fail('dial-failed', 'ETIMEDOUT')
    }
    if ('refuses' in listener) throw fail(listener.refuses, 'REFUSED')
    return this.open(endpoint, address, place, listener.view)
  }

  private open(endpoint: Endpoint, address: string, place: string, view: () => View): HeldConnection {
    const closers = new Set<() => void>()
    const rejections = new Set<(error: Error) => void>()
    const ended = () => new ConnectionError({ kind: 'dial-failed', message: 'ended', code: 'ECONNRESET' })
    const line = {
      place,
      isCut: false,
      end: () => {
        if (!this.lines.delete(line)) return
        for (const reject of rejections) reject(ended())
        for (const closer of closers) closer()
      },
    }
    this.lines.add(line)
    const answer = async <Value>(make: () => Value): Promise<Value> => {
      if (!this.lines.has(line)) throw ended()
      const value = make()
      if (line.isCut) await new Promise((_, reject) => rejections.add(reject))
      return value
    }
    const snapshot = (): Snapshot => {
      const { clusterId, places } = view()
      const brokers = places
        .split(' ')
        .filter(Boolean)
        .map((text) => {
          const [nodeId = '', where = ''] = text.split('@')
          const { host, port } = endpointOf(where)
          return { nodeId: Number(nodeId), host, port, addresses: this.resolves ? [this.names.get(host) ?? host] : [] }
        })
      return { clusterId, controllerId: 1, brokers, answeredBy: { ...endpoint, address }, at: Date.now() }
    }
    const lines = this.lines
    return {
      endpoint,
      address,
      loginValidMs: 0,
      roundTrip: new RoundTrip(),
      lastDataAt: performance.now(),
      snapshot: snapshot(),
      versions: new Map([[3, { least: 0, most: 13 }]]),
      certificates: [],
      ask: () => Promise.reject(new Error('this line is sent frames only')),
      get open() {
        return lines.has(line)
      },
      metadata: () => {
        this.questions++
        return answer(snapshot)
      },
      send: (frame) =>
        answer(() => {
          this.frames.push(`${place} ${frame.toString()}`)
          return Buffer.from(`answer to ${frame.toString()}`)
        }),
      post: async (frame) => {
        await answer(() => this.frames.push(`${place} ${frame.toString()}`))
      },
      close: line.end,
      onClose(listener) {
        closers.add(listener)
        return () => closers.delete(listener)
      },
    }
  }
}
