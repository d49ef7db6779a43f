/**
 * A link: what relisten holds to one *node*. It outlives the connections under it.
 *
 * When its connection ends, or the address book names another endpoint, it dials the node where it is now and sends the
 * requests that wait for an answer again. Where the old connection still lives, the new one is ready first (soft).
 * Requests fail only by rule: the newest snapshot taken after the break no longer names the node, or `holdMs` is over.
 *
 * A node that falls silent is asked again over a second connection, the standby. Where that one answers what the first did not, the
 * first is dead and the standby takes over; where neither answers, the node is slow, and both wait.
 */

import { type Endpoint, formatEndpoint, sameEndpoint } from '../../machines/endpoint.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, type Line } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { bounds, isAbsence, isRefusal, Streak } from '../connection/retry-pace.ts'
import { apiKeyOf, apiVersionOf } from '../protocol/frames.ts'
import { requestName } from '../protocol/versions.ts'
import { steadyNow } from '../time/steady-clock.ts'
import { Doubt, type Outstanding } from './doubt.ts'

export interface LinkOptions {
  readonly nodeId: number
  readonly cluster: Cluster
  readonly dial: Dial
  /** How long requests wait for a node that cannot be reached, in milliseconds. */
  readonly holdMs: number
  /** How long the node may be silent beyond the silence of the request, in milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined
  /** It is wanted all the time: its dials go before those of other links, and do not wait for a request. Default false. */
  readonly urgent?: boolean
  /** A new connection carries the link: how long the node was out of reach (0 when soft), in milliseconds. */
  readonly onRedial?: (redial: { nodeId: number; endpoint: string; tookMs: number; soft: boolean }) => void
  /** It is connected to where the book says the node is, for the first time or again. */
  readonly onCurrent?: () => void
  /** Everything it was sent is answered. */
  readonly onIdle?: () => void
}

/** The silence of a request that the broker may hold for as long as it likes: it says nothing about the connection. */
export const held = Number.POSITIVE_INFINITY

/** An instant on the clock that snapshots carry, and as a time to measure durations from. */
interface Instant {
  readonly at: number
  readonly since: number
}

const instant = (): Instant => ({ at: steadyNow(), since: performance.now() })

