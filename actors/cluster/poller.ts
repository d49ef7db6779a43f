/**
 * A poller: asks where the brokers are, one round at a time. A round asks the endpoints one after another, hedged, until one answers;
 * beside it the source is asked, and endpoints that it names for the first time are asked at once. What comes of it is one stream: answers,
 * also those that come after their round, rounds without any, and what the source names.
 */

import {
  BehaviorSubject,
  defer,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  type Observable,
  repeat,
  Subject,
  switchMap,
  take,
  tap,
  timer,
} from 'rxjs'
import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import { fromDial } from '../connection/dial-failure.ts'
import { type PollReason, pollChannel, type UpdateReason } from '../diagnostics/channels.ts'
import { steadyNow } from '../time/steady-clock.ts'
import type { AddressBook } from './address-book.ts'
import type { Observation } from './cluster-knowledge.ts'
import { Diagnosis } from './diagnosis.ts'
import type { EndpointPool } from './endpoint-pool.ts'
import { createHedge, type Hedge } from './hedge.ts'
import { pollOrder } from './poll-order.ts'
import type { Source, SourceReading } from './source.ts'

export interface PollerOptions {
  readonly source: Source
  readonly book: AddressBook
  readonly pool: EndpointPool
  /** Time between two rounds while all is well, ± 10 %, in milliseconds. */
  readonly pollIntervalMs: number
  readonly random: () => number
}

/** Two rounds are never closer than this; all in milliseconds. */
const minDistanceMs = 50
/** The next broker is asked after this time without a byte, or when an answer is late where that is more. */
const hedgeAfterMs = 100
const longestHedgeMs = 500
/** A round ends after this time without a byte: the next one asks the source again. */
const roundTimeoutMs = 1000
const longestRoundMs = 10_000
/** Connections that are kept open, to as many brokers: one broker alone may lag. */
const wantedConnections = 3

export class Poller {
  /** Answers, failed dials, silences, and what the source names. Polls while it is subscribed to; it is subscribed to once. */
  readonly observations$: Observable<Observation>
  private readonly options: PollerOptions
  private readonly emitted$ = new Subject<Observation>()
  private readonly wanted$ = new BehaviorSubject<UpdateReason | undefined>(undefined)
  private listed: readonly Endpoint[] = []
  private reading: Promise<readonly Endpoint[]> | undefined
  private readAt = -Infinity
  /** Whom this round has asked so far. */
  private asking: Endpoint[] = []
  private hedge: Hedge<Endpoint, unknown> | undefined
  private round = 0
  /** Why the round under way began. */
  private reason: PollReason = 'start'
  private startedAt = -Infinity
  /** Rounds in a row without an answer. */
  private unanswered = 0
  /** Rounds in a row that began with an open claim. */
  private unsettled = 0
  private readonly diagnosis = new Diagnosis()
  private readonly stopping = new AbortController()

  constructor(options: PollerOptions) {
    this.options = options
    const announced$ = options.source.changes$.pipe(tap((reading) => this.announced(reading)))
    const asked$ = options.pool.observations$.pipe(tap((observation) => this.notice(observation)))
    const work$ = merge(announced$, this.rounds()).pipe(ignoreElements())
    this.observations$ = merge(this.emitted$, asked$, work$).pipe(finalize(() => this.stopping.abort()))
  }

  /**
   * Requests a round whose requests go out after now; many requests are one round. A round that still waits asks the source again: it may
   * have begun just before all brokers moved, and know only endpoints where nobody is.
   */
  requestUpdate(reason: UpdateReason): void {
    this.wanted$.next(this.wanted$.value ?? reason)
    const { hedge } = this
    if (!hedge || this.reading || performance.now() - this.readAt < minDistanceMs) return
    void this.readSource().then((fresh) => this.askAtOnce(fresh, hedge))
  }

  /** A broker of our cluster answered, whoever asked. */
  answered(): void {
    this.unanswered = 0
    this.diagnosis.clear()
  }

  /** Whom to ask, in order. */
  order(): Endpoint[] {
    const { book, pool } = this.options
    return pollOrder(book, pool, this.listed, this.round)
  }

  private notice(observation: Observation): void {
    if (observation.type === 'connection-lost') this.requestUpdate('connection-ended')
    if (observation.type !== 'dial-failed') return
    this.diagnosis.note(observation.endpoint, observation.failure)
    if (observation.times === 1) this.requestUpdate('dial-failed')
  }

  private announced(reading: SourceReading): void {
    this.askEach(this.learn(reading))
    this.requestUpdate('source-changed')
  }

  /** The first one begins when whoever made the poller has had time to subscribe to its facts. */
  private rounds(): Observable<void> {
    const rounds$ = defer(() => this.poll()).pipe(repeat({ delay: () => this.untilNextRound() }))
    return timer(0).pipe(switchMap(() => rounds$))
  }

