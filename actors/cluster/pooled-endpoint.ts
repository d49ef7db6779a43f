/** A pooled endpoint: one endpoint that can be asked where the brokers are, with the connection that is kept to it. */

import type { Subject } from 'rxjs'
import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import { ConnectionError, type HeldConnection } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { fromDial } from '../connection/dial-failure.ts'
import type { DialPace } from '../connection/dial-pace.ts'
import { type DialStep, silentIn } from '../connection/dial-step.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { onSilence } from '../connection/silence.ts'
import type { SpokenVersions } from '../protocol/versions.ts'
import { deadline } from '../time/deadline.ts'
import { steadyNow } from '../time/steady-clock.ts'
import type { Observation } from './cluster-knowledge.ts'

/** What all endpoints of a pool share. */
export interface PoolContext {
  readonly dial: Dial
  readonly pace: DialPace
  /** Why an answer can't be used; undefined when it can. A connection to a foreign cluster is closed and dialled again slowly. */
  readonly flawIn: (snapshot: Snapshot) => Failure | undefined
  readonly observed$: Subject<Observation>
  readonly closing: AbortSignal
  /** Dials that are under way in the pool. */
  dials: number
}

/** A kept connection that doesn't answer for this long, in milliseconds, is dropped; where a late answer takes longer, after one and a half times that. */
const answerTimeoutMs = 500

/** After this silence, in milliseconds, a second connection is opened beside the first; not before an answer would be late. */
const doubtAfterMs = 150

/** A connection can be taken over this long after its dial, in milliseconds: later it would have to prove again that it lives. */
const freshMs = 1000

/** An answer ends by then, in milliseconds, however many bytes keep coming. */
const longestAnswerMs = 30_000

/** Dials of the whole pool at a time. */
const maxDials = 8

export class PooledEndpoint {
  readonly endpoint: Endpoint
  connection: HeldConnection | undefined
  dialling: Promise<HeldConnection> | undefined
  /** Kept connections in a row that ended as soon as they were made. */
  readonly ends = new Streak()
  /** The versions it named when it was last dialled. */
  versions: SpokenVersions | undefined
  private readonly context: PoolContext
  /** When its dial last made progress, on the clock of `performance.now()`. */
  private dialHeardAt = 0
  /** What that dial is at; undefined where it has not said so. */
  private dialStep: DialStep | undefined
  /** Somebody takes over the connection that is being dialled. */
  private isPromised = false
  /** What was wrong with the answer that came with the dial. */
  private flaw: Failure | undefined

  constructor(endpoint: Endpoint, context: PoolContext) {
    this.endpoint = endpoint
    this.context = context
  }

  get isOpen(): boolean {
    return this.connection?.open === true
  }

  /** Whether asking it now leads anywhere: it is connected, being dialled, or may be dialled. */
  get isDue(): boolean {
    return this.isOpen || this.dialling !== undefined || this.isFree
  }

  /** When a byte last came from it, on the clock of `performance.now()`; 0: never. */
  get heardAt(): number {
    return Math.max(this.dialHeardAt, this.connection?.lastDataAt ?? 0)
  }

  /** What its dial would fail with if nothing came any more; undefined while none is under way. */
  get silence(): Failure | undefined {
    if (!this.dialling || !this.dialStep) return undefined
    const silentMs = Math.round(performance.now() - this.dialHeardAt)
    return { ...silentIn(this.dialStep, silentMs), endpoint: formatEndpoint(this.endpoint) }
  }

  /** Asks where the brokers are. The answer has been observed before this resolves. */
  async ask(): Promise<Snapshot> {
    const { connection } = this
    if (connection?.open) return this.askOver(connection)
    const { snapshot } = await this.connect()
    if (this.flaw) throw new ConnectionError(this.flaw, snapshot)
    return snapshot
  }

  /** The kept connection, or a new one. Rejects at once while it has to wait for its next dial, or too many dials are under way. */
  async connect(): Promise<HeldConnection> {
    if (this.connection?.open) return this.connection
    if (this.dialling) return this.dialling
    if (!this.mayDial) throw notNow(this.endpoint)
    return this.redial()
  }

  /**
   * Hands over the connection that is being dialled, or was a moment ago; undefined when there is none. It is proven and logged in, so a second
   * dial would only take longer, and belongs to whoever takes it. Rejects with the dial's failure.
   */
  async take(): Promise<HeldConnection | undefined> {
    if (this.isPromised) return undefined
    this.isPromised = true
    try {
      await this.dialling
    } finally {
      this.isPromised = false
    }
    const { connection } = this
    if (!connection?.open || Math.abs(steadyNow() - connection.snapshot.at) > freshMs) return undefined
    this.connection = undefined
    return connection
  }

  /** Closes the connection if it is the kept one. */
  drop(connection: HeldConnection): void {
    if (this.connection !== connection) return
    this.connection = undefined
    connection.close()
  }

