/**
 * A standby: the second connection of a link. It is made when the first one falls silent, so that the same request can go out on both; it
 * stays while it may be needed again, and ends by itself.
 */

import type { HeldConnection } from '../connection/connection.ts'

export interface StandbyOptions {
  readonly dial: (signal: AbortSignal) => Promise<HeldConnection>
  readonly onOpen: (line: HeldConnection) => void
  /** The dial failed, and nobody had given it up. Says whether another try soon may help. */
  readonly onFailed: (error: unknown) => boolean
  /** Whether there is still a use for it. */
  readonly isWanted: () => boolean
}

/** Looks after so long whether it is wanted, and closes when not, in milliseconds. */
const idleMs = 5000
/** The next try after a dial without an answer, and up to half as long again, in milliseconds. */
const retryMs = 600

export class Standby {
  private readonly options: StandbyOptions
  /** When the connection was made, on the clock of `performance.now()`. */
  openedAt = 0
  private held: HeldConnection | undefined
  private attempt: AbortController | undefined
  private idle: NodeJS.Timeout | undefined
  private retry: NodeJS.Timeout | undefined

  constructor(options: StandbyOptions) {
    this.options = options
  }

  /** The connection; undefined while there is none. */
  get line(): HeldConnection | undefined {
    return this.held?.open ? this.held : undefined
  }

  /** Somebody has a use for it now: dials unless it is there or on its way. */
  want(): void {
    clearTimeout(this.idle)
    this.idle = setTimeout(() => (this.options.isWanted() ? this.want() : this.close()), idleMs)
    this.idle.unref()
    if (!this.line && !this.attempt) void this.open()
  }

  /** Hands the connection over; it is no longer the standby. */
  take(): HeldConnection | undefined {
    const { line } = this
    this.held = undefined
    return line
  }

  close(): void {
    clearTimeout(this.idle)
    clearTimeout(this.retry)
    this.attempt?.abort()
    this.attempt = undefined
    this.take()?.close()
  }

  private async open(): Promise<void> {
    const { dial, onOpen, onFailed, isWanted } = this.options
    clearTimeout(this.retry)
    const attempt = new AbortController()
    this.attempt = attempt
    try {
      const line = await dial(attempt.signal)
      if (attempt.signal.aborted) return line.close()
      this.attempt = undefined
      this.held = line
      this.openedAt = performance.now()
      onOpen(line)
    } catch (error) {
      if (attempt.signal.aborted) return
      this.attempt = undefined
      if (!onFailed(error)) return
      this.retry = setTimeout(() => isWanted() && this.want(), retryMs * (1 + Math.random() / 2))
      this.retry.unref()
    }
  }
}
