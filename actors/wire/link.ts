/**
 * A link carries requests to one *node*. It outlives the connections under it.
 * When its connection ends, or the address book names another endpoint, it dials the node where it is now and sends the in-flight requests again. While the
 * old connection still lives, it is used until the new one is ready (a soft redial). Requests fail only by rule: the newest snapshot taken after the break
 * no longer names the node, or `holdMs` is over. What happens when the node falls silent is up to the failure detector.
 */

import { formatEndpoint, sameEndpoint } from '../../machines/endpoint.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, type HeldConnection } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { isAbsence, isRefusal } from '../connection/dial-failure.ts'
import { Condition } from '../time/condition.ts'
import { dialReason } from './dial-reason.ts'
import { FailureDetector } from './failure-detector.ts'
import type { InFlightRequest, Instant, SendOptions } from './in-flight-requests.ts'
import { held, InFlightRequests, instant } from './in-flight-requests.ts'
import { LoginRenewal } from './login-renewal.ts'

export interface LinkOptions {
  readonly nodeId: number
  readonly cluster: Cluster
  readonly dial: Dial
  /** How long requests wait for a node that cannot be reached, in milliseconds. */
  readonly holdMs: number
  /** How long the node may be silent beyond the silence of the request, in milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined
  /** It is dialled without waiting for a request, and before other links. Default: false. */
  readonly urgent?: boolean
  /** A new connection carries the link: how long the node was out of reach (0 when soft), in milliseconds. */
  readonly onRedial?: (redial: { nodeId: number; endpoint: string; tookMs: number; soft: boolean }) => void
  /** It is connected to the endpoint in the address book, for the first time or again. */
  readonly onCurrent?: () => void
  /** Everything it was sent is answered. */
  readonly onIdle?: () => void
}

/** While nothing may be dialled, a link checks this often whether its requests have to fail, in milliseconds. */
const lookMs = 250

export class Link {
  readonly nodeId: number
  private readonly options: LinkOptions
  private readonly requests: InFlightRequests
  private readonly stop = new AbortController()
  private readonly unsubscribe: () => void
  private connection: HeldConnection | undefined
  private dialling = false
  private attempt = new AbortController()
  /** Something to dial for may have changed. */
  private readonly changed = new Condition()
  readonly detector: FailureDetector
  private readonly renewal = new LoginRenewal(() => void this.redial())
  private brokeAt: Instant | undefined
  private adopted = 0
  private adoptedAt = 0

  constructor(options: LinkOptions) {
    this.nodeId = options.nodeId
    this.options = options
    this.requests = new InFlightRequests(options)
    this.detector = new FailureDetector({
      ...options,
      requests: this.requests,
      dial: (signal) => this.dial(signal, true),
      connection: () => this.connection,
      send: (request, connection) => this.sendOver(request, Buffer.from(request.frame), connection),
      takeOver: (connection) => {
        this.adopt(connection)
        this.report(true, instant())
      },
      drop: () => this.drop(),
    })
    this.unsubscribe = options.cluster.book.onChange(({ moved, joined, left }) => {
      if (![...moved, ...joined, ...left].includes(this.nodeId)) return
      // What is dialled now is no longer where the node is, and may be silent for long.
      if (moved.includes(this.nodeId)) {
        this.attempt.abort()
        this.requests.ends.succeeded()
        this.detector.standby.close()
      }
      this.changed.wakeup()
      if (this.connection && !this.current) void this.redial()
    })
  }

  /** Whether it holds a connection to where the book says the node is. */
  get current(): boolean {
    const { connection } = this
    const entry = this.options.cluster.book.entryOf(this.nodeId)
    if (!connection?.open || !entry || !sameEndpoint(entry, connection.endpoint)) return false
    return entry.addresses.length === 0 || entry.addresses.includes(connection.address)
  }

  /** When an answer's last byte came over its connection, on the clock of `performance.now()`; 0 where none has. */
  get heardAt(): number {
    const { connection } = this
    return connection && connection.lastDataAt > this.adoptedAt ? connection.lastDataAt : 0
  }