  private get isFree(): boolean {
    return this.ends.waitMs === 0 && this.context.pace.isFree(this.endpoint)
  }

  private get mayDial(): boolean {
    return !this.dialling && this.isFree && this.context.dials < maxDials && !this.context.closing.aborted
  }

  /** Asks over the kept connection; when that is slow, a fresh dial runs beside it, and the first answer counts. */
  private askOver(connection: HeldConnection): Promise<Snapshot> {
    const { endpoint, context } = this
    return new Promise((resolve, reject) => {
      const dialled = () => this.dialling?.then(({ snapshot }) => resolve(snapshot), reject)
      const askedAt = performance.now()
      const heardAt = () => Math.max(askedAt, connection.lastDataAt)
      const { lateMs } = connection.roundTrip
      const doubted = onSilence({ forMs: Math.max(doubtAfterMs, lateMs), heardAt }, () => {
        if (!this.mayDial) return
        this.redial().then(
          ({ snapshot }) => resolve(snapshot),
          () => {},
        )
      })
      const silence = { forMs: Math.max(answerTimeoutMs, 1.5 * lateMs), heardAt, atMostMs: longestAnswerMs }
      const late = () => {
        throw failed(endpoint, 'ETIMEDOUT', `did not answer within ${Math.round(silence.forMs)} ms`)
      }
      deadline(connection.metadata(), (end) => onSilence(silence, end), late)
        .finally(doubted)
        .then(
          (snapshot) => {
            const flaw = this.hear(snapshot)
            if (flaw?.kind === 'foreign-cluster') {
              this.drop(connection)
              context.pace.failed(endpoint, new ConnectionError(flaw))
            }
            if (flaw) reject(new ConnectionError(flaw, snapshot))
            else resolve(snapshot)
          },
          (error) => {
            this.drop(connection)
            if (fromDial(error, endpoint).code === 'ETIMEDOUT')
              context.observed$.next({ type: 'died', endpoint, at: steadyNow() })
            if (!dialled()) reject(error)
          },
        )
    })
  }

  private redial(): Promise<HeldConnection> {
    this.dialStep = undefined
    this.dialling = this.dial()
    return this.dialling
  }

  private async dial(): Promise<HeldConnection> {
    const { endpoint, context } = this
    const { pace, closing } = context
    context.dials++
    try {
      const connection = await pace.run(endpoint, { urgent: true, signal: closing }, () => this.open())
      this.versions = connection.versions
      const slow = this.connection
      this.keep(connection)
      slow?.close()
      return connection
    } catch (error) {
      if (!closing.aborted) this.dialFailed(error)
      throw error
    } finally {
      context.dials--
      this.dialling = undefined
    }
  }

  private keep(connection: HeldConnection): void {
    const openedAt = performance.now()
    this.connection = connection
    connection.onClose(() => {
      if (this.connection !== connection) return
      this.connection = undefined
      if (performance.now() - openedAt < freshMs) this.ends.failed(bounds.dial)
      else this.ends.succeeded()
      if (!this.context.closing.aborted) this.context.observed$.next({ type: 'connection-lost' })
    })
  }

  private async open(): Promise<HeldConnection> {
    const { dial, pace, closing } = this.context
    const onHeard = (step: DialStep) => {
      this.dialHeardAt = performance.now()
      this.dialStep = step
    }
    const connection = await dial(this.endpoint, { reason: 'poll', signal: closing, logins: pace, onHeard })
    if (!closing.aborted) this.flaw = this.hear(connection.snapshot)
    const isForeign = this.flaw?.kind === 'foreign-cluster'
    if (!closing.aborted && !isForeign) return connection
    connection.close()
    throw this.flaw && isForeign ? new ConnectionError(this.flaw) : notNow(this.endpoint)
  }

  private dialFailed(error: unknown): void {
    const { endpoint, context } = this
    const failure = fromDial(error, endpoint)
    if (failure.code === 'TOO_SOON') return
    // What it said about its cluster before the dial turned it down.
    if (error instanceof ConnectionError && error.snapshot) this.hear(error.snapshot)
    const times = context.pace.failuresAt(endpoint)
    context.observed$.next({ type: 'dial-failed', endpoint, failure, times, at: steadyNow() })
  }

  private hear(snapshot: Snapshot): Failure | undefined {
    this.context.observed$.next({ type: 'answered', snapshot })
    return this.context.flawIn(snapshot)
  }
}

const notNow = (at: Endpoint): ConnectionError => failed(at, 'TOO_SOON', 'is not dialled now: it was a moment ago')

function failed(at: Endpoint, code: string, why: string): ConnectionError {
  const endpoint = formatEndpoint(at)
  return new ConnectionError({ kind: 'dial-failed', message: `${endpoint} ${why}`, code, endpoint })
}
