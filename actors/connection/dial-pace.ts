/**
 * The pace of trying again: what keeps this process from storming a broker, a login or a question that fails.
 *
 * A streak is one thing that fails, with the wait before the next try. The pace has one per endpoint, shared by all who dial it: the links
 * of all consumers and the poller. Few dials of an endpoint run at a time, those that fetches wait for first. After a failure nobody
 * dials before its wait is over, then one tries, and its failure counts for all who wait. Logins have a pace of their own on top.
 */

import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure, FailureKind } from '../../machines/failure.ts'
import { ConnectionError } from './connection.ts'

/** Growth and cap of the waits of a streak, in milliseconds. Each wait is between two thirds of it and the whole. */
export interface StreakBounds {
  readonly baseMs: number
  readonly capMs: number
}

export const bounds = {
  /** 20–30 ms after the first failure, 1–1.5 s from the seventh on: at most 66 in a minute. */
  dial: { baseMs: 30, capMs: 1500 },
  /** Refused for its identity or its cluster: trying often changes nothing. */
  refusal: { baseMs: 1500, capMs: 1500 },
  /** 5–7.5 s, then up to 60 s: more would lock the account. At most 6 in the first minute, 2 in each later one. */
  login: { baseMs: 7500, capMs: 60_000 },
  /** It does not speak what is needed: somebody has to upgrade it. */
  version: { baseMs: 7500, capMs: 15_000 },
  /** Who leads and who coordinates changes under way: 333–500 ms at the longest, at most 182 in a minute. */
  lookUp: { baseMs: 30, capMs: 500 },
  /** A question that no broker answered. */
  question: { baseMs: 30, capMs: 1500 },
  /** A definite no, such as a missing right. */
  denial: { baseMs: 1500, capMs: 7500 },
} as const satisfies Record<string, StreakBounds>

/** Failures are remembered for so long after the end of their wait, in milliseconds: what is tried only now and then has a streak too. */
const rememberedMs = 60_000

/** Failures in a row of one thing, and when it may be tried again. */
export class Streak {
  failures = 0
  /** Each kind of failure has a growth of its own: after many dials that failed, the first refused login is still the first. */
  private readonly kinds = new Map<StreakBounds, number>()
  private nextAt = 0
  private readonly random: () => number

  constructor(random: () => number = Math.random) {
    this.random = random
  }

  /** How long to wait before the next try, in milliseconds; 0: it may begin. */
  get waitMs(): number {
    return this.failures === 0 ? 0 : Math.max(0, this.nextAt - performance.now())
  }

  /** Whether nothing is left of it to remember. */
  get isOver(): boolean {
    return this.failures === 0 || performance.now() - this.nextAt > rememberedMs
  }

  failed(kind: StreakBounds): void {
    const times = this.kinds.get(kind) ?? 0
    const longest = Math.min(kind.capMs, kind.baseMs * 2 ** Math.min(times, 16))
    this.kinds.set(kind, times + 1)
    // One that waits shorter shortens no wait.
    const waitMs = Math.max(this.waitMs, (longest * (2 + this.random())) / 3)
    this.failures++
    this.nextAt = performance.now() + waitMs
  }

  /** What was asked for was answered. */
  succeeded(): void {
    this.failures = 0
    this.kinds.clear()
  }
}

/** Dials of one endpoint at a time: at first, and at most when all of them succeed. One consumer needs two. */
const firstAtOnce = 8
const mostAtOnce = 32

const renewEachMs = 1000

/** So long after one that was accepted logins at an endpoint go side by side, in milliseconds: links follow the poller to a new place. */
const loginProvenForMs = 5000

/** Who dials: a link says which node it expects there. */
export interface Dialler {
  readonly nodeId?: number
  /** Goes before the others. */
  readonly urgent?: boolean
  /** Aborted: nobody waits for this dial any more. */
  readonly signal?: AbortSignal
}

interface Waiting {
  readonly nodeId: number | undefined
  readonly go: () => void
  readonly fail: (error: unknown) => void
}

interface Place {
  readonly streak: Streak
  /** How many failures have counted, ever: unlike those of the streak it never goes back. */
  counted: number
  /** Nodes that were expected here and are not. */
  readonly strangers: Map<number, Streak>
  running: number
  /** Dials that may run now. 1: the newest has failed. */
  atOnce: number
  urgent: Waiting[]
  others: Waiting[]
  renewedAt: number
  /** What the newest try failed with. */
  error: unknown
  loggingIn: Promise<unknown> | undefined
  /** What ends each login under way. */
  readonly logins: Set<(error: unknown) => void>
  /** When a login was accepted here, on the clock of `performance.now()`. */
  loginProvenAt: number
  /** Why the newest try failed, if it was turned down by name. */
  refusal: FailureKind | undefined
}

export class RetryPace {
  private readonly places = new Map<string, Place>()
  private readonly random: () => number
  /** Refused logins in a row while none was ever accepted, at whatever endpoint. */
  private readonly unproven: Streak
  private loggingIn: Promise<unknown> | undefined
  private refusal: ConnectionError | undefined
  private accepted = false