  private untilNextRound(): Observable<unknown> {
    const { pollIntervalMs, random, book } = this.options
    this.unsettled = book.claims.length > 0 ? this.unsettled + 1 : 0
    const calmMs = pollIntervalMs * (0.9 + 0.2 * random())
    // While a reported move waits for its witness the next round is soon; less and less often when none comes.
    const openMs = this.unsettled > 0 ? Math.min(calmMs, 50 * 2 ** Math.min(this.unsettled, 10)) : calmMs
    const pauseMs = this.unanswered > 0 ? 100 + 150 * random() : openMs
    const silent = this.unanswered > 0 ? 'unanswered' : undefined
    const due = silent ?? (openMs < calmMs ? 'unsettled' : 'interval')
    const requested$ = this.wanted$.pipe(
      filter((reason) => reason !== undefined),
      switchMap((reason) => timer(this.distanceMs()).pipe(map(() => reason))),
    )
    return merge(timer(Math.max(pauseMs, this.distanceMs())).pipe(map(() => due)), requested$).pipe(
      take(1),
      tap((reason: PollReason) => {
        this.reason = reason
      }),
    )
  }

  private distanceMs(): number {
    return Math.max(0, minDistanceMs - (performance.now() - this.startedAt))
  }

  private async poll(): Promise<void> {
    const { pool, book } = this.options
    const { signal } = this.stopping
    const startedAt = performance.now()
    this.startedAt = startedAt
    this.wanted$.next(undefined)
    this.round++
    const wanted = [...book.entries(), ...book.claims.map(({ to }) => to), ...this.listed]
    pool.keep(wanted)
    this.diagnosis.keep(wanted)
    const hedge = createHedge((endpoint: Endpoint) => this.ask(endpoint), {
      afterMs: Math.max(hedgeAfterMs, Math.min(longestHedgeMs, pool.lateMs)),
      deadlineMs: roundTimeoutMs,
      heardAt: () => pool.heardAt(this.asking),
      atMostMs: longestRoundMs,
      signal,
    })
    this.hedge = hedge
    this.asking = []
    const asked = this.order()
    hedge.add(asked)
    if (asked.length > 0) hedge.close()
    void this.readSource().then((fresh) => {
      if (signal.aborted) return
      if (asked.length > 0) this.askAtOnce(fresh, hedge)
      else hedge.add(this.order())
      hedge.close()
    })
    try {
      await hedge.answer
      this.answered()
      this.report(startedAt)
      this.openMore()
    } catch {
      if (signal.aborted) return
      this.unanswered++
      const failure = this.diagnosis.reason(this.asking, (endpoint) => pool.silenceOf(endpoint))
      this.report(startedAt, failure)
      this.emitted$.next({ type: 'unanswered', failure, since: startedAt })
    } finally {
      this.hedge = undefined
    }
  }

  private report(startedAt: number, failure?: Failure): void {
    if (!pollChannel.hasSubscribers) return
    const { reason, asking } = this
    const tookMs = performance.now() - startedAt
    const { clusterId } = this.options.book
    pollChannel.publish({ clusterId, reason, asked: asking.map(formatEndpoint), tookMs, failure })
  }

  private askAtOnce(fresh: readonly Endpoint[], hedge: Hedge<Endpoint, unknown>): void {
    if (this.stopping.signal.aborted) return
    hedge.addAtOnce(fresh.filter((endpoint) => !this.options.pool.at(endpoint).isOpen))
  }

  private ask(endpoint: Endpoint): Promise<unknown> {
    this.asking.push(endpoint)
    return this.options.pool
      .at(endpoint)
      .ask()
      .catch((error) => {
        const failure = fromDial(error, endpoint)
        if (failure.code !== 'TOO_SOON') this.diagnosis.note(endpoint, failure)
        throw error
      })
  }

  /** Opens connections to more brokers, without waiting for them. */
  private openMore(): void {
    const { book, pool } = this.options
    const present = book.entries().filter((entry) => entry.present)
    const open = present.filter((entry) => pool.at(entry).isOpen).length
    const closed = present.filter((entry) => !pool.at(entry).isOpen && pool.isDue(entry))
    this.askEach(closed.slice(0, Math.max(0, wantedConnections - open)))
  }

  /** Asks the source, unless it is being asked. Resolves with the endpoints it names for the first time. */
  private readSource(): Promise<readonly Endpoint[]> {
    if (this.reading) return this.reading
    this.readAt = performance.now()
    this.reading = this.options.source.current(this.stopping.signal).then((reading) => {
      this.reading = undefined
      return this.learn(reading)
    })
    return this.reading
  }

  private learn(reading: SourceReading): readonly Endpoint[] {
    const before = new Set(this.listed.map(formatEndpoint))
    const fresh = reading.endpoints.filter((endpoint) => !before.has(formatEndpoint(endpoint)))
    this.listed = reading.endpoints
    if (this.stopping.signal.aborted) return []
    for (const endpoint of fresh) this.options.pool.renew(endpoint)
    this.emitted$.next({ type: 'listed', reading, at: steadyNow() })
    return fresh
  }

  private askEach(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints)
      this.options.pool
        .at(endpoint)
        .ask()
        .catch(() => {})
  }
}
