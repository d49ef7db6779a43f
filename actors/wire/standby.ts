/** A standby: the second connection of a link. It is dialled when the first falls silent, to ask twice, and closes when it is not needed again. */

import type { HeldConnection } from '../connection/connection.ts'

export interface StandbyOptions {
  readonly dial: (signal: AbortSignal) => Promise<HeldConnection>
  readonly onOpen: (connection: HeldConnection) => void
  /** The dial failed and was not aborted. Returns whether another try soon may help. */
  readonly onFailed: (error: unknown) => boolean
  /** Whether there is still a use for it. */
  readonly isWanted: () => boolean
}

/** After this time without use it closes, in milliseconds. */
const idleMs = 5000
/** The wait after a dial without an answer, in milliseconds; up to half as long is added at random. */
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
  get connection(): HeldConnection | undefined {
    return this.held?.open ? this.held : undefined
  }

  /** It is needed now: dials unless it is connected or being dialled. */
  want(): void {
    clearTimeout(this.idle)
    this.idle = setTimeout(() => (this.options.isWanted() ? this.want() : this.close()), idleMs)
    this.idle.unref()
    if (!this.connection && !this.attempt) void this.open()
  }

  /** Hands the connection over; it is no longer the standby. */
  take(): HeldConnection | undefined {
    const { connection } = this
    this.held = undefined
    return connection
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
      const connection = await dial(attempt.signal)
      if (attempt.signal.aborted) return connection.close()
      this.attempt = undefined
      this.held = connection
      this.openedAt = performance.now()
      onOpen(connection)
    } catch (error) {
      if (attempt.signal.aborted) return
      this.attempt = undefined
      if (!onFailed(error)) return
      this.retry = setTimeout(() => isWanted() && this.want(), retryMs * (1 + Math.random() / 2))
      this.retry.unref()
    }
  }
}
