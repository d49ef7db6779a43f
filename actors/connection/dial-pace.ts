/**
 * The pace of dials: what keeps this process from storming a broker that fails. Each endpoint has one pace, shared by everything that
 * dials it: the links of all consumers and the poller. A few dials of an endpoint run at a time, urgent ones first. After a failure nobody
 * dials it until the wait is over; then one tries, and if it fails, it fails for all who wait.
 */

import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure, FailureKind } from '../../machines/failure.ts'
import { ConnectionError } from './connection.ts'
import { isRefusal } from './dial-failure.ts'
import { EndpointLogins, LoginPace } from './login-pace.ts'
import { bounds, Streak, type StreakBounds } from './retry-pace.ts'

/** Dials of one endpoint at a time: at first, and at most, while all of them succeed. One consumer needs two. */
const firstAtOnce = 8
const mostAtOnce = 32

/** An endpoint that is named anew is forgiven at most this often, in milliseconds. */
const renewEachMs = 1000

/** Who dials. */
export interface Dialler {
  /** The node that is expected there. */
  readonly nodeId?: number
  /** Goes before the others. */
  readonly urgent?: boolean
  /** Aborted when nobody waits for this dial any more. */
  readonly signal?: AbortSignal
}

interface Waiting {
  readonly nodeId: number | undefined
  readonly urgent: boolean
  readonly go: () => void
  readonly fail: (error: unknown) => void
}

/** What is known of the dials of one endpoint. */
class EndpointDials {
  readonly streak: Streak
  /** How many failures have counted, ever: unlike those of the streak it never goes back. */
  counted = 0
  /** Nodes that were expected here and are not. */
  readonly strangers = new Map<number, Streak>()
  running = 0
  /** Dials that may run now. 1 after a failure. */
  atOnce = firstAtOnce
  readonly waiting = new Set<Waiting>()
  renewedAt = Number.NEGATIVE_INFINITY
  /** What the newest try failed with. */
  error: unknown
  /** Why the newest try failed, if it was turned down by name. */
  refusal: FailureKind | undefined
  readonly logins = new EndpointLogins()

  constructor(random: () => number) {
    this.streak = new Streak(random)
  }

  /** Those that wait, in their order. */
  get inTurn(): readonly Waiting[] {
    return [...this.waiting].sort((one, other) => Number(other.urgent) - Number(one.urgent))
  }
}

