/**
 * A poller: asks where the brokers are, one round at a time. A round asks the candidates one after another, hedged, until one answers;
 * beside it the source is asked, and what it names anew is asked at once. Answers are judged elsewhere, also those that come after their round.
 */

import {
  BehaviorSubject,
  defer,
  filter,
  merge,
  type Observable,
  repeat,
  type Subscription,
  switchMap,
  take,
  timer,
} from 'rxjs'
import type { Endpoint } from '../../machines/endpoint.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import { fromDial } from '../connection/dial-failure.ts'
import type { AddressBook } from './address-book.ts'
import type { Candidates } from './endpoint-pool.ts'
import { createHedge, type Hedge } from './hedge.ts'
import type { Source, SourceReading } from './source.ts'

export interface PollerOptions {
  readonly source: Source
  readonly book: AddressBook
  readonly candidates: Candidates
  /** Time between two rounds while all is well, ± 10 %, in milliseconds. */
  readonly pollIntervalMs: number
  /** The source was asked or spoke. */
  readonly onReading: (reading: SourceReading) => void
  /** A round got no answer from anybody. `since` is its start, on the clock of `performance.now()`. */
  readonly onFailed: (failure: Failure, since: number) => void
  readonly random: () => number
}

/** Two rounds are never closer than this; all in milliseconds. */
const minDistanceMs = 50
/** The next broker is asked after so long without a byte, or when an answer is late where that is more. */
const hedgeAfterMs = 100
const longestHedgeMs = 500
/** So long without a byte ends a round: the next one asks the source again. */
const roundTimeoutMs = 1000
const longestRoundMs = 10_000
/** One round in so many begins with the source's endpoints that the book does not have. */
const sourceFirstEvery = 5
/** So many connections are kept, where there are so many brokers: one broker alone may lag. */
const wantedLines = 3

export class Poller {
  private readonly options: PollerOptions
  private readonly wanted$ = new BehaviorSubject(false)
  private readonly subscriptions: Subscription[] = []
  private listed: readonly Endpoint[] = []
  private reading: Promise<readonly Endpoint[]> | undefined
  private readAt = -Infinity
  /** Whom this round has asked so far. */
  private asking: Endpoint[] = []
  private hedge: Hedge<Endpoint, unknown> | undefined
  private round = 0
  private startedAt = -Infinity
  private unanswered = 0
  private unsettled = 0
  private lastFailure: Failure | undefined
  private readonly stopping = new AbortController()

  constructor(options: PollerOptions) {
    this.options = options
  }

  start(): void {
    const rounds$ = defer(() => this.ask()).pipe(repeat({ delay: () => this.next() }))
    const announced$ = this.options.source.changes$
    this.subscriptions.push(
      announced$.subscribe((reading) => {
        this.rush(this.learn(reading))
        this.requestUpdate()
      }),
      // Not before whoever started it had the time to subscribe.
      timer(0)
        .pipe(switchMap(() => rounds$))
        .subscribe(),
    )
  }

  stop(): void {
    this.stopping.abort()
    for (const subscription of this.subscriptions) subscription.unsubscribe()
  }

  /**
   * Wants a round whose requests go out after now; many requests are one. A round that still waits asks the source again: it may have begun
   * just before all moved and know only places where nobody is.
   */
  requestUpdate(): void {
    this.wanted$.next(true)
    const { hedge } = this
    if (!hedge || this.reading || performance.now() - this.readAt < minDistanceMs) return
    void this.readSource().then((fresh) => this.askAtOnce(fresh, hedge))
  }

  /** Somebody of our cluster answered, whoever asked. */
  answered(): void {
    this.unanswered = 0
    this.lastFailure = undefined
  }

  /** A dial failed, whoever asked: the reason where all endpoints wait for their next dial. */
  failed(failure: Failure): void {
    this.lastFailure = failure
  }

  /**
   * Whom to ask, in order: connected endpoints of the book first, those of the source in between, another start each time. What is
   * known as another listener comes last, unless the source names nothing else.
   */
  order(): Endpoint[] {
    const { book, candidates } = this.options
    const entries = book.entries()
    const inBook = new Set(entries.map(formatEndpoint))
    const isOpen = (endpoint: Endpoint) => candidates.isOpen(endpoint)
    const present = rotate(
      entries.filter((entry) => entry.present),
      this.round,
    )
    const mine = [
      ...present.filter(isOpen),
      ...present.filter((entry) => !isOpen(entry)),
      ...entries.filter((entry) => !entry.present),
    ]
    const elsewhere = book.others().filter((other) => !inBook.has(formatEndpoint(other)))
    const ofOthers = new Set(elsewhere.map(formatEndpoint))
    const listed = this.listed.filter((endpoint) => !inBook.has(formatEndpoint(endpoint)))
    const unknown = listed.filter((endpoint) => !ofOthers.has(formatEndpoint(endpoint)))
    const isLeft = unknown.length === 0 && listed.length === this.listed.length
    const others = rotate(isLeft ? listed : unknown, this.round)
    const isSourceFirst = this.round % sourceFirstEvery === 0 || (isLeft && listed.length > 0)
    const mixed = isSourceFirst ? interleave<Endpoint>(others, mine) : interleave<Endpoint>(mine, others)
    const asked = new Set(mixed.map(formatEndpoint))
    return [...mixed, ...elsewhere.filter((other) => !asked.has(formatEndpoint(other)))].filter((endpoint) =>
      candidates.isDue(endpoint),
    )
  }

