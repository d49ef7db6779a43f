/** The outcome of a consumer: how its start and its life end, as promises that its user may wait for, and what ends a start early. */

import { deferred } from '../actors/time/deferred.ts'
import type { FactData } from '../machines/fact.ts'
import type { Failure } from '../machines/failure.ts'
import { callError, type RelistenError } from './error.ts'

/** Options of `start()`: how it may be ended early. Wrong ones throw `invalid-call`. */
export interface StartOptions {
  /** Stops the consumer when it aborts: while it connects, and also later. */
  readonly signal?: AbortSignal | undefined
  /**
   * The start fails when the group is not joined by then.
   * @defaultValue no limit
   * @bounds 1–2147483647 ms
   */
  readonly timeoutMs?: number | undefined
}

export class Outcome {
  private readonly start = deferred<'joined' | 'stopped'>()
  private readonly end = deferred<void>()
  private readonly close = deferred<void>()
  private readonly over = new AbortController()
  private given: Promise<'joined' | 'stopped'> | undefined

  /** What `start()` gives. One that nobody handles is an unhandled rejection, as of any promise. */
  get started(): Promise<'joined' | 'stopped'> {
    this.given ??= this.start.promise.then((how) => how)
    return this.given
  }

  get ended(): Promise<void> {
    return this.end.promise
  }

  get closed(): Promise<void> {
    return this.close.promise
  }

  get isOver(): boolean {
    return this.over.signal.aborted
  }

  joined(): void {
    this.start.resolve('joined')
  }

  /** All is closed. `error`: what ended it, where nobody asked for that. */
  settle(error: RelistenError | undefined): void {
    this.over.abort()
    if (error) this.start.reject(error)
    else this.start.resolve('stopped')
    if (error) this.end.reject(error)
    else this.end.resolve()
    this.close.resolve()
  }

  /** Calls one of these when a start is to end early. Throws `invalid-call` for options that can't be right. */
  limit({ signal, timeoutMs }: StartOptions, onAbort: () => void, onLate: (timeoutMs: number) => void): void {
    check(signal, timeoutMs)
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true, signal: this.over.signal })
    if (timeoutMs === undefined) return
    const timer = setTimeout(() => onLate(timeoutMs), timeoutMs)
    const end = () => clearTimeout(timer)
    this.start.promise.then(end, end)
  }
}

const longestMs = 2 ** 31 - 1

function check(signal: unknown, timeoutMs: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw callError('Expected `signal` to be an AbortSignal', 'pass the `signal` of an AbortController.')
  const isRight = Number.isInteger(timeoutMs) && (timeoutMs as number) >= 1 && (timeoutMs as number) <= longestMs
  if (timeoutMs === undefined || isRight) return
  throw callError(
    `Expected \`timeoutMs\` to be a whole number from 1 to ${longestMs}, got \`${String(timeoutMs)}\``,
    'pass milliseconds, or leave it out to wait without a limit.',
  )
}

/** What a policy that said `stop` ends the consumer with. */
export function gaveUp({ topic, partition, offset }: FactData['handler.gave-up'], last: Failure | null): Failure {
  const because = last?.kind === 'handler-failed' ? `: ${last.message}` : ''
  return {
    kind: 'handler-failed',
    message: `${topic}/${partition} at offset ${offset}, where \`onHandlerError\` said stop${because}`,
  }
}

/** What a start that may take no longer ends the consumer with. `reason`: why it is not ready. */
export const tooLate = (timeoutMs: number, reason: string, hindrance: Failure | undefined): Failure => ({
  ...(hindrance ?? { kind: 'join-timed-out' }),
  message: `The group was not joined within ${timeoutMs} ms. ${reason}`,
})
