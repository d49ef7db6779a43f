/** A connection: one socket to one endpoint, connected and logged in, that answers requests. It does not outlive its socket. */

import { isIP, type Socket } from 'node:net'
import { canonicalHost, type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import { type Failure, FailureError } from '../../machines/failure.ts'
import type { BrokerEntry, Snapshot } from '../../machines/snapshot.ts'
import { type Call, calls, encodeCall, type MetadataAnswer } from '../kafkajs/calls.ts'
import {
  answerHeaderBytes,
  apiKeyOf,
  apiKeys,
  apiVersionOf,
  correlationOf,
  FrameCutter,
  setCorrelation,
} from '../protocol/frames.ts'
import type { SpokenVersions } from '../protocol/versions.ts'
import { Condition } from '../time/condition.ts'
import { steadyNow } from '../time/steady-clock.ts'
import { type Certificate, chainOf } from './certificate.ts'
import type { RoundTrip } from './round-trip.ts'

/** A failure of a connection; `snapshot` is what the endpoint said before it was turned down. */
export class ConnectionError extends FailureError {
  override readonly name = 'ConnectionError'
  readonly snapshot: Snapshot | undefined

  constructor(failure: Failure, snapshot?: Snapshot) {
    super(failure)
    this.snapshot = snapshot
  }
}

/** Ends what waits on something that its owner closed; also the reason to abort with. */
export const closedError = (what: string): ConnectionError =>
  new ConnectionError({ kind: 'dial-failed', message: `${what} is closed`, code: 'CLOSED' })

export interface ConnectionOptions {
  readonly socket: Socket
  readonly endpoint: Endpoint
  readonly clientId: string
  /** How long the login is valid, in milliseconds; 0 for ever. */
  readonly loginValidMs: number
  /** The round trips to this endpoint; this connection adds to them. */
  readonly roundTrip: RoundTrip
}

/** What holders of a connection may use. */
export type HeldConnection = Omit<Connection, 'identify'>

/** Requests that a broker answers at once. */
const briefRequests: ReadonlySet<number> = new Set([apiKeys.heartbeat, apiKeys.offsetCommit])
/** Requests that count towards quotas and whose answers, in the versions we send, begin with a throttle time. */
const throttledRequests: ReadonlySet<number> = new Set([
  ...briefRequests,
  ...[apiKeys.fetch, apiKeys.metadata, apiKeys.findCoordinator, apiKeys.listOffsets],
])
/** Longer throttle times are not believed, in milliseconds: quotas are reckoned over some ten seconds. */
const longestThrottleMs = 30_000

/** The first version of Metadata whose answer has tags in its header. */
const taggedMetadata = 9

function throttleOffset(request: Buffer): number | undefined {
  if (!throttledRequests.has(apiKeyOf(request))) return undefined
  const hasTags = apiKeyOf(request) === apiKeys.metadata && apiVersionOf(request) >= taggedMetadata
  return answerHeaderBytes + (hasTags ? 1 : 0)
}

interface Waiting {
  /** When it was written; undefined where the time until its answer does not measure the round trip. */
  readonly measuredFrom: number | undefined
  /** The offset of the throttle time in its answer. */
  readonly throttleAt: number | undefined
  readonly resolve: (answer: Buffer) => void
  readonly reject: (error: ConnectionError) => void
}

export class Connection {
  readonly endpoint: Endpoint
  readonly address: string
  readonly loginValidMs: number
  readonly roundTrip: RoundTrip
  /**
   * When the last byte came, on the clock of `performance.now()`, as the clock of the day may be set back. A broker that throttles this
   * connection reads nothing from it for that time (KIP-219), so then it is the end of that time.
   */
  lastDataAt = performance.now()
  /** The requests the endpoint speaks, as it said when it was dialled. */
  versions: SpokenVersions = new Map()
  private readonly socket: Socket
  private readonly clientId: string
  private readonly waiting = new Map<number, Waiting>()
  private readonly listeners = new Set<() => void>()
  private correlationId = 0
  private error: NodeJS.ErrnoException | undefined
  private identity: Snapshot | undefined
  private closed = false
  private throttledUntil = 0
  private readonly unthrottled = new Condition()

  constructor({ socket, endpoint, clientId, loginValidMs, roundTrip }: ConnectionOptions) {
    this.socket = socket
    this.endpoint = endpoint
    this.address = canonicalHost(socket.remoteAddress ?? endpoint.host)
    this.clientId = clientId
    this.loginValidMs = loginValidMs
    this.roundTrip = roundTrip
    const cutter = new FrameCutter()
    socket.on('data', (chunk: Buffer) => {
      this.lastDataAt = Math.max(performance.now(), this.throttledUntil)
      try {
        for (const frame of cutter.push(chunk)) this.deliver(frame)
      } catch (error) {
        socket.destroy(error as Error)
      }
    })
    socket.on('error', (error) => {
      this.error = error
    })
    socket.on('end', () => socket.destroy())
    socket.on('close', () => this.ended())
    if (socket.destroyed) this.ended()
  }

  /** What the broker showed with TLS; nothing without. */
  get certificates(): readonly Certificate[] {
    return chainOf(this.socket)
  }

  get open(): boolean {
    return !this.closed && !this.socket.destroyed
  }

  /** What the endpoint said about the cluster when it was dialled. */
  get snapshot(): Snapshot {
    if (!this.identity) throw new Error('a connection is asked who it is before it is handed out')
    return this.identity
  }

  /** Sends a request once the broker no longer throttles us. Rejects with a ConnectionError when the socket ends. `isBrief`: answered at once. */
  async send(frame: Buffer, isBrief = briefRequests.has(apiKeyOf(frame))): Promise<Buffer> {
    await this.unthrottledOnce()
    return new Promise((resolve, reject) => {
      if (!this.open) return reject(this.lost())
      // Behind another request it would measure that one as well.
      const measuredFrom = isBrief && this.waiting.size === 0 ? performance.now() : undefined
      this.waiting.set(this.write(frame), { measuredFrom, throttleAt: throttleOffset(frame), resolve, reject })
    })
  }

  /** Sends a request that the broker does not answer, once it no longer throttles us. Rejects with a ConnectionError where the socket has ended before. */
  async post(frame: Buffer): Promise<void> {
    await this.unthrottledOnce()
    if (!this.open) throw this.lost()
    this.write(frame)
  }

  /** Asks for the brokers and no topic. The answer has no addresses for brokers that are announced by name. */
  async metadata(): Promise<Snapshot> {
    const at = steadyNow()
    return this.read(await this.ask(calls.metadata()), at)
  }

  /** Asks for the versions it speaks and, at the same time, who it is. */
  async identify(): Promise<void> {
    // Both frames are made before one goes out: they travel together.
    const [versions, snapshot] = await Promise.all([this.ask(calls.apiVersions()), this.metadata()])
    this.versions = versions
    this.identity = snapshot
  }

  close(): void {
    this.socket.destroy()
    this.ended()
  }

  /** Calls `listener` once when the socket has ended, whoever ended it. Returns a function that removes it. */
  onClose(listener: () => void): () => void {
    if (this.closed) queueMicrotask(listener)
    else this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Sends a request of our own and reads its answer. Default: the broker answers it at once. */
  async ask<Answer>(call: Call<Answer>, isBrief = true): Promise<Answer> {
    const answer = await this.send(await encodeCall(call, this.clientId), isBrief)
    return call.decode(answer.subarray(answerHeaderBytes))
  }

  private async unthrottledOnce(): Promise<void> {
    const throttledMs = Math.ceil(this.throttledUntil - performance.now())
    if (this.unthrottled.isAwaited || throttledMs > 0) await this.unthrottled.wait(throttledMs)
  }

  /** Writes a request and returns the correlation id it went out with. */
  private write(frame: Buffer): number {
    const id = this.correlationId
    this.correlationId = id === 0x7fffffff ? 0 : id + 1
    setCorrelation('request', frame, id)
    this.socket.write(frame)
    return id
  }

  private deliver(frame: Buffer): void {
    const id = correlationOf('answer', frame)
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    if (!waiting) return
    if (waiting.measuredFrom !== undefined) this.roundTrip.note(performance.now() - waiting.measuredFrom)
    const { throttleAt } = waiting
    const forMs = throttleAt !== undefined && frame.length >= throttleAt + 4 ? frame.readInt32BE(throttleAt) : 0
    if (forMs > 0) {
      this.throttledUntil = performance.now() + Math.min(forMs, longestThrottleMs)
      this.lastDataAt = this.throttledUntil
    }
    waiting.resolve(frame)
  }

  private read({ brokers, clusterId, controllerId }: MetadataAnswer, at: number): Snapshot {
    const { endpoint, address } = this
    const entries = brokers.map(({ nodeId, host: text, port }): BrokerEntry => {
      const host = canonicalHost(text)
      return { nodeId, host, port, addresses: isIP(host) ? [host] : [] }
    })
    return { clusterId: clusterId ?? '', controllerId, brokers: entries, answeredBy: { ...endpoint, address }, at }
  }

  private ended(): void {
    if (this.closed) return
    this.closed = true
    const error = this.lost()
    for (const { reject } of this.waiting.values()) reject(error)
    this.waiting.clear()
    this.unthrottled.wakeup()
    for (const listener of this.listeners) listener()
    this.listeners.clear()
  }

  private lost(): ConnectionError {
    const endpoint = formatEndpoint(this.endpoint)
    return new ConnectionError({
      kind: 'dial-failed',
      message: `The connection to ${endpoint} ended${this.error ? `: ${this.error.message}` : ''}`,
      code: this.error?.code ?? 'ECONNRESET',
      endpoint,
    })
  }
}