  private next(): Observable<unknown> {
    const { pollIntervalMs, random, book } = this.options
    this.unsettled = book.claims.length > 0 ? this.unsettled + 1 : 0
    const calmMs = pollIntervalMs * (0.9 + 0.2 * random())
    // While a reported move waits for its witness, ask soon; less and less often when none comes.
    const openMs = this.unsettled > 0 ? Math.min(calmMs, 50 * 2 ** Math.min(this.unsettled, 10)) : calmMs
    const pauseMs = this.unanswered > 0 ? 100 + 150 * random() : openMs
    const requested$ = this.wanted$.pipe(
      filter(Boolean),
      switchMap(() => timer(this.distanceMs())),
    )
    return merge(timer(Math.max(pauseMs, this.distanceMs())), requested$).pipe(take(1))
  }

  private distanceMs(): number {
    return Math.max(0, minDistanceMs - (performance.now() - this.startedAt))
  }

  private async ask(): Promise<void> {
    const { candidates, book, onFailed } = this.options
    const { signal } = this.stopping
    const startedAt = performance.now()
    this.startedAt = startedAt
    this.wanted$.next(false)
    this.round++
    candidates.keep([...book.entries(), ...book.claims.map(({ to }) => to), ...this.listed])
    const hedge = createHedge((endpoint: Endpoint) => this.askOne(endpoint), {
      afterMs: Math.max(hedgeAfterMs, Math.min(longestHedgeMs, candidates.lateMs)),
      deadlineMs: roundTimeoutMs,
      heardAt: () => candidates.heardAt(this.asking),
      atMostMs: longestRoundMs,
      signal,
    })
    this.hedge = hedge
    this.asking = []
    const asked = this.order()
    hedge.add(asked)
    if (asked.length > 0) hedge.seal()
    void this.readSource().then((fresh) => {
      if (signal.aborted) return
      if (asked.length > 0) this.askAtOnce(fresh, hedge)
      else hedge.add(this.order())
      hedge.seal()
    })
    try {
      await hedge.answer
      this.answered()
      this.openMore()
    } catch {
      if (signal.aborted) return
      this.unanswered++
      onFailed(this.lastFailure ?? (this.asking.length > 0 ? silent(this.asking) : nobodyKnown), startedAt)
    } finally {
      this.hedge = undefined
    }
  }

  private askAtOnce(fresh: readonly Endpoint[], hedge: Hedge<Endpoint, unknown>): void {
    if (this.stopping.signal.aborted) return
    hedge.rush(fresh.filter((endpoint) => !this.options.candidates.isOpen(endpoint)))
  }

  private askOne(endpoint: Endpoint): Promise<unknown> {
    this.asking.push(endpoint)
    return this.options.candidates.ask(endpoint).catch((error) => {
      const failure = fromDial(error, endpoint)
      if (failure.code !== 'TOO_SOON') this.lastFailure = failure
      throw error
    })
  }

  /** Opens connections to more brokers, without waiting for them. */
  private openMore(): void {
    const { book, candidates } = this.options
    const present = book.entries().filter((entry) => entry.present)
    const open = present.filter((entry) => candidates.isOpen(entry)).length
    const closed = present.filter((entry) => !candidates.isOpen(entry) && candidates.isDue(entry))
    this.rush(closed.slice(0, Math.max(0, wantedLines - open)))
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
    for (const endpoint of fresh) this.options.candidates.renew(endpoint)
    this.options.onReading(reading)
    return fresh
  }

  private rush(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints) this.options.candidates.ask(endpoint).catch(() => {})
  }
}

const silent = (asked: readonly Endpoint[]): Failure => ({
  kind: 'unreachable',
  message: `Nobody answered: ${asked.map(formatEndpoint).join(', ')} ${asked.length === 1 ? 'is' : 'are'} silent. Check the network between, and \`dialTimeoutMs\` if the brokers are far.`,
  code: 'ETIMEDOUT',
})

const nobodyKnown: Failure = {
  kind: 'unreachable',
  message:
    'There is no broker to ask: the source named none so far, and none is remembered. Check what `brokers` returns.',
}

const rotate = <Item>(items: readonly Item[], by: number): Item[] => {
  const start = items.length > 0 ? by % items.length : 0
  return [...items.slice(start), ...items.slice(0, start)]
}

function interleave<Item>(one: readonly Item[], other: readonly Item[]): Item[] {
  const pairs = Array.from({ length: Math.max(one.length, other.length) }, (_, index) => [one[index], other[index]])
  return pairs.flat().filter((item) => item !== undefined)
}
