/**
 * The failure detector of a link: it tells a dead connection from a slow node. When the node falls silent while a request waits, the request
 * goes out again over a second connection, the standby, and the first answer wins. A connection that is silent while the standby answers the
 * same request is dead, and the standby takes over. A standby that is older than the request and silent as well is replaced. Where neither
 * answers, the node is slow: both wait, with growing patience, for at most `requestTimeoutMs`.
 */

import { sameEndpoint } from '../../machines/endpoint.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, type HeldConnection } from '../connection/connection.ts'
import { isSilence } from '../connection/dial-step.ts'
import { onSilence } from '../connection/silence.ts'
import { apiKeyOf, apiKeys } from '../protocol/frames.ts'
import { steadyNow } from '../time/steady-clock.ts'
import type { InFlightRequest, InFlightRequests } from './in-flight-requests.ts'
import { Standby } from './standby.ts'

export interface FailureDetectorOptions {
  readonly nodeId: number
  readonly cluster: Cluster
  readonly requestTimeoutMs?: number | undefined
  readonly requests: InFlightRequests
  /** The connection that carries the link. */
  readonly connection: () => HeldConnection | undefined
  /** Dials the node where the book says it is. */
  readonly dial: (signal: AbortSignal) => Promise<HeldConnection>
  /** Sends a request over the standby as well. */
  readonly send: (request: InFlightRequest, connection: HeldConnection) => void
  /** The standby is the link's connection from here on. */
  readonly takeOver: (connection: HeldConnection) => void
  /** The connection is dead. */
  readonly drop: () => void
}

/** These requests may be sent twice: they change nothing at the broker. */
const repeatable: ReadonlySet<number> = new Set([
  ...[apiKeys.fetch, apiKeys.heartbeat, apiKeys.metadata],
  ...[apiKeys.findCoordinator, apiKeys.listOffsets, apiKeys.offsetForLeaderEpoch, apiKeys.offsetFetch],
])
/** How long a broker may work on any other request, in milliseconds (`offsets.commit.timeout.ms`). Until then silence is excused for those behind it. */
const longestWorkMs = 5000
/** The `silenceMs` of a request includes a round trip of this length, in milliseconds; what a longer one takes is added. */
const nearMs = 250

export class FailureDetector {
  private readonly options: FailureDetectorOptions
  private readonly requestTimeoutMs: number
  readonly standby: Standby
  private unwatch: (() => void) | undefined
  /** How often the patience with this node was doubled. An answer in time resets it. */
  private doublings = 0

  constructor(options: FailureDetectorOptions) {
    this.options = options
    this.requestTimeoutMs = options.requestTimeoutMs ?? 30_000
    this.standby = new Standby({
      dial: options.dial,
      onOpen: (connection) => this.askTwice(connection),
      onFailed: (error) => this.failed(error),
      isWanted: () => this.slow,
    })
  }

  /** Whether the node has been silent for longer than the oldest request allows for. */
  get slow(): boolean {
    const { oldest } = this.options.requests
    if (!oldest || !this.options.connection()?.open) return false
    return performance.now() - oldest.sentAt > this.patience(oldest)
  }

  /** Watches the oldest request for silence, unless that is done already. To be called when a request was sent. */
  watch(): void {
    const { oldest } = this.options.requests
    if (this.unwatch || !oldest || !this.options.connection()?.open) return
    const silence = {
      forMs: this.dueMs(oldest),
      heardAt: () => this.quietSince(this.options.requests.oldest ?? oldest),
    }
    this.unwatch = onSilence(silence, () => {
      this.unwatch = undefined
      this.judge()
      this.watch()
    })
  }

  /** The request was answered over this connection. */
  answered(request: InFlightRequest, over: HeldConnection): void {
    const { requests } = this.options
    const connection = this.options.connection()
    if (over === connection) {
      if (performance.now() - request.sentAt <= this.patience(request)) this.doublings = 0
    } else if (over === this.standby.connection && this.isSilent(request) && !this.excused(request)) this.failover()
    if (requests.size === 0) this.stop()
  }

  /** Lets the standby take over. False where there is none. */
  failover(): boolean {
    const connection = this.standby.take()
    if (connection) this.options.takeOver(connection)
    return connection !== undefined
  }

