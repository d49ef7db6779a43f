/**
 * The pace of logins: how this process tries credentials without locking the account. Until a login has been accepted anywhere, logins
 * take turns over all endpoints, and a refusal makes all of them wait (`bounds.login`: 5–7.5 s, up to 60 s). Later each endpoint has
 * its own turns, and a refusal counts as a failure of that endpoint in `dial-pace.ts`.
 */

import { deferred } from '../time/deferred.ts'
import { ConnectionError } from './connection.ts'
import { bounds, Streak } from './retry-pace.ts'

/** After an accepted login, logins at the same endpoint run side by side for this long, in milliseconds: links follow the poller to a new endpoint. */
const provenForMs = 5000

/** The logins at one endpoint. */
export class EndpointLogins {
  /** The login that others here wait for; resolves with its error, if any. */
  first: Promise<unknown> | undefined
  /** Rejects each login that is under way. */
  readonly rejectors = new Set<(error: unknown) => void>()
  /** When a login was last accepted here, on the clock of `performance.now()`. */
  provenAt = Number.NEGATIVE_INFINITY

  get isProven(): boolean {
    return performance.now() - this.provenAt < provenForMs
  }
}

export class LoginPace {
  /** Refusals in a row, at any endpoint, while no login has ever been accepted. */
  private readonly unproven: Streak
  private first: Promise<unknown> | undefined
  private refusal: ConnectionError | undefined
  /** Whether a login has ever been accepted in this process: one that is refused later is not simply wrong. */
  isProven = false

  constructor(random: () => number) {
    this.unproven = new Streak(random)
  }

  /** How long nobody may log in anywhere, in milliseconds; 0: now. */
  get waitMs(): number {
    return this.unproven.waitMs
  }

  /**
   * Runs a login when its turn comes. It fails without being tried when the login it waited for was refused, while the wait after a refusal
   * is running, or when one that runs beside it is refused. `refusalHere` gives the endpoint's own refusal while its wait is running.
   * A login whose connection broke says nothing about the credentials.
   */
  async run<Value>(logins: EndpointLogins, refusalHere: () => unknown, work: () => Promise<Value>): Promise<Value> {
    const ahead = () => (this.isProven ? (logins.isProven ? undefined : logins.first) : this.first)
    for (let busy = ahead(); busy; busy = ahead()) {
      const error = await busy
      if (isLoginRefused(error)) throw error
    }
    if (!this.isProven && this.refusal && this.unproven.waitMs > 0) throw this.refusal
    const refusal = refusalHere()
    if (refusal !== undefined) throw refusal
    const running = work()
    const mine = running.then(
      () => undefined,
      (error: unknown) => error,
    )
    this.first ??= mine
    logins.first ??= mine
    const { promise: ended, reject: end } = deferred<never>()
    logins.rejectors.add(end)
    try {
      const value = await Promise.race([running, ended])
      this.isProven = true
      logins.provenAt = performance.now()
      this.unproven.succeeded()
      return value
    } catch (error) {
      if (isLoginRefused(error)) this.refused(error, logins)
      throw error
    } finally {
      logins.rejectors.delete(end)
      if (this.first === mine) this.first = undefined
      if (logins.first === mine) logins.first = undefined
    }
  }

  private refused(error: ConnectionError, logins: EndpointLogins): void {
    logins.provenAt = Number.NEGATIVE_INFINITY
    // Those that have not sent their credentials yet would only count against the account.
    for (const reject of logins.rejectors) reject(error)
    if (this.isProven) return
    this.refusal = error
    this.unproven.failed(bounds.login)
  }
}

const isLoginRefused = (error: unknown): error is ConnectionError =>
  error instanceof ConnectionError && error.failure.kind === 'login-refused'