  constructor(random: () => number = Math.random) {
    this.random = random
    this.unproven = new Streak(random)
  }

  /** Whether a broker has accepted the login in this process: it may be refused now, but it is not simply wrong. */
  get isLoginProven(): boolean {
    return this.accepted
  }

  /** How long nobody may dial this endpoint, or look for this node there, in milliseconds; 0: now. */
  waitMs(endpoint: Endpoint, nodeId?: number): number {
    const place = this.places.get(formatEndpoint(endpoint))
    const stranger = nodeId === undefined ? undefined : place?.strangers.get(nodeId)
    return Math.max(place?.streak.waitMs ?? 0, stranger?.waitMs ?? 0, this.unproven.waitMs)
  }

  /** Whether a dial of this endpoint would begin at once. */
  isFree(endpoint: Endpoint): boolean {
    const place = this.places.get(formatEndpoint(endpoint))
    return this.waitMs(endpoint) === 0 && (place === undefined || place.running < place.atOnce)
  }

  /** Whether whoever is there was refused for its identity, or refuses the login: it may well be there. */
  isRefused(endpoint: Endpoint): boolean {
    return this.places.get(formatEndpoint(endpoint))?.refusal !== undefined
  }

  failuresAt(endpoint: Endpoint): number {
    return this.places.get(formatEndpoint(endpoint))?.streak.failures ?? 0
  }

  /**
   * Runs the dial when its turn comes, and resolves with what it gives. Rejects with its failure, with that of another dial of
   * this endpoint that failed while this one waited, or as soon as nobody waits for it. Whoever calls it has waited for `waitMs`.
   */
  async run<Value>(endpoint: Endpoint, dialler: Dialler, dial: () => Promise<Value>): Promise<Value> {
    const place = this.placeAt(endpoint)
    if (place.running >= place.atOnce) await this.turn(place, dialler)
    else place.running++
    const before = place.counted
    try {
      const value = await dial()
      place.streak.succeeded()
      place.refusal = undefined
      if (dialler.nodeId !== undefined) place.strangers.delete(dialler.nodeId)
      place.atOnce = place.atOnce === 1 ? firstAtOnce : Math.min(mostAtOnce, place.atOnce + 1)
      return value
    } catch (error) {
      this.failed(endpoint, error, dialler.nodeId, before)
      throw error
    } finally {
      place.running--
      this.admit(place)
    }
  }

  /** Somebody tried this endpoint and failed; `before`: the failures that had counted there when the try began. */
  failed(endpoint: Endpoint, error: unknown, nodeId?: number, before?: number): void {
    const failure = error instanceof ConnectionError ? error.failure : undefined
    if (failure?.code === 'ABORT_ERR' || failure?.code === 'TOO_SOON') return
    const place = this.placeAt(endpoint)
    if (failure?.code === 'WRONG_NODE' && nodeId !== undefined) {
      // The endpoint is fine for whoever is there.
      const streak = place.strangers.get(nodeId) ?? new Streak(this.random)
      place.strangers.set(nodeId, streak)
      streak.failed(bounds.dial)
      this.turnAway(place, error, (waiting) => waiting.nodeId === nodeId)
      return
    }
    const kind = failure?.kind
    const isRefused = place.refusal === 'login-refused'
    // Dials that ran at the same time, or were one for several, have failed once: by a refused login, if that is among what they failed with.
    const isShared = before !== undefined && before !== place.counted
    const counts = !isShared || (kind === 'login-refused' && !isRefused)
    // What ended beside a refused login, or before its wait was over, is no other reason.
    if (!isRefused || (!isShared && place.streak.waitMs === 0)) {
      place.refusal = kind && isRefusal(kind) ? kind : undefined
      place.error = error
    }
    place.atOnce = 1
    if (counts) {
      place.counted++
      place.streak.failed(boundsFor(failure))
    }
    this.turnAway(place, error, () => true)
  }

  /**
   * The endpoint is named anew, or its name leads elsewhere: what failed there before says nothing, but for a refused login. Once a second
   * at most: brokers that contradict each other name it again and again.
   */
  renew(endpoint: Endpoint): void {
    const place = this.places.get(formatEndpoint(endpoint))
    const now = performance.now()
    if (!place || now - place.renewedAt < renewEachMs) return
    place.renewedAt = now
    if (place.refusal !== 'login-refused') place.streak.succeeded()
    place.strangers.clear()
  }

  /** Forgets all other endpoints that nobody dials, a while after they failed: what is asked only now and then is not stormed either. */
  keep(wanted: ReadonlySet<string>): void {
    const now = performance.now()
    for (const [name, { running, streak, strangers, renewedAt }] of this.places) {
      const isOver = [streak, ...strangers.values()].every((one) => one.isOver) && now - renewedAt >= renewEachMs
      if (!wanted.has(name) && running === 0 && isOver) this.places.delete(name)
    }
  }

