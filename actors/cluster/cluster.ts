/** A cluster: what all consumers of one process on it share. What is observed of it becomes facts in `cluster-facts.ts`, which all of them hear. */

import { setMaxListeners } from 'node:events'
import type { LookupFunction } from 'node:net'
import {
  concat,
  defer,
  filter,
  firstValueFrom,
  fromEvent,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  Subject,
  takeUntil,
  tap,
} from 'rxjs'
import { type Acceptance, createAcceptance } from '../../machines/acceptance.ts'
import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import { ConnectionError, type HeldConnection } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { isAbsence } from '../connection/dial-failure.ts'
import { DialPace } from '../connection/dial-pace.ts'
import { type Names, namesOf } from '../connection/names.ts'
import { claimChannel, type UpdateReason } from '../diagnostics/channels.ts'
import type { SpokenVersions } from '../protocol/versions.ts'
import { deadline } from '../time/deadline.ts'
import { steadyNow } from '../time/steady-clock.ts'
import { AddressBook } from './address-book.ts'
import { ClaimProbe } from './claim-probe.ts'
import { clusterFacts, reachedFact } from './cluster-facts.ts'
import { beginning, isAnswer, type Knowledge, type Observation, type Step } from './cluster-knowledge.ts'
import { type Contact, EndpointPool } from './endpoint-pool.ts'
import { Poller } from './poller.ts'
import { Questions } from './questions.ts'
import type { Source } from './source.ts'

export interface ClusterOptions {
  readonly brokers: Source
  readonly dial: Dial
  /** Time between two polls while all is well, ± 10 %, in milliseconds. */
  readonly pollIntervalMs: number
  /** Holders of the same key share one cluster, made with the options of the first. */
  readonly key: unknown
  /** The cluster id to expect. Default: the id of the first answer. */
  readonly clusterId?: string | undefined
  /** Where the brokers were in an earlier life: asked beside the source until they answer. Unused where another `clusterId` is expected. */
  readonly remembered?: Remembered | undefined
  /** Resolves names like `dns.lookup`, its default. */
  readonly lookup?: LookupFunction | undefined
  /** Numbers in [0, 1). Default `Math.random`. */
  readonly random?: () => number
}

/** What is known of a cluster from before: its id and where its nodes were. */
export interface Remembered {
  readonly clusterId: string
  readonly endpoints: ReadonlyMap<number, Endpoint>
}

export interface Cluster {
  readonly book: AddressBook
  /** The pace of dials that everything on this cluster shares. */
  readonly pace: DialPace
  readonly clusterId: string | undefined
  /** The time after which an answer is late, in milliseconds, from the farthest broker that is connected; 0 while none is. */
  readonly lateMs: number
  /** The facts of the cluster from now on; begins with `cluster.reached` while it is reached. Completes with `release`. */
  readonly facts$: Observable<Fact>
  /** When the poller last heard an endpoint, and how far that is. */
  contact(endpoint: Endpoint): Contact
  /** Whether all brokers that were dialled speak this version of a request; false while none was. */
  speaks(apiKey: number, version: number): boolean
  /** What each broker speaks that the newest answer names, as far as they can be reached within a second. */
  versions(): Promise<readonly SpokenVersions[]>
  /** Resolves once an answer has been accepted in this process. Rejects with the signal's reason. */
  ready(signal?: AbortSignal): Promise<void>
  /** The newest answer of our cluster. */
  newest(): Snapshot | undefined
  /** The first answer that was asked for at `at` (milliseconds since the epoch) or later; requests an update where there is none. */
  snapshotSince(at: number, signal?: AbortSignal): Promise<Snapshot>
  /** Asks where the brokers are as soon as it may: something has just gone wrong, or may have changed. Cheap; many requests are one poll. */
  requestUpdate(reason: UpdateReason): void
  /** Gives away the poller's connection to this endpoint if it is new; undefined when there is none. */
  take(endpoint: Endpoint): Promise<HeldConnection | undefined>
  /** Takes in an answer that a link got. */
  observe(snapshot: Snapshot): void
  /** A fresh dial of this endpoint was refused, reset or unanswered. */
  report(dead: Endpoint): void
  /** A node was turned down by name at its endpoint: for its identity, login or version. A fact, once until it heals. */
  refuse(nodeId: number, endpoint: Endpoint, failure: Failure): void
  /** A node was reached with its identity proven. */
  heal(nodeId: number): void
  /** Sends a request that any broker can answer, to the next one after a silence of 250 ms or a failure. Rejects with a ConnectionError after one of 2 s. */
  ask(frame: Buffer, signal?: AbortSignal): Promise<Buffer>
  /** The last one out closes sockets and timers. */
  release(): void
}