  /** Whether it has a connection or dials one. A link that nobody has used needs none. */
  get used(): boolean {
    return this.connection !== undefined || this.dialling
  }

  /** Whether the broker may hold a request of this link: until it answers that one, it reads no other. */
  get holding(): boolean {
    return this.requests.holding
  }

  /** Whether nothing waits for an answer. */
  get idle(): boolean {
    return this.requests.size === 0
  }

  /** Whether the node has been silent for longer than a request allows for. */
  get slow(): boolean {
    return this.detector.slow
  }

  /**
   * Sends a request frame; the answer may come over a later connection. After `silenceMs` without a byte from the node while the request waits the
   * connection is suspected, later where the node is far; with `held` never. Rejects by the rule above. One that is not answered resolves with itself.
   */
  send(frame: Buffer, silenceMs: number, options: SendOptions = {}): Promise<Buffer> {
    const { signal, unwanted, withinMs, delivery = 'again' } = options
    return new Promise((resolve, reject) => {
      if (this.stop.signal.aborted) return reject(this.requests.failure('the link is closed', 'CLOSED'))
      if (signal?.aborted) return reject(this.requests.failure('the request is no longer wanted', 'ABORT_ERR'))
      const request = this.requests.open({ frame, silenceMs, resolve, reject, delivery })
      const giveUp = () => {
        const { slow } = this
        if (!this.requests.delete(request)) return
        // The broker would go on holding it and whatever comes behind it, or nothing is left that would show that the connection is dead.
        if (silenceMs === held || (slow && this.idle)) this.drop()
      }
      signal?.addEventListener('abort', giveUp)
      if (withinMs !== undefined) this.requests.limit(request, withinMs, () => this.detector.suspect(request.sentAt))
      unwanted?.addEventListener('abort', () => this.requests.forget(request, this.connection))
      if (this.connection?.open) this.transmit(request, this.connection)
      else void this.redial()
    })
  }

  /** Closes the connection; the link goes on as if it had ended by itself. */
  drop(): void {
    this.detector.standby.close()
    this.connection?.close()
  }

  /** Ends the link; what waits is rejected. */
  close(): void {
    this.unsubscribe()
    this.stop.abort()
    this.attempt.abort()
    this.detector.close()
    this.renewal.close()
    this.connection?.close()
    this.requests.rejectAll('the link is closed', 'CLOSED')
    this.changed.wakeup()
  }

  private transmit(request: InFlightRequest, connection: HeldConnection): void {
    request.sentAt = performance.now()
    request.over = connection
    if (request.delivery === 'unanswered') return void this.requests.post(request, connection)
    this.detector.watch()
    this.sendOver(request, request.frame, connection)
  }

  private sendOver(request: InFlightRequest, frame: Buffer, connection: HeldConnection): void {
    connection.send(frame).then(
      (answer) => {
        this.requests.answeredOver(connection)
        if (!this.requests.delete(request)) return
        this.detector.answered(request, connection)
        if (this.idle) this.options.onIdle?.()
        request.resolve(answer)
      },
      () => {}, // the connection has ended: the request goes out again on the next one
    )
  }

  /** Dials until a connection to the node's endpoint in force carries the link. Runs once at a time. */
  private async redial(): Promise<void> {
    if (this.dialling || this.stop.signal.aborted) return
    this.dialling = true
    const soft = this.connection?.open === true
    const startedAt = this.brokeAt ?? instant()
    const beganAt = performance.now()
    let tried = false
    try {
      while (!this.stop.signal.aborted && !this.settled) {
        if (!this.connection?.open && this.requests.rejectOverdue(startedAt, beganAt, tried)) return
        const waitMs = this.waitMs()
        if (waitMs > 0) await this.changed.wait(Math.min(waitMs, lookMs))
        else tried = (await this.tryDial()) || tried
      }
      if (this.settled) {
        this.report(soft, startedAt)
        this.options.onCurrent?.()
      }
    } finally {
      this.dialling = false
      // A connection that ended, or a book that changed, between the last look and here starts the next round.
      if (this.requests.size > 0 && !this.connection?.open) queueMicrotask(() => void this.redial())
    }
  }