  /** What went out at this time of `performance.now()` is overdue: a connection that has brought nothing since is taken for dead. */
  suspect(sentAt: number): void {
    const connection = this.options.connection()
    if (connection && connection.lastDataAt <= sentAt) this.options.drop()
  }

  close(): void {
    this.stop()
    this.standby.close()
  }

  private stop(): void {
    this.unwatch?.()
    this.unwatch = undefined
  }

  private judge(): void {
    const { options, standby } = this
    const { oldest } = options.requests
    const connection = options.connection()
    if (!oldest || !connection?.open) return
    const silentMs = performance.now() - this.quietSince(oldest)
    if (silentMs < this.dueMs(oldest)) return
    options.cluster.requestUpdate('silent')
    this.doublings++
    const sentAt = steadyNow() - (performance.now() - oldest.sentAt)
    if (silentMs >= this.patience(oldest) + this.requestTimeoutMs || options.requests.hasLeft(sentAt)) {
      options.drop()
      return
    }
    // If the node has moved meanwhile, the link dials it there.
    const entry = options.cluster.book.entryOf(options.nodeId)
    if (!entry || !sameEndpoint(entry, connection.endpoint)) return
    standby.want()
    if (!standby.connection) return
    // A standby that is older than the request and silent since it was asked may be as dead as the first connection.
    if (
      oldest.standby === standby.connection &&
      standby.openedAt < oldest.sentAt &&
      standby.connection.lastDataAt <= oldest.askedTwiceAt
    ) {
      standby.close()
      standby.want()
      return
    }
    if (silentMs >= longestWorkMs && !this.excused(oldest) && !repeatable.has(apiKeyOf(oldest.frame))) this.failover()
    else this.askTwice(standby.connection)
  }

  private askTwice(connection: HeldConnection): void {
    for (const request of this.options.requests) {
      if (request.standby === connection || !repeatable.has(apiKeyOf(request.frame))) continue
      request.standby = connection
      request.askedTwiceAt = performance.now()
      this.options.send(request, connection)
    }
  }

  /** The dial of the standby failed. If nobody listens there any more, the silent connection is dead as well; if nobody answers, the node may be slow. */
  private failed(error: unknown): boolean {
    if (!(error instanceof ConnectionError)) throw error
    const { failure, snapshot } = error
    const { cluster, nodeId, drop } = this.options
    if (snapshot) cluster.observe(snapshot)
    cluster.requestUpdate('dial-failed')
    if (failure.kind !== 'dial-failed' || failure.code === 'ABORT_ERR') return false
    const entry = cluster.book.entryOf(nodeId)
    if (entry && failure.code !== 'WRONG_NODE') cluster.report(entry)
    if (!isSilence(failure) && this.slow) drop()
    return isSilence(failure)
  }

  /** Whether a request before it is held, or is work for the broker: a connection is answered in order. */
  private excused(request: InFlightRequest): boolean {
    const since = performance.now() - longestWorkMs
    return [...this.options.requests].some(
      ({ frame, silenceMs, sentAt }) =>
        sentAt <= request.sentAt && (silenceMs === Infinity || (!repeatable.has(apiKeyOf(frame)) && sentAt > since)),
    )
  }

  /**
   * Whether the connection has brought nothing since the request went out, or for longer than the request allows for. An answer may have come in
   * the very instant in which the request went out, and a request that goes out while the node throttles the connection waits for the end of that.
   */
  private isSilent(request: InFlightRequest): boolean {
    const connection = this.options.connection()
    if (!connection?.open) return false
    const { lastDataAt } = connection
    return lastDataAt <= request.sentAt || performance.now() - lastDataAt >= this.patience(request)
  }

  private patience({ silenceMs }: InFlightRequest): number {
    return silenceMs + Math.max(0, (this.options.connection()?.roundTrip.lateMs ?? 0) - nearMs)
  }

  /** Since when the node owes this request a byte. */
  private quietSince({ sentAt }: InFlightRequest): number {
    return Math.max(sentAt, this.options.connection()?.lastDataAt ?? 0)
  }

  private dueMs(request: InFlightRequest): number {
    const patienceMs = this.patience(request)
    return Math.min(patienceMs * 2 ** this.doublings, patienceMs + this.requestTimeoutMs)
  }
}
