/** The renewal of a login: a connection whose login is valid for a limited time is replaced before that is over. */

import type { HeldConnection } from '../connection/connection.ts'

/** A login is renewed after this share of its time. */
const renewedAfter = 0.8
/** A login is renewed at most this often, whatever the broker says, in milliseconds. */
const shortestLoginMs = 1000
/** The longest time a timer of Node can run; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1

export class LoginRenewal {
  /** The connection whose login is about to expire. */
  expiring: HeldConnection | undefined
  private readonly onExpiring: () => void
  private timer: NodeJS.Timeout | undefined

  constructor(onExpiring: () => void) {
    this.onExpiring = onExpiring
  }

  /** Renews the login of this connection in time, and of no earlier one. One that is valid for ever (0 ms) needs no renewal. */
  schedule(connection: HeldConnection): void {
    clearTimeout(this.timer)
    if (connection.loginValidMs > 0)
      this.arm(connection, Math.max(shortestLoginMs, connection.loginValidMs * renewedAfter))
  }

  close(): void {
    clearTimeout(this.timer)
  }

  private arm(connection: HeldConnection, inMs: number): void {
    const waitMs = Math.min(inMs, longestTimerMs)
    this.timer = setTimeout(() => {
      if (waitMs < inMs) return this.arm(connection, inMs - waitMs)
      this.expiring = connection
      this.onExpiring()
    }, waitMs)
    this.timer.unref()
  }
}