  /**
   * Runs a login. While none was ever accepted they take turns over all endpoints; later the first at an endpoint goes alone, unless
   * one was accepted there a moment ago. Who waited for one that was refused, goes beside it or comes before its wait is over shares its failure.
   * A login that the connection broke says nothing of the credentials.
   */
  async login<Value>(endpoint: Endpoint, work: () => Promise<Value>): Promise<Value> {
    const place = this.placeAt(endpoint)
    const isProven = () => performance.now() - place.loginProvenAt < loginProvenForMs
    const ahead = () => (this.accepted ? (isProven() ? undefined : place.loggingIn) : this.loggingIn)
    for (let busy = ahead(); busy; busy = ahead()) {
      const error = await busy
      if (isLoginRefused(error)) throw error
    }
    if (!this.accepted && this.refusal && this.unproven.waitMs > 0) throw this.refusal
    if (place.refusal === 'login-refused' && place.streak.waitMs > 0) throw place.error
    const running = work()
    const mine = running.then(
      () => undefined,
      (error: unknown) => error,
    )
    this.loggingIn ??= mine
    place.loggingIn ??= mine
    let end: (error: unknown) => void = () => {}
    const ended = new Promise<never>((_, reject) => {
      end = reject
    })
    place.logins.add(end)
    try {
      const value = await Promise.race([running, ended])
      this.accepted = true
      place.loginProvenAt = performance.now()
      this.unproven.succeeded()
      return value
    } catch (error) {
      if (isLoginRefused(error)) {
        place.loginProvenAt = Number.NEGATIVE_INFINITY
        // Those that have not told their credentials yet would only count against the account.
        for (const turnAway of place.logins) turnAway(error)
      }
      if (!this.accepted && isLoginRefused(error)) {
        this.refusal = error
        this.unproven.failed(bounds.login)
      }
      throw error
    } finally {
      place.logins.delete(end)
      if (this.loggingIn === mine) this.loggingIn = undefined
      if (place.loggingIn === mine) place.loggingIn = undefined
    }
  }

  private placeAt(endpoint: Endpoint): Place {
    const name = formatEndpoint(endpoint)
    const known = this.places.get(name)
    if (known) return known
    const streak = new Streak(this.random)
    const place: Place = {
      ...{ streak, counted: 0, strangers: new Map(), running: 0, atOnce: firstAtOnce, refusal: undefined },
      ...{ urgent: [], others: [], renewedAt: Number.NEGATIVE_INFINITY },
      ...{ error: undefined, loggingIn: undefined, logins: new Set(), loginProvenAt: Number.NEGATIVE_INFINITY },
    }
    this.places.set(name, place)
    return place
  }

  private turn(place: Place, { nodeId, urgent = false, signal }: Dialler): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => fail(new ConnectionError(givenUp))
      const fail = (error: unknown) => {
        signal?.removeEventListener('abort', leave)
        place.urgent = place.urgent.filter((other) => other !== waiting)
        place.others = place.others.filter((other) => other !== waiting)
        reject(error)
      }
      const go = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const waiting: Waiting = { nodeId, go, fail }
      ;(urgent ? place.urgent : place.others).push(waiting)
      signal?.addEventListener('abort', leave, { once: true })
      if (signal?.aborted) leave()
    })
  }

  private turnAway({ urgent, others }: Place, error: unknown, concerns: (waiting: Waiting) => boolean): void {
    for (const waiting of [...urgent, ...others].filter(concerns)) waiting.fail(error)
  }

  private admit(place: Place): void {
    while (place.running < place.atOnce) {
      const next = place.urgent.shift() ?? place.others.shift()
      if (!next) return
      place.running++
      next.go()
    }
  }
}

/**
 * Whether this failure of a dial says that the node is not to be had there: nobody answers, another cluster does, or one we may not talk to.
 * As a place in use it is as good as dead. A refused login or an old version is of the node itself.
 */
export const isAbsence = ({ kind, code }: Failure): boolean =>
  (kind === 'dial-failed' && code !== 'WRONG_NODE') || kind === 'foreign-cluster' || kind === 'identity-refused'

/** Whether this failure says that whoever is there is not let in, or lets us not in: told once per endpoint. */
export const isRefusal = (kind: FailureKind): boolean =>
  kind === 'identity-refused' || kind === 'login-refused' || kind === 'version-too-old'

const isLoginRefused = (error: unknown): error is ConnectionError =>
  error instanceof ConnectionError && error.failure.kind === 'login-refused'

function boundsFor(failure: Failure | undefined): StreakBounds {
  if (failure?.kind === 'version-too-old') return bounds.version
  if (failure?.kind === 'login-refused') return failure.code === 'NO_SETTINGS' ? bounds.refusal : bounds.login
  return failure?.kind === 'identity-refused' || failure?.kind === 'foreign-cluster' ? bounds.refusal : bounds.dial
}

const givenUp: Failure = { kind: 'dial-failed', message: 'The dial is no longer wanted.', code: 'ABORT_ERR' }
