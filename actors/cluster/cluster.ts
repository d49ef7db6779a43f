/**
 * A cluster: what everything in one process shares that talks to it. The poller's answers, and those that others see, go through
 * the acceptance into the address book, and out as facts.
 */

import { setMaxListeners } from 'node:events'
import type { LookupFunction } from 'node:net'
import { concat, defer, type Observable, of, Subject, takeUntil } from 'rxjs'
import { claimWindowMs } from '../../machines/claim.ts'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../../machines/endpoint.ts'
import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import type { Relocation, Verdict } from '../../machines/verdict.ts'
import { ConnectionError, type HeldConnection } from '../connection/connection.ts'
import { isAbsence, isRefusal } from '../connection/dial-failure.ts'
import { DialPace } from '../connection/dial-pace.ts'
import { type Names, namesOf } from '../connection/names.ts'
import { steadyNow } from '../time/steady-clock.ts'
import { AddressBook } from './address-book.ts'
import { Chase } from './claim-probe.ts'
import { Candidates, type OpenConnection } from './endpoint-pool.ts'
import { Poller } from './poller.ts'
import { Questions } from './questions.ts'
import { Reachability } from './reachability.ts'
import type { Source, SourceReading } from './source.ts'

export interface ClusterOptions {
  readonly brokers: Source
  readonly dial: OpenConnection
  /** Time between two polls while all is well, ± 10 %, in milliseconds. */
  readonly pollIntervalMs: number
  /** Who gives the same key shares one cluster; the options of the first count. */
  readonly key: unknown
  /** The cluster id to expect. Default: the one that answers first. */
  readonly clusterId?: string | undefined
  /** Where the brokers were in an earlier life: asked beside the source until they answer. */
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
  /** When endpoints are dialled, by all that hold this cluster. */
  readonly pace: DialPace
  readonly clusterId: string | undefined
  /** An answer that brokers give at once is late after so many milliseconds, where they are farthest; 0 while none is connected. */
  readonly lateMs: number
  /** What the cluster shows, from now on; begins with `cluster.reached` while it is. Ends with `release`. */
  readonly facts$: Observable<Fact>
  /** Whether the brokers speak this version of a request, as far as they have said: every one of those that answered last does. */
  speaks(apiKey: number, version: number): boolean
  /** Resolves when an answer was accepted in this process. Rejects with the signal's reason. */
  ready(signal?: AbortSignal): Promise<void>
  /** The newest answer of our cluster. */
  newest(): Snapshot | undefined
  /** The first answer that was asked for at `at` (milliseconds since the epoch) or later; asks at once where there is none. */
  snapshotSince(at: number, signal?: AbortSignal): Promise<Snapshot>
  /** Asks where the brokers are as soon as it may: something has just gone wrong, or may have changed. Cheap; many requests are one poll. */
  requestUpdate(): void
  /** Gives away the poller's connection to this endpoint if it is new; undefined when there is none. */
  take(endpoint: Endpoint): Promise<HeldConnection | undefined>
  /** Takes in an answer that somebody else got. */
  observe(snapshot: Snapshot): void
  /** A fresh dial of this endpoint was refused, reset or unanswered. */
  report(dead: Endpoint): void
  /** A node's endpoint was refused for its identity or login: a fact, once until it heals. */
  refuse(nodeId: number, endpoint: Endpoint, failure: Failure): void
  /** A node was reached with its identity proven. */
  heal(nodeId: number): void
  /** Sends a request that any broker can answer, to the next one after a silence of 250 ms or a failure. Rejects with a ConnectionError after one of 2 s. */
  ask(frame: Buffer, signal?: AbortSignal): Promise<Buffer>
  /** The last one out closes sockets and timers. */
  release(): void
}