/** While nothing may be dialled, a link looks so often whether its requests have to fail. */
const lookMs = 250
/** A request is sent over so many connections that end without a word; then it is to blame, or whatever cuts them. */
const mostEnds = 5
/** A login is renewed at most so often, whatever the broker says. */
const shortestLoginMs = 1000
/** The longest time a timer of Node can run; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1

export class Link {
  readonly nodeId: number
  private readonly options: LinkOptions
  private readonly outstanding = new Set<Outstanding>()
  private readonly stop = new AbortController()
  private readonly unsubscribe: () => void
  private connection: Line | undefined
  private dialling = false
  private attempt = new AbortController()
  private wake: () => void = () => {}
  private onAnswered: () => void = () => {}
  private readonly doubt: Doubt
  private relogin: NodeJS.Timeout | undefined
  private brokeAt: Instant | undefined
  private adopted = 0
  private adoptedAt = 0
  /** Connections in a row that ended without an answer to anything. */
  private readonly ends = new Streak()
  /** Connections that have answered something. */
  private readonly proven = new WeakSet<Line>()
  /** Its login is about to expire. */
  private expiring: Line | undefined

  constructor(options: LinkOptions) {
    this.nodeId = options.nodeId
    this.options = options
    this.doubt = new Doubt({
      ...options,
      outstanding: this.outstanding,
      connection: () => this.connection,
      send: (request, line) => this.sendOver(request, Buffer.from(request.frame), line),
      takeOver: (line) => {
        this.adopt(line)
        this.report(true, instant())
      },
      drop: () => this.drop(),
    })
    this.unsubscribe = options.cluster.book.onChange(({ moved, joined, left }) => {
      if (![...moved, ...joined, ...left].includes(this.nodeId)) return
      // What is dialled now is no longer where the node is, and may be silent for long.
      if (moved.includes(this.nodeId)) {
        this.attempt.abort()
        this.ends.succeeded()
        this.doubt.forget()
      }
      this.wake()
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

  /** Whether it was used: an unused link has no connection and needs none. */
  get used(): boolean {
    return this.connection !== undefined || this.dialling
  }

  /** Whether a request waits that the broker may hold. It reads no other one on that connection until it has answered. */
  get holding(): boolean {
    for (const { silenceMs } of this.outstanding) if (silenceMs === held) return true
    return false
  }

  /** Whether nothing waits for an answer. */
  get idle(): boolean {
    return this.outstanding.size === 0
  }

  /** Whether a request waits for longer than its node should be silent, and still may. */
  get slow(): boolean {
    return this.doubt.slow
  }

  /**
   * Sends a request frame; the answer may come over a later connection. After `silenceMs` without a byte from the node while the request
   * waits the connection is doubted, later where the node is far; with `held` never. Rejects by the rule above. With `signal` aborted
   * nobody waits for it any more, and it is not sent again: what it says may be out of date by then.
   */
  send(frame: Buffer, silenceMs: number, signal?: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.stop.signal.aborted) return reject(this.gone('the link is closed', 'CLOSED'))
      if (signal?.aborted) return reject(this.gone('the request is no longer wanted', 'ABORT_ERR'))
      const request: Outstanding = {
        ...{ frame, silenceMs, resolve, reject, sentAt: performance.now() },
        ...{ standby: undefined, askedTwiceAt: 0, ends: 0 },
      }
      this.outstanding.add(request)
      const giveUp = () => {
        const { slow } = this
        if (!this.outstanding.delete(request)) return
        // The broker would go on holding it, and whatever comes behind it. Or nobody is left who would find out that the connection is dead.
        if (silenceMs === held || (slow && this.idle)) this.drop()
        else if (this.idle) this.onAnswered()
      }
      signal?.addEventListener('abort', giveUp)
      if (this.connection?.open) this.transmit(request, this.connection)
      else void this.redial()
    })
  }

  /** Leaves the connection as if it had ended. */
  drop(): void {
    this.doubt.forget()
    this.connection?.close()
  }

  /** Ends the link; what waits is rejected. */
  close(): void {
    this.unsubscribe()
    this.stop.abort()
    this.attempt.abort()
    this.doubt.close()
    clearTimeout(this.relogin)
    this.connection?.close()
    this.failAll('the link is closed', 'CLOSED')
    this.wake()
  }

  private transmit(request: Outstanding, connection: Line): void {
    request.sentAt = performance.now()
    this.doubt.listen()
    this.sendOver(request, request.frame, connection)
  }

  private sendOver(request: Outstanding, frame: Buffer, line: Line): void {
    line.send(frame).then(
      (answer) => {
        this.proven.add(line)
        this.ends.succeeded()
        if (!this.outstanding.delete(request)) return
        this.doubt.answered(request, line)
        if (this.outstanding.size === 0) {
          this.onAnswered()
          this.options.onIdle?.()
        }
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
        if (!this.connection?.open && this.mustFail(startedAt, beganAt, tried)) return
        const waitMs = this.waitMs()
        if (waitMs > 0) await this.pause(Math.min(waitMs, lookMs))
        else tried = (await this.tryDial()) || tried
      }
      if (this.settled) {
        this.report(soft, startedAt)
        this.options.onCurrent?.()
      }
    } finally {
      this.dialling = false
      // A connection that ended, or a book that changed, between the last look and here starts the next round.
      if (this.outstanding.size > 0 && !this.connection?.open) queueMicrotask(() => void this.redial())
    }
  }

  /** Whether there is nothing to dial for. */
  private get settled(): boolean {
    return this.current && this.connection !== this.expiring
  }

  private waitMs(): number {
    const { cluster } = this.options
    const endpoint = cluster.book.entryOf(this.nodeId)
    if (endpoint) return Math.max(cluster.pace.waitMs(endpoint, this.nodeId), this.ends.waitMs)
    cluster.poke('a node has no endpoint')
    return lookMs
  }

  private report(soft: boolean, startedAt: Instant): void {
    const connection = this.connection
    if (!connection) return
    const tookMs = soft && this.brokeAt === undefined ? 0 : Math.round(performance.now() - startedAt.since)
    this.brokeAt = undefined
    if (this.adopted > 1)
      this.options.onRedial?.({ nodeId: this.nodeId, endpoint: formatEndpoint(connection.endpoint), tookMs, soft })
  }

  /** One dial of the endpoint in force. Says whether it failed. */
  private async tryDial(): Promise<boolean> {
    const { cluster, dial, urgent = false } = this.options
    const endpoint: Endpoint | undefined = cluster.book.entryOf(this.nodeId)
    if (!endpoint) return false
    const { host, port } = endpoint
    const { nodeId } = this
    const attempt = new AbortController()
    this.attempt = attempt
    const { signal } = attempt
    const ready = () => cluster.take({ host, port })
    try {
      const connection = await cluster.pace.run(endpoint, { nodeId, urgent, signal }, () =>
        dial({ host, port }, { nodeId, signal, logins: cluster.pace, ...(urgent && { ready }) }),
      )
      cluster.observe(connection.snapshot)
      const old = this.connection
      if (old && old === this.expiring && this.current) await this.answered(old, signal)
      if (this.stop.signal.aborted || signal.aborted) {
        connection.close()
        return false
      }
      cluster.heal(nodeId, endpoint)
      this.adopt(connection)
      return false
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      const { failure, snapshot } = error
      if (failure.code === 'ABORT_ERR') return false
      if (failure.code === 'TOO_SOON') {
        await this.pause(lookMs)
        return false
      }
      if (snapshot) cluster.observe(snapshot)
      if (isRefusal(failure.kind)) cluster.refuse(nodeId, endpoint, failure)
      if (isAbsence(failure)) cluster.report(endpoint)
      cluster.poke('a dial failed')
      return true
    }
  }

  /** Until all that waits on a connection whose login expires is answered: it will be, only a new request would not. */
  private answered(connection: Line, signal: AbortSignal): Promise<void> {
    if (this.outstanding.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.onAnswered = resolve
      connection.onClose(resolve)
      signal.addEventListener('abort', () => resolve())
    })
  }

  private adopt(connection: Line): void {
    const old = this.connection
    this.connection = connection
    this.adopted++
    this.adoptedAt = performance.now()
    connection.onClose(() => {
      if (this.connection !== connection || this.stop.signal.aborted) return
      this.options.cluster.poke('a connection ended')
      if (!this.proven.has(connection)) this.hungUp()
      if (this.doubt.relieve()) return
      if (!this.options.urgent && this.outstanding.size === 0) {
        // Nobody waits for it: dialled now it would only take time from those that are waited for.
        this.connection = undefined
        return
      }
      this.brokeAt ??= instant()
      void this.redial()
    })
    for (const request of [...this.outstanding]) {
      if (request.standby !== connection) this.transmit(request, connection)
      else request.sentAt = performance.now()
    }
    old?.close()
    this.doubt.listen()
    if (connection.loginValidMs > 0)
      this.renewLogin(connection, Math.max(shortestLoginMs, connection.loginValidMs * 0.8))
  }

  /** A connection ended without an answer to anything: dialled again at once, that would go on for as long as the broker does it. */
  private hungUp(): void {
    this.ends.failed(bounds.dial)
    for (const request of [...this.outstanding]) {
      if (++request.ends < mostEnds) continue
      this.outstanding.delete(request)
      const what = requestName(apiKeyOf(request.frame), apiVersionOf(request.frame))
      const why = `it ended ${mostEnds} connections without an answer to ${what}. Either it does not know this request, see the Kafka versions in the README, or something on the way to it cuts connections.`
      request.reject(this.gone(why, 'HUNG_UP'))
    }
  }

  /** A login that is about to expire is a soft move to the same endpoint. */
  private renewLogin(connection: Line, inMs: number): void {
    clearTimeout(this.relogin)
    const waitMs = Math.min(inMs, longestTimerMs)
    this.relogin = setTimeout(() => {
      if (waitMs < inMs) return this.renewLogin(connection, inMs - waitMs)
      this.expiring = connection
      void this.redial()
    }, waitMs)
    this.relogin.unref()
  }

  /** By rule: it left, or it was out of reach for too long, and a dial for the requests that wait now has failed or takes too long. */
  private mustFail(startedAt: Instant, beganAt: number, tried: boolean): boolean {
    const { cluster, holdMs } = this.options
    const newest = cluster.newest()
    const now = performance.now()
    const left = newest !== undefined && newest.at > startedAt.at && !cluster.book.names(this.nodeId)
    const endpoint = cluster.book.entryOf(this.nodeId)
    if (left && tried && !(endpoint && cluster.pace.isRefused(endpoint)))
      this.failAll('the node left the cluster', 'NODE_LEFT')
    else if (now - startedAt.since > holdMs && (tried || now - beganAt > holdMs))
      this.failAll(`the node was out of reach for ${holdMs} ms`, 'ETIMEDOUT')
    else return false
    return true
  }

  private failAll(reason: string, code: string): void {
    const error = this.gone(reason, code)
    for (const { reject } of this.outstanding) reject(error)
    this.outstanding.clear()
  }

  private gone(reason: string, code: string): ConnectionError {
    const message = `Node ${this.nodeId}: ${reason}`
    return new ConnectionError({ kind: 'dial-failed', message, code, nodeId: this.nodeId })
  }

  /** Waits; a change of the book ends it at once. */
  private pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