export class DialPace {
  private readonly endpoints = new Map<string, EndpointDials>()
  private readonly logins: LoginPace
  private readonly random: () => number

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number = Math.random) {
    this.random = random
    this.logins = new LoginPace(random)
  }

  /** Whether a broker has accepted the login in this process: it may be refused now, but it is not simply wrong. */
  get isLoginProven(): boolean {
    return this.logins.isProven
  }

  /** How long nobody may dial this endpoint, or look for this node there, in milliseconds; 0: now. */
  waitMs(endpoint: Endpoint, nodeId?: number): number {
    const dials = this.endpoints.get(formatEndpoint(endpoint))
    const stranger = nodeId === undefined ? undefined : dials?.strangers.get(nodeId)
    return Math.max(dials?.streak.waitMs ?? 0, stranger?.waitMs ?? 0, this.logins.waitMs)
  }

  /** Whether a dial of this endpoint would begin at once. */
  isFree(endpoint: Endpoint): boolean {
    const dials = this.endpoints.get(formatEndpoint(endpoint))
    return this.waitMs(endpoint) === 0 && (dials === undefined || dials.running < dials.atOnce)
  }

  /** Whether the newest dial was turned down by name: for its identity, login or version. The node may well be there. */
  isRefused(endpoint: Endpoint): boolean {
    return this.endpoints.get(formatEndpoint(endpoint))?.refusal !== undefined
  }

  /** Failures in a row of this endpoint. */
  failuresAt(endpoint: Endpoint): number {
    return this.endpoints.get(formatEndpoint(endpoint))?.streak.failures ?? 0
  }

  /**
   * Runs the dial when its turn comes and resolves with its result. Rejects with its failure, with that of another dial of this
   * endpoint that failed meanwhile, or when the signal aborts. Callers wait for `waitMs` first.
   */
  async run<Value>(endpoint: Endpoint, dialler: Dialler, dial: () => Promise<Value>): Promise<Value> {
    const dials = this.dialsAt(endpoint)
    if (dials.running >= dials.atOnce) await this.turn(dials, dialler)
    else dials.running++
    const before = dials.counted
    try {
      const value = await dial()
      dials.streak.succeeded()
      dials.refusal = undefined
      if (dialler.nodeId !== undefined) dials.strangers.delete(dialler.nodeId)
      dials.atOnce = dials.atOnce === 1 ? firstAtOnce : Math.min(mostAtOnce, dials.atOnce + 1)
      return value
    } catch (error) {
      this.failed(endpoint, error, dialler.nodeId, before)
      throw error
    } finally {
      dials.running--
      this.admit(dials)
    }
  }

  /** A dial of this endpoint failed. `before`: how many failures had counted there when it began; left out where nothing runs beside it. */
  failed(endpoint: Endpoint, error: unknown, nodeId?: number, before?: number): void {
    const failure = error instanceof ConnectionError ? error.failure : undefined
    if (failure?.code === 'ABORT_ERR' || failure?.code === 'TOO_SOON') return
    const dials = this.dialsAt(endpoint)
    if (failure?.code === 'WRONG_NODE' && nodeId !== undefined) {
      // Another node is at work there: only the one that is looked for has to wait.
      const streak = dials.strangers.get(nodeId) ?? new Streak(this.random)
      dials.strangers.set(nodeId, streak)
      streak.failed(bounds.dial)
      for (const waiting of dials.inTurn) if (waiting.nodeId === nodeId) waiting.fail(error)
      return
    }
    const kind = failure?.kind
    const isRefused = dials.refusal === 'login-refused'
    // Dials that ran side by side count as one failure: a refused login, if there was one among them.
    const isShared = before !== undefined && before !== dials.counted
    const counts = !isShared || (kind === 'login-refused' && !isRefused)
    // A refused login stays the reason while its wait is running, whatever else fails beside it.
    if (!isRefused || (!isShared && dials.streak.waitMs === 0)) {
      dials.refusal = kind && isRefusal(kind) ? kind : undefined
      dials.error = error
    }
    dials.atOnce = 1
    if (counts) {
      dials.counted++
      dials.streak.failed(boundsFor(failure))
    }
    for (const waiting of dials.inTurn) waiting.fail(error)
  }

  /**
   * Forgives the failures of an endpoint that was announced again, or whose name resolves to other addresses; a refused login is not forgiven.
   * At most once a second: brokers that contradict each other announce it again and again.
   */
  renew(endpoint: Endpoint): void {
    const dials = this.endpoints.get(formatEndpoint(endpoint))
    const now = performance.now()
    if (!dials || now - dials.renewedAt < renewEachMs) return
    dials.renewedAt = now
    if (dials.refusal !== 'login-refused') dials.streak.succeeded()
    dials.strangers.clear()
  }

  /** Forgets all other endpoints, once they are idle and their failures are old. */
  keep(wanted: ReadonlySet<string>): void {
    const now = performance.now()
    for (const [name, { running, streak, strangers, renewedAt }] of this.endpoints) {
      const isOver = [streak, ...strangers.values()].every((one) => one.isOver) && now - renewedAt >= renewEachMs
      if (!wanted.has(name) && running === 0 && isOver) this.endpoints.delete(name)
    }
  }

  /** Runs a login at its pace (`LoginPace.run`). A refusal here is shared until its wait is over. */
  login<Value>(endpoint: Endpoint, work: () => Promise<Value>): Promise<Value> {
    const dials = this.dialsAt(endpoint)
    const refusalHere = () => (dials.refusal === 'login-refused' && dials.streak.waitMs > 0 ? dials.error : undefined)
    return this.logins.run(dials.logins, refusalHere, work)
  }

  private dialsAt(endpoint: Endpoint): EndpointDials {
    const name = formatEndpoint(endpoint)
    const dials = this.endpoints.get(name) ?? new EndpointDials(this.random)
    this.endpoints.set(name, dials)
    return dials
  }

  private turn(dials: EndpointDials, { nodeId, urgent = false, signal }: Dialler): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => end(() => reject(new ConnectionError(givenUp)))
      const end = (settle: () => void) => {
        signal?.removeEventListener('abort', leave)
        dials.waiting.delete(waiting)
        settle()
      }
      const waiting: Waiting = { nodeId, urgent, go: () => end(resolve), fail: (error) => end(() => reject(error)) }
      dials.waiting.add(waiting)
      signal?.addEventListener('abort', leave, { once: true })
      if (signal?.aborted) leave()
    })
  }

  private admit(dials: EndpointDials): void {
    while (dials.running < dials.atOnce) {
      const [next] = dials.inTurn
      if (!next) return
      dials.running++
      next.go()
    }
  }
}

function boundsFor(failure: Failure | undefined): StreakBounds {
  if (failure?.kind === 'version-too-old') return bounds.version
  if (failure?.kind === 'login-refused') return bounds.login
  return failure && slow.has(failure.kind) ? bounds.refusal : bounds.dial
}

const slow: ReadonlySet<FailureKind> = new Set(['identity-refused', 'foreign-cluster', 'settings-failed'])

const givenUp: Failure = { kind: 'dial-failed', message: 'The dial is no longer wanted.', code: 'ABORT_ERR' }
