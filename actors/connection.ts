/** A connection: one socket to one endpoint, connected and logged in, that answers requests. It does not outlive its socket. */

import { isIP, type Socket } from 'node:net'
import type { Endpoint } from '../machines/endpoint.ts'
import { canonicalHost, formatEndpoint } from '../machines/endpoint.ts'
import type { Failure } from '../machines/failure.ts'
import type { BrokerEntry, Snapshot } from '../machines/snapshot.ts'
import { answerHeaderBytes, correlationOf, FrameCutter, setCorrelation } from './frames.ts'
import { type Call, calls, encodeCall, type MetadataAnswer } from './kafka.ts'
import { steadyNow } from './steady-clock.ts'

/** A failure on its way through promises; `snapshot` is what the endpoint said before it was turned down. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  readonly failure: Failure
  readonly snapshot: Snapshot | undefined

  constructor(failure: Failure, snapshot?: Snapshot) {
    super(failure.message)
    this.failure = failure
    this.snapshot = snapshot
  }
}

/** What waits on something that was closed by its owner ends with this; also the reason to abort with. */
export const closedError = (what: string): ConnectionError =>
  new ConnectionError({ kind: 'dial-failed', message: `${what} is closed`, code: 'CLOSED' })

export interface ConnectionOptions {
  readonly socket: Socket
  readonly endpoint: Endpoint
  readonly clientId: string
  /** How long the login is valid, in milliseconds; 0 for ever. */
  readonly loginValidMs: number
}

/** A connection to whoever is given one. */
export type Line = Pick<
  Connection,
  | 'endpoint'
  | 'address'
  | 'loginValidMs'
  | 'snapshot'
  | 'lastDataAt'
  | 'open'
  | 'send'
  | 'metadata'
  | 'close'
  | 'onClose'
>

interface Waiting {
  readonly resolve: (answer: Buffer) => void
  readonly reject: (error: ConnectionError) => void
}

export class Connection {
  readonly endpoint: Endpoint
  readonly address: string
  readonly loginValidMs: number
  /** When the last byte came, on the clock of `performance.now()`: the clock of the day may be set back. */
  lastDataAt = performance.now()
  private readonly socket: Socket
  private readonly clientId: string
  private readonly waiting = new Map<number, Waiting>()
  private readonly listeners = new Set<() => void>()
  private correlationId = 0
  private error: NodeJS.ErrnoException | undefined
  private identity: Snapshot | undefined
  private closed = false

  constructor({ socket, endpoint, clientId, loginValidMs }: ConnectionOptions) {
    this.socket = socket
    this.endpoint = endpoint
    this.address = canonicalHost(socket.remoteAddress ?? endpoint.host)
    this.clientId = clientId
    this.loginValidMs = loginValidMs
    const cutter = new FrameCutter()
    socket.on('data', (chunk: Buffer) => {
      this.lastDataAt = performance.now()
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

  get open(): boolean {
    return !this.closed && !this.socket.destroyed
  }

  /** What the endpoint said of the cluster when it was dialled. */
  get snapshot(): Snapshot {
    if (!this.identity) throw new Error('a connection is asked who it is before it is handed out')
    return this.identity
  }

  /** Sends a request frame and resolves with its answer frame; rejects with a ConnectionError when the socket ends first. */
  send(frame: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (!this.open) return reject(this.lost())
      const id = this.correlationId
      this.correlationId = id === 0x7fffffff ? 0 : id + 1
      setCorrelation('request', frame, id)
      this.waiting.set(id, { resolve, reject })
      this.socket.write(frame)
    })
  }

  /** Sends a request of our own. */
  async call<Answer>(call: Call<Answer>): Promise<Answer> {
    const answer = await this.send(await encodeCall(call, this.clientId))
    return call.decode(answer.subarray(answerHeaderBytes))
  }

  /** Asks for the brokers and no topic: the newest snapshot of this endpoint, without the addresses of names. */
  async metadata(): Promise<Snapshot> {
    const at = steadyNow()
    const snapshot = this.read(await this.call(calls.metadata()), at)
    this.identity ??= snapshot
    return snapshot
  }

  close(): void {
    this.socket.destroy()
    this.ended()
  }

  /** Calls `listener` once when the socket has ended, whoever ended it. Returns what takes the listener away again. */
  onClose(listener: () => void): () => void {
    if (this.closed) queueMicrotask(listener)
    else this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private deliver(frame: Buffer): void {
    const id = correlationOf('answer', frame)
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    waiting?.resolve(frame)
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