/** How long brokers may take to say what they speak, in milliseconds. */
const spokenWithinMs = 1000

const shared = new Map<unknown, { cluster: SharedCluster; holders: number }>()

/** The cluster of this key: a new one, which starts to poll, or the one that others hold already. */
export function acquireCluster(options: ClusterOptions): Cluster {
  const entry = shared.get(options.key) ?? { cluster: new SharedCluster(options), holders: 0 }
  shared.set(options.key, entry)
  entry.holders++
  const { cluster } = entry
  const released$ = new Subject<void>()
  let isReleased = false
  return {
    book: cluster.book,
    pace: cluster.pace,
    get clusterId() {
      return cluster.book.clusterId
    },
    get lateMs() {
      return cluster.pool.lateMs
    },
    facts$: defer(() => cluster.facts()).pipe(takeUntil(released$)),
    contact: (endpoint) => cluster.pool.contact(endpoint),
    speaks: (apiKey, version) => cluster.pool.speaks(apiKey, version),
    versions: () => cluster.versions(),
    ready: async (signal) => void (await cluster.snapshotSince(0, signal)),
    newest: () => cluster.known.newest,
    snapshotSince: (at, signal) => cluster.snapshotSince(at, signal),
    requestUpdate: (reason) => cluster.poller.requestUpdate(reason),
    take: async (endpoint) => cluster.pool.at(endpoint).take(),
    observe: (snapshot) => cluster.observe({ type: 'answered', snapshot }),
    report: (endpoint) => cluster.observe({ type: 'died', endpoint, at: steadyNow() }),
    refuse: (nodeId, endpoint, failure) => cluster.observe({ type: 'refused', nodeId, endpoint, failure }),
    heal: (nodeId) => cluster.observe({ type: 'healed', nodeId }),
    ask: (frame, signal) => cluster.questions.ask(frame, signal),
    release() {
      if (isReleased) return
      isReleased = true
      released$.next()
      if (--entry.holders > 0) return
      shared.delete(options.key)
      cluster.close()
    },
  }
}

class SharedCluster {
  readonly book: AddressBook
  readonly pace: DialPace
  readonly pool: EndpointPool
  readonly poller: Poller
  readonly questions: Questions
  known: Knowledge
  private readonly names: Names
  private readonly probe: ClaimProbe
  private readonly observed$ = new Subject<Observation>()
  private readonly answers$ = new Subject<Snapshot>()
  private readonly facts$ = new Subject<Fact>()
  private readonly closing = new AbortController()

  constructor({ brokers, dial, pollIntervalMs, clusterId, remembered, lookup, random = Math.random }: ClusterOptions) {
    // Everybody who waits for an answer listens to this signal; there may be many consumers.
    setMaxListeners(0, this.closing.signal)
    const start = beginning(recall(remembered, clusterId))
    this.known = start.after
    this.names = namesOf(lookup)
    this.book = new AddressBook(start.after.acceptance)
    this.pace = new DialPace(random)
    this.pool = new EndpointPool({ dial, pace: this.pace, flawIn: (snapshot) => this.book.flawIn(snapshot) })
    this.probe = new ClaimProbe(this.pool, random)
    this.poller = new Poller({ source: brokers, book: this.book, pool: this.pool, pollIntervalMs, random })
    this.questions = new Questions({
      pool: this.pool,
      order: () => this.poller.order(),
      newerAnswer: (signal) => this.snapshotSince(steadyNow(), signal),
      closing: this.closing.signal,
    })
    // The first to hear of a change: links may dial a new endpoint at once.
    this.book.onChange(({ moved, joined }) => {
      for (const nodeId of [...moved, ...joined]) {
        const entry = this.book.entryOf(nodeId)
        if (entry) this.pool.renew(entry)
      }
    })
    const observations$ = merge(this.poller.observations$, this.resolvedAnew$(), this.observed$).pipe(
      map((observation) => this.complete(observation)),
    )
    clusterFacts(observations$, start, (step) => this.follow(step))
      .pipe(takeUntil(aborted$(this.closing.signal)))
      .subscribe(this.facts$)
  }

