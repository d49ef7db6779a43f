/** In-flight requests: what one node was sent over a link and has not answered yet, the oldest first. */

import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, type HeldConnection } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { apiKeyOf, apiVersionOf } from '../protocol/frames.ts'
import { requestName } from '../protocol/versions.ts'
import { steadyNow } from '../time/steady-clock.ts'

export interface InFlightRequest {
  readonly frame: Buffer
  /** How long the node may be silent while it waits, in milliseconds; infinite where the broker may hold it. */
  readonly silenceMs: number
  readonly resolve: (answer: Buffer) => void
  readonly reject: (error: ConnectionError) => void
  sentAt: number
  /** The standby connection it went out on as well. */
  standby: HeldConnection | undefined
  /** When it did. */
  askedTwiceAt: number
  /** Connections that ended without an answer to anything while it waited. */
  ends: number
  /** Somebody waits for the answer. */
  isWanted: boolean
  readonly delivery: Delivery
  /** The connection it went out on last. */
  over: HeldConnection | undefined
  /** When it is overdue. */
  due: NodeJS.Timeout | undefined
}

/**
 * How often a request may go out: `again` on each connection until it is answered; `once`, as the broker may have done already what it asks for;
 * `unanswered` once as well, and it is over when it has gone out.
 */
export type Delivery = 'again' | 'once' | 'unanswered'

export interface SendOptions {
  /** Nobody waits for the answer any more, and the request is not sent again. */
  readonly signal?: AbortSignal | undefined
  /** The same, but it still shows whether the connection lives that it was sent over. */
  readonly unwanted?: AbortSignal | undefined
  /**
   * The request is overdue after this time, in milliseconds: it is rejected, with the code `ANSWER_LOST` if it has gone out, and a connection that
   * has brought nothing since is taken for dead.
   */
  readonly withinMs?: number
  /** Default: `again`. One that may go out once is rejected with the code `ANSWER_LOST` when its connection ends before the answer. */
  readonly delivery?: Delivery
}

/** The `silenceMs` of a request that the broker may hold for as long as it likes: its silence says nothing about the connection. */
export const held = Number.POSITIVE_INFINITY

/** An instant on the clock that snapshots carry, and as a time to measure durations from. */
export interface Instant {
  readonly at: number
  readonly since: number
}

export const instant = (): Instant => ({ at: steadyNow(), since: performance.now() })

/** A request goes out over at most this many connections that end without an answer: it may be what ends them. */
const mostEnds = 5

/** How long a connection is kept for such answers, in milliseconds: where it has fallen silent, they do not come. */
const retiredMs = 500

interface LinkOfRequests {
  readonly nodeId: number
  readonly cluster: Cluster
  /** How long they wait for a node that is out of reach, in milliseconds. */
  readonly holdMs: number
}

export class InFlightRequests extends Set<InFlightRequest> {
  private readonly link: LinkOfRequests
  /** Connections in a row that ended without an answer to anything. The next dial waits for it. */
  readonly ends = new Streak()
  /** Connections that have answered something. */
  private readonly proven = new WeakSet<HeldConnection>()
  private onEmpty: () => void = () => {}
  /** Connections that are kept for the answers to requests that may go out once. */
  private readonly retired = new Set<HeldConnection>()

  constructor(link: LinkOfRequests) {
    super()
    this.link = link
  }

  /** Whether the broker may hold one of them. It reads no other on that connection until it has answered it. */
  get holding(): boolean {
    for (const { silenceMs } of this) if (silenceMs === Infinity) return true
    return false
  }

  /** The oldest of those the broker may not hold. */
  get oldest(): InFlightRequest | undefined {
    for (const request of this) if (request.silenceMs !== Infinity) return request
    return undefined
  }

  /** The request waits from now on. */
  open({
    frame,
    silenceMs,
    resolve,
    reject,
    delivery,
  }: Pick<InFlightRequest, 'frame' | 'silenceMs' | 'resolve' | 'reject' | 'delivery'>): InFlightRequest {
    const opened: InFlightRequest = {
      frame,
      silenceMs,
      resolve,
      reject,
      delivery,
      sentAt: performance.now(),
      standby: undefined,
      askedTwiceAt: 0,
      ends: 0,
      isWanted: true,
      over: undefined,
      due: undefined,
    }
    this.add(opened)
    return opened
  }

  /** It is rejected after so many milliseconds, and where it has gone out `lost` is called. */
  limit(request: InFlightRequest, withinMs: number, lost: () => void): void {
    request.due = setTimeout(() => {
      this.delete(request)
      if (request.over) lost()
      request.reject(this.failure('no answer came in time', request.over ? 'ANSWER_LOST' : 'ETIMEDOUT'))
    }, withinMs)
  }

