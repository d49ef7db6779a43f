/**
 * The failure detector of a link: it tells a dead connection from a slow node. When the node falls silent while a request waits, the request
 * goes out again over a second connection, the standby, and the first answer wins. A connection that is silent while the standby answers the
 * same request is dead, and the standby takes over. A standby that is older than the request and silent as well is replaced. Where neither
 * answers, the node is slow: both wait, with growing patience, for at most `requestTimeoutMs`.
 */

import { sameEndpoint } from '../../machines/endpoint.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, type HeldConnection } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { onSilence } from '../connection/silence.ts'
import { apiKeyOf, apiKeys } from '../protocol/frames.ts'
import { steadyNow } from '../time/steady-clock.ts'
import type { InFlightRequest, InFlightRequests } from './in-flight-requests.ts'
import { Standby } from './standby.ts'

export interface FailureDetectorOptions {
  readonly nodeId: number
  readonly cluster: Cluster
  readonly dial: Dial
  readonly requestTimeoutMs?: number | undefined
  readonly urgent?: boolean
  readonly requests: InFlightRequests
  /** The connection that carries the link. */
  readonly connection: () => HeldConnection | undefined
  /** Sends a request over the standby as well. */
  readonly send: (request: InFlightRequest, line: HeldConnection) => void
  /** The standby is the link's connection from here on. */
  readonly takeOver: (line: HeldConnection) => void
  /** The connection is dead. */
  readonly drop: () => void
}

/** Asked twice, these change nothing at the broker. */
const repeatable: ReadonlySet<number> = new Set([
  ...[apiKeys.fetch, apiKeys.heartbeat, apiKeys.metadata],
  ...[apiKeys.findCoordinator, apiKeys.listOffsets, apiKeys.offsetForLeaderEpoch, apiKeys.offsetFetch],
])
/** So long, in milliseconds, a broker may take for any other request: `offsets.commit.timeout.ms`. Until then what waits behind it is excused. */
const longestWorkMs = 5000
/** The silence of a request allows for a round trip of so many milliseconds; what a longer one takes is added. */
const nearMs = 250

export class FailureDetector {
  private readonly options: FailureDetectorOptions
  private readonly requestTimeoutMs: number
  private readonly standby: Standby
  private unwatch: (() => void) | undefined
  /** How often the patience with this node was doubled; an answer in time takes that back. */
  private doublings = 0

  constructor(options: FailureDetectorOptions) {
    this.options = options
    this.requestTimeoutMs = options.requestTimeoutMs ?? 30_000
    this.standby = new Standby({
      dial: (signal) => this.dial(signal),
      onOpen: (line) => this.askTwice(line),
      onFailed: (error) => this.failed(error),
      isWanted: () => this.slow,
    })
  }

  /** Whether a request waits for longer than its node should be silent, and still may. */
  get slow(): boolean {
    const { oldest } = this.options.requests
    if (!oldest || !this.options.connection()?.open) return false
    return performance.now() - oldest.sentAt > this.patience(oldest)
  }

  /** A request has gone out. One wait per link, for the oldest request. */
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

  /** This request was answered over this line, and waits no longer. */
  answered(request: InFlightRequest, line: HeldConnection): void {
    const { requests } = this.options
    const connection = this.options.connection()
    if (line === connection) {
      if (performance.now() - request.sentAt <= this.patience(request)) this.doublings = 0
    } else if (connection?.open && connection.lastDataAt < request.sentAt && !this.excused(request)) {
      if (line === this.standby.line) this.failover()
    }
    if (requests.size === 0) this.stop()
  }

  /** Lets the standby take over. False where there is none. */
  failover(): boolean {
    const line = this.standby.take()
    if (line) this.options.takeOver(line)
    return line !== undefined
  }

  /** The node is elsewhere, or its connections are made anew. */
  closeStandby(): void {
    this.standby.close()
  }

  close(): void {
    this.stop()
    this.closeStandby()
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
    options.cluster.requestUpdate()
    this.doublings++
    if (silentMs >= this.patience(oldest) + this.requestTimeoutMs || this.hasLeft(oldest)) {
      options.drop()
      return
    }
    // Where the node has moved meanwhile, the link is being dialled there.
    const entry = options.cluster.book.entryOf(options.nodeId)
    if (!entry || !sameEndpoint(entry, connection.endpoint)) return
    standby.want()
    if (!standby.line) return
    // Made before the request went out, and silent since it was asked: whatever took the first one may have taken it as well.
    if (
      oldest.standby === standby.line &&
      standby.openedAt < oldest.sentAt &&
      standby.line.lastDataAt < oldest.askedTwiceAt
    ) {
      standby.close()
      standby.want()
      return
    }
    if (silentMs >= longestWorkMs && !this.excused(oldest) && !repeatable.has(apiKeyOf(oldest.frame))) this.failover()
    else this.askTwice(standby.line)
  }

  private askTwice(line: HeldConnection): void {
    for (const request of this.options.requests) {
      if (request.standby === line || !repeatable.has(apiKeyOf(request.frame))) continue
      request.standby = line
      request.askedTwiceAt = performance.now()
      this.options.send(request, line)
    }
  }

  private dial(signal: AbortSignal): Promise<HeldConnection> {
    const { nodeId, cluster, dial, urgent = false } = this.options
    const entry = cluster.book.entryOf(nodeId)
    if (!entry) return Promise.reject(new ConnectionError({ kind: 'dial-failed', message: 'gone', code: 'ABORT_ERR' }))
    const { host, port } = entry
    const once = () => dial({ host, port }, { nodeId, signal, logins: cluster.pace })
    return cluster.pace.run(entry, { nodeId, urgent, signal }, once)
  }

  /** Where nobody listens any more, the silent connection is dead as well; where nobody answers, both may be slow. */
  private failed(error: unknown): boolean {
    if (!(error instanceof ConnectionError)) throw error
    const { failure, snapshot } = error
    const { cluster, nodeId, drop } = this.options
    if (snapshot) cluster.observe(snapshot)
    cluster.requestUpdate()
    if (failure.kind !== 'dial-failed' || failure.code === 'ABORT_ERR') return false
    const entry = cluster.book.entryOf(nodeId)
    if (entry && failure.code !== 'WRONG_NODE') cluster.report(entry)
    if (failure.code !== 'ETIMEDOUT' && this.slow) drop()
    return failure.code === 'ETIMEDOUT'
  }

  /** What is held, or is work for the broker, keeps everything behind it waiting, and nothing before it: a connection is answered in order. */
  private excused(request: InFlightRequest): boolean {
    const since = performance.now() - longestWorkMs
    return [...this.options.requests].some(
      ({ frame, silenceMs, sentAt }) =>
        sentAt <= request.sentAt && (silenceMs === Infinity || (!repeatable.has(apiKeyOf(frame)) && sentAt > since)),
    )
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

  /** The newest answer that was asked for after the request went out does not name the node. */
  private hasLeft({ sentAt }: InFlightRequest): boolean {
    const { cluster, nodeId } = this.options
    const newest = cluster.newest()
    const sinceMs = performance.now() - sentAt
    return newest !== undefined && newest.at > steadyNow() - sinceMs && !cluster.book.names(nodeId)
  }
}