  /** Whether there is nothing to dial for. */
  private get settled(): boolean {
    return this.current && this.connection !== this.renewal.expiring
  }

  private waitMs(): number {
    const { cluster } = this.options
    const endpoint = cluster.book.entryOf(this.nodeId)
    if (endpoint) return Math.max(cluster.pace.waitMs(endpoint, this.nodeId), this.requests.ends.waitMs)
    cluster.requestUpdate('unknown-node')
    return lookMs
  }

  private report(soft: boolean, startedAt: Instant): void {
    const tookMs = soft && this.brokeAt === undefined ? 0 : Math.round(performance.now() - startedAt.since)
    this.brokeAt = undefined
    if (this.connection && this.adopted > 1)
      this.options.onRedial?.({ nodeId: this.nodeId, endpoint: formatEndpoint(this.connection.endpoint), tookMs, soft })
  }

  /** One dial of the endpoint in force. Says whether it failed. */
  private async tryDial(): Promise<boolean> {
    const { nodeId, cluster } = this.options
    const endpoint = cluster.book.entryOf(nodeId)
    if (!endpoint) return false
    this.attempt = new AbortController()
    const { signal } = this.attempt
    try {
      const connection = await this.dial(signal)
      cluster.observe(connection.snapshot)
      const old = this.connection
      if (old && old === this.renewal.expiring && this.current) await this.requests.emptied(old, signal)
      if (this.stop.signal.aborted || signal.aborted) {
        connection.close()
        return false
      }
      cluster.heal(nodeId)
      this.adopt(connection)
      return false
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      const { failure, snapshot } = error
      if (failure.code === 'TOO_SOON') await this.changed.wait(lookMs)
      if (failure.code === 'TOO_SOON' || failure.code === 'ABORT_ERR') return false
      if (snapshot) cluster.observe(snapshot)
      if (isRefusal(failure.kind)) cluster.refuse(nodeId, endpoint, failure)
      if (isAbsence(failure)) cluster.report(endpoint)
      cluster.requestUpdate('dial-failed')
      return true
    }
  }

  /** Dials the endpoint in force, or takes over what the poller has dialled there. */
  private dial(signal: AbortSignal, isStandby = false): Promise<HeldConnection> {
    const { nodeId, cluster, dial, urgent = false } = this.options
    const entry = cluster.book.entryOf(nodeId)
    if (!entry) return Promise.reject(this.requests.failure('it is not known', 'ABORT_ERR'))
    const endpoint = { host: entry.host, port: entry.port }
    const reason = isStandby ? 'silent' : dialReason(this.connection, this.renewal.expiring, endpoint)
    const ready = urgent && !isStandby ? () => cluster.take(endpoint) : undefined
    const options = { nodeId, reason, signal, logins: cluster.pace, ready } as const
    return cluster.pace.run(endpoint, { nodeId, urgent, signal }, () => dial(endpoint, options))
  }

  private adopt(connection: HeldConnection): void {
    const old = this.connection
    this.connection = connection
    this.adopted++
    this.adoptedAt = performance.now()
    connection.onClose(() => {
      if (this.connection !== connection || this.stop.signal.aborted) return
      this.options.cluster.requestUpdate('connection-ended')
      this.requests.endedWith(connection)
      if (this.detector.failover()) return
      if (!this.options.urgent && this.requests.size === 0) {
        // Nobody waits for it: dialled now it would only take time from those that are waited for.
        this.connection = undefined
        return
      }
      this.brokeAt ??= instant()
      void this.redial()
    })
    for (const request of this.requests.wanted()) {
      if (request.standby !== connection) this.transmit(request, connection)
      else request.sentAt = performance.now()
    }
    if (old) this.requests.retire(old)
    this.detector.watch()
    this.renewal.schedule(connection)
  }
}