  facts(): Observable<Fact> {
    const reached = reachedFact(this.known)
    return reached ? concat(of(reached), this.facts$) : this.facts$
  }

  observe(observation: Observation): void {
    this.observed$.next(observation)
  }

  async versions(): Promise<readonly SpokenVersions[]> {
    const entries = this.book.entries().filter(({ present }) => present)
    const asked = entries.map((entry) =>
      this.pool
        .at(entry)
        .connect()
        .catch(() => undefined),
    )
    await deadline(Promise.all(asked), spokenWithinMs, () => undefined, this.closing.signal)
    return this.pool.spoken
  }

  async snapshotSince(at: number, signal?: AbortSignal): Promise<Snapshot> {
    const now = steadyNow()
    const floor = Math.min(at, now)
    const { newest } = this.known
    if (newest && newest.at >= floor && newest.at <= now) return newest
    const signals = signal ? [signal, this.closing.signal] : [this.closing.signal]
    for (const each of signals) each.throwIfAborted()
    const answer$ = this.answers$.pipe(
      tap((snapshot) => snapshot.at < floor && this.poller.requestUpdate('outdated')),
      filter((snapshot) => snapshot.at >= floor),
    )
    const ended$ = signals.map((each) => aborted$(each).pipe(map(() => each.throwIfAborted() as never)))
    const answer = firstValueFrom(merge(...ended$, answer$))
    this.poller.requestUpdate('outdated')
    return answer
  }

  close(): void {
    const message = 'The cluster was released while somebody waited for it.'
    this.closing.abort(new ConnectionError({ kind: 'unreachable', message }))
    this.pool.close()
  }

  /** Brokers announce names; the addresses they resolve to come from here. */
  private complete(observation: Observation): Observation {
    const hasSnapshot = observation.type === 'answered' || observation.type === 'resolved-anew'
    return hasSnapshot ? { ...observation, snapshot: this.names.complete(observation.snapshot) } : observation
  }

  /** What follows from a step before its facts go out. */
  private follow(step: Step): void {
    const { observation, after, accepted } = step
    this.known = after
    if (accepted) this.book.update(accepted)
    if (accepted && claimChannel.hasSubscribers) this.reportClaims(step)
    if (observation?.type === 'answered' && isAnswer(step)) {
      this.poller.answered()
      this.answers$.next(observation.snapshot)
      this.probe.probe(this.book.claims)
    }
    if (observation?.type === 'resolved-anew') this.probe.probe(this.book.claims)
    const isDead =
      observation?.type === 'died' || (observation?.type === 'dial-failed' && isAbsence(observation.failure))
    if (isDead) this.probe.probeListeners(this.book, observation.endpoint)
  }

  private reportClaims({ before, after }: Step): void {
    const known = new Set(before.acceptance.claims.map(({ nodeId, openedAt }) => `${nodeId} ${openedAt}`))
    for (const { nodeId, from, to, openedAt } of after.acceptance.claims) {
      if (known.has(`${nodeId} ${openedAt}`)) continue
      const { clusterId } = this.book
      claimChannel.publish({ clusterId, nodeId, from: formatEndpoint(from), to: formatEndpoint(to) })
    }
  }

  /** The newest answer is judged again when a name in it leads elsewhere. It does not say that anybody answers now. */
  private resolvedAnew$(): Observable<Observation> {
    return new Observable<string>((subscriber) => this.names.onChange((host) => subscriber.next(host))).pipe(
      mergeMap((host): Observation[] => {
        const { newest } = this.known
        if (!newest?.brokers.some((broker) => broker.host === host)) return []
        const brokers = newest.brokers.map((broker) => ({ ...broker, addresses: [] }))
        return [{ type: 'resolved-anew', snapshot: { ...newest, brokers } }]
      }),
    )
  }
}

/** The state before the first answer: what an earlier life remembers, unless another cluster is expected. */
function recall(remembered: Remembered | undefined, clusterId: string | undefined): Acceptance {
  if (!remembered || (clusterId !== undefined && clusterId !== remembered.clusterId))
    return createAcceptance({ clusterId })
  const entries = [...remembered.endpoints].map(([nodeId, { host, port }]) => {
    return { nodeId, host, port, addresses: [], present: true }
  })
  return createAcceptance({ clusterId: remembered.clusterId, entries })
}

const aborted$ = (signal: AbortSignal): Observable<unknown> => fromEvent(signal, 'abort')