  /** Sends one that is not answered. It is no longer in flight then, so its silence says nothing. */
  post(request: InFlightRequest, connection: HeldConnection): void {
    this.delete(request)
    connection.post(request.frame).then(() => request.resolve(request.frame), request.reject)
  }

  override delete(request: InFlightRequest): boolean {
    const wasThere = super.delete(request)
    clearTimeout(request.due)
    if (wasThere && this.size === 0) this.onEmpty()
    for (const connection of this.retired) if (!this.awaits(connection)) connection.close()
    return wasThere
  }

  /** Resolves when all of them are answered or given up, or with the end of the connection or the signal. */
  emptied(connection: HeldConnection, signal: AbortSignal): Promise<void> {
    if (this.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.onEmpty = resolve
      connection.onClose(resolve)
      signal.addEventListener('abort', () => resolve())
    })
  }

  /** Something was answered over this connection. */
  answeredOver(connection: HeldConnection): void {
    this.proven.add(connection)
    this.ends.succeeded()
  }

  /** Nobody waits for it any more. Where it was sent over a connection, it goes with that. */
  forget(request: InFlightRequest, connection: HeldConnection | undefined): void {
    if (connection?.open) request.isWanted = false
    else this.delete(request)
  }

  /** Those that are to be sent over another connection; those nobody waits for are forgotten. */
  wanted(): InFlightRequest[] {
    for (const request of [...this]) if (!request.isWanted) this.delete(request)
    return [...this].filter(({ delivery, over }) => delivery === 'again' || !over)
  }

  /** Another connection takes over from this one, which still lives: it stays for the answers that can't be asked for twice, at most for a moment. */
  retire(connection: HeldConnection): void {
    if (!connection.open || !this.awaits(connection)) {
      connection.close()
      return
    }
    this.retired.add(connection)
    const late = setTimeout(() => connection.close(), retiredMs)
    connection.onClose(() => {
      clearTimeout(late)
      this.retired.delete(connection)
      this.lose(connection)
    })
  }

  private awaits(connection: HeldConnection): boolean {
    for (const { delivery, over } of this) if (delivery === 'once' && over === connection) return true
    return false
  }

  /** Rejects those that went out over this connection and may have been carried out. */
  private lose(connection: HeldConnection): void {
    for (const request of [...this]) {
      if (request.delivery !== 'once' || request.over !== connection) continue
      this.delete(request)
      request.reject(this.failure('the connection ended before the answer came', 'ANSWER_LOST'))
    }
  }

  /** The connection has ended. If it never answered anything, the next dial waits, and requests that have seen this too often are rejected. */
  endedWith(connection: HeldConnection): void {
    this.lose(connection)
    const wanted = this.wanted()
    if (this.proven.has(connection)) return
    this.ends.failed(bounds.dial)
    for (const request of wanted) {
      if (++request.ends < mostEnds) continue
      this.delete(request)
      const what = requestName(apiKeyOf(request.frame), apiVersionOf(request.frame))
      const why = `it ended ${mostEnds} connections without an answer to ${what}. Either it does not know this request, see the Kafka versions in the README, or something on the way to it cuts connections.`
      request.reject(this.failure(why, 'HUNG_UP'))
    }
  }

  /** Rejects all, and says so, if the node left the cluster or was out of reach for `holdMs`, and a dial for them failed or takes too long. */
  rejectOverdue(outOfReach: Instant, dialledSince: number, hasDialFailed: boolean): boolean {
    const { cluster, nodeId, holdMs } = this.link
    const now = performance.now()
    const endpoint = cluster.book.entryOf(nodeId)
    if (this.hasLeft(outOfReach.at) && hasDialFailed && !(endpoint && cluster.pace.isRefused(endpoint)))
      this.giveUp('the node left the cluster', 'NODE_LEFT')
    else if (now - outOfReach.since > holdMs && (hasDialFailed || now - dialledSince > holdMs))
      this.giveUp(`the node was out of reach for ${holdMs} ms`, 'ETIMEDOUT')
    else return false
    return true
  }

  private giveUp(reason: string, code: string): void {
    // These went out, whatever became of the connections after theirs.
    for (const connection of [...this.retired]) this.lose(connection)
    this.rejectAll(reason, code)
  }

  /** Whether the newest answer that was asked for after this instant does not name the node. */
  hasLeft(since: number): boolean {
    const { cluster, nodeId } = this.link
    const newest = cluster.newest()
    return newest !== undefined && newest.at > since && !cluster.book.names(nodeId)
  }

  rejectAll(reason: string, code: string): void {
    const error = this.failure(reason, code)
    for (const { reject, due } of this) {
      clearTimeout(due)
      reject(error)
    }
    this.clear()
    for (const connection of this.retired) connection.close()
  }

  failure(reason: string, code: string): ConnectionError {
    const { nodeId } = this.link
    return new ConnectionError({ kind: 'dial-failed', message: `Node ${nodeId}: ${reason}`, code, nodeId })
  }
}