/** Moves that are accepted while others are still open are told together, at most this late, in milliseconds. */
const gatherMs = 100

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
      return cluster.candidates.lateMs
    },
    facts$: defer(() => cluster.told()).pipe(takeUntil(released$)),
    speaks: (apiKey, version) => cluster.candidates.speaks(apiKey, version),
    ready: async (signal) => void (await cluster.snapshotSince(0, signal)),
    newest: () => cluster.newest,
    snapshotSince: (at, signal) => cluster.snapshotSince(at, signal),
    requestUpdate: () => cluster.poller.requestUpdate(),
    take: (endpoint) => cluster.candidates.take(endpoint),
    observe: (snapshot) => void cluster.observe(snapshot),
    report: (dead) => cluster.report(dead),
    refuse: (nodeId, endpoint, failure) => cluster.refuse(nodeId, endpoint, failure),
    heal: (nodeId) => cluster.heal(nodeId),
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
  readonly poller: Poller
  readonly reachability: Reachability
  newest: Snapshot | undefined
  readonly candidates: Candidates
  readonly questions: Questions
  private readonly facts$ = new Subject<Fact>()
  private readonly answers$ = new Subject<Snapshot>()
  private readonly closing = new AbortController()
  private readonly refusals = new Map<number, string>()
  private readonly chase: Chase
  private readonly names: Names
  private gathered: Relocation[] = []
  private gathering: NodeJS.Timeout | undefined
  private sourceFailure: string | undefined

  constructor({ brokers, dial, pollIntervalMs, clusterId, remembered, lookup, random = Math.random }: ClusterOptions) {
    this.names = namesOf(lookup)
    const unsubscribe = this.names.onChange((host) => this.heardName(host))
    this.closing.signal.addEventListener('abort', unsubscribe, { once: true })
    // Everybody who asks waits for this one; there may be many consumers.
    setMaxListeners(0, this.closing.signal)
    this.book = new AddressBook(clusterId)
    this.pace = new DialPace(random)
    if (remembered) {
      const entries = [...remembered.endpoints].map(([nodeId, { host, port }]) => ({
        nodeId,
        host,
        port,
        addresses: [],
      }))
      this.book.restore(entries, remembered.clusterId)
    }
    this.reachability = new Reachability((fact) => this.facts$.next(fact))
    this.candidates = new Candidates({
      dial,
      pace: this.pace,
      onSnapshot: (snapshot) => this.observe(snapshot),
      onDialFailed: (endpoint, failure, times) => this.dialFailed(endpoint, failure, times),
      onSilent: (endpoint) => this.report(endpoint),
      onLost: () => this.poller.requestUpdate(),
    })
    // Before the links hear of it: what is new may be dialled at once.
    this.book.onChange(({ moved, joined }) => {
      for (const nodeId of [...moved, ...joined]) {
        const entry = this.book.entryOf(nodeId)
        if (entry) this.candidates.renew(entry)
      }
    })
    this.chase = new Chase(this.candidates, random)
    this.poller = new Poller({
      source: brokers,
      book: this.book,
      candidates: this.candidates,
      pollIntervalMs,
      random,
      onReading: (reading) => this.heardSource(reading),
      onFailed: (failure, since) => this.reachability.failed(failure, since),
    })
    this.questions = new Questions({
      candidates: this.candidates,
      order: () => this.poller.order(),
      newerAnswer: (signal) => this.snapshotSince(steadyNow(), signal),
      closing: this.closing.signal,
    })
    this.poller.start()
  }

  told(): Observable<Fact> {
    const { current } = this.reachability
    return current ? concat(of(current), this.facts$) : this.facts$
  }

  /** Judges an answer and acts on it. Undefined when it can be used. */
  observe(said: Snapshot): Failure | undefined {
    if (this.closing.signal.aborted) return undefined
    const snapshot = this.names.complete(said)
    const isFirst = this.newest === undefined && this.book.entries().length === 0
    const { verdict, moves, joined, left } = this.book.take({ snapshot })
    const flaw = this.flawOf(verdict, snapshot)
    if (flaw) return flaw
    if (this.newest === undefined || snapshot.at >= this.newest.at || isFarFrom(snapshot, this.newest))
      this.newest = said
    const endpoint = formatEndpoint(snapshot.answeredBy)
    this.reachability.answered(endpoint, snapshot.clusterId, endpointsIn(snapshot))
    this.poller.answered()
    if (!isFirst && joined.length + left.length > 0) {
      this.facts$.next({ type: 'cluster.membership-changed', joined, left })
    }
    this.healSpeaker(snapshot)
    this.moved(moves)
    this.answers$.next(said)
    this.chase.look(this.book.claims)
    return undefined
  }

  report({ host, port }: Endpoint): void {
    const endpoint = { host, port }
    if (this.closing.signal.aborted) return
    const { moves } = this.book.take({ dead: { endpoint, at: steadyNow() } })
    this.moved(moves)
    this.chase.lookBeside(this.book, endpoint)
  }

  refuse(nodeId: number, at: Endpoint, failure: Failure): void {
    const endpoint = formatEndpoint(at)
    if (this.refusals.get(nodeId) === endpoint) return
    this.heal(nodeId)
    this.refusals.set(nodeId, endpoint)
    this.facts$.next({ type: 'endpoint.refused', nodeId, endpoint, failure })
  }

  heal(nodeId: number): void {
    const endpoint = this.refusals.get(nodeId)
    if (endpoint === undefined) return
    this.refusals.delete(nodeId)
    this.facts$.next({ type: 'endpoint.healed', nodeId, endpoint })
  }

  snapshotSince(at: number, signal?: AbortSignal): Promise<Snapshot> {
    const now = steadyNow()
    const floor = Math.min(at, now)
    if (this.newest && this.newest.at >= floor && this.newest.at <= now) return Promise.resolve(this.newest)
    return new Promise((resolve, reject) => {
      const aborts = signal ? [signal, this.closing.signal] : [this.closing.signal]
      const leave = () => {
        subscription.unsubscribe()
        for (const abort of aborts) abort.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        leave()
        reject(aborts.find(({ aborted }) => aborted)?.reason)
      }
      const subscription = this.answers$.subscribe((snapshot) => {
        if (snapshot.at < floor) return this.poller.requestUpdate()
        leave()
        resolve(snapshot)
      })
      for (const abort of aborts) abort.addEventListener('abort', onAbort, { once: true })
      if (aborts.some(({ aborted }) => aborted)) onAbort()
      else this.poller.requestUpdate()
    })
  }

  close(): void {
    clearTimeout(this.gathering)
    this.closing.abort(new ConnectionError(released))
    this.poller.stop()
    this.reachability.stop()
    this.candidates.close()
    this.facts$.complete()
    this.answers$.complete()
  }

  private flawOf(verdict: Verdict | undefined, { answeredBy }: Snapshot): Failure | undefined {
    const endpoint = formatEndpoint(answeredBy)
    if (verdict?.kind === 'foreign') {
      const { expected, got } = verdict
      this.reachability.answeredForeign(endpoint, expected, got)
      const message = `Cluster ${got} answers at ${endpoint}, not ${expected}: the address is used by another cluster now, or \`brokers\` names the wrong one.`
      return { kind: 'foreign-cluster', message, endpoint }
    }
    if (verdict?.kind !== 'unknown') return undefined
    return { kind: 'unreachable', message: `${endpoint} gave no usable answer: ${verdict.why}.`, endpoint }
  }

  private dialFailed(endpoint: Endpoint, failure: Failure, times: number): void {
    this.poller.failed(failure)
    if (times === 1) this.poller.requestUpdate()
    if (failure.kind === 'dial-failed') this.reachability.forget(formatEndpoint(endpoint))
    if (isAbsence(failure)) this.report(endpoint)
    if (!isRefusal(failure.kind)) return
    const node = this.book.entries().find((entry) => sameEndpoint(entry, endpoint))
    if (node) this.refuse(node.nodeId, endpoint, failure)
  }

  private healSpeaker({ brokers, answeredBy }: Snapshot): void {
    if (this.refusals.size === 0) return
    const speaker = brokers.find((broker) => sameEndpoint(broker, answeredBy))
    // At another place than it is looked for at it heals nothing.
    const entry = speaker && this.book.entryOf(speaker.nodeId)
    if (entry && sameEndpoint(entry, answeredBy)) this.heal(entry.nodeId)
  }

  /** Gathers accepted moves while others are still open, so that one change is one fact where it can be. */
  private moved(moves: readonly Relocation[]): void {
    const isAgain = moves.some(({ nodeId }) => this.gathered.some((move) => move.nodeId === nodeId))
    if (isAgain) this.tellMoves()
    this.gathered.push(...moves)
    if (this.gathered.length === 0) return
    if (this.book.claims.length === 0) this.tellMoves()
    else this.gathering ??= setTimeout(() => this.tellMoves(), gatherMs)
  }

  private tellMoves(): void {
    clearTimeout(this.gathering)
    this.gathering = undefined
    const gathered = this.gathered.splice(0).toSorted((one, other) => one.nodeId - other.nodeId)
    for (const reason of ['moved', 'resolved-anew'] as const) {
      const moves = gathered.filter((move) => move.reason === reason).map(describeMove)
      if (moves.length > 0) this.facts$.next({ type: 'cluster.moved', moves, reason })
    }
  }

  /** The newest answer is judged again when a name in it leads elsewhere. It does not say that anybody answers now. */
  private heardName(host: string): void {
    const { newest } = this
    if (!newest?.brokers.some((broker) => broker.host === host)) return
    const { moves } = this.book.take({ snapshot: this.names.complete(newest) })
    this.moved(moves)
    this.chase.look(this.book.claims)
  }

  private heardSource({ failure, endpoints }: SourceReading): void {
    this.book.take({ source: { endpoints, at: steadyNow() } })
    if (failure?.message === this.sourceFailure) return
    this.sourceFailure = failure?.message
    this.facts$.next(failure ? { type: 'source.failed', failure } : { type: 'source.recovered' })
  }
}

const endpointsIn = ({ brokers }: Snapshot): Record<number, string> =>
  Object.fromEntries(brokers.map((broker) => [broker.nodeId, formatEndpoint(broker)]))

const describeMove = ({ nodeId, from, to }: Relocation) => ({
  nodeId,
  from: formatEndpoint(from),
  to: formatEndpoint(to),
})

/** An answer this much older than the newest was asked for on a clock that has been set back since. */
const isFarFrom = (one: Snapshot, other: Snapshot): boolean => Math.abs(one.at - other.at) > claimWindowMs

const released: Failure = { kind: 'unreachable', message: 'The cluster was released while somebody waited for it.' }
