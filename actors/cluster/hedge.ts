/** A hedge: the same question is put to one candidate after another without waiting for silent ones; the first answer wins. */

import { onSilence } from '../connection/silence.ts'
import { deferred } from '../time/deferred.ts'

export interface HedgeOptions {
  /** The next candidate is tried this long after the last one, or as soon as one fails. */
  readonly afterMs: number
  /** It fails after this time without an answer or a byte. */
  readonly deadlineMs: number
  /** When a byte last came from one of those asked, on the clock of `performance.now()`. Default: never. */
  readonly heardAt?: (() => number) | undefined
  /** The answer is large: while its bytes come, the next candidate waits. Default false. */
  readonly isHeavy?: boolean
  /** It fails after this time, however many bytes come. Default: `deadlineMs`. */
  readonly atMostMs?: number
  readonly signal?: AbortSignal | undefined
}

export type Hedge<Item, Answer> = ReturnType<typeof createHedge<Item, Answer>>

/** Starts with nobody: `add` candidates, then `close`. Attempts that run on after the answer are left alone. */
export function createHedge<Item, Answer>(
  attempt: (item: Item) => Promise<Answer>,
  { afterMs, deadlineMs, heardAt = () => 0, isHeavy = false, atMostMs = deadlineMs, signal }: HedgeOptions,
) {
  const { promise, resolve, reject } = deferred<Answer>()
  const waiting: Item[] = []
  let running = 0
  let closed = false
  let over = false
  let lastError: unknown
  let pace: (() => void) | undefined

  const end = (finish: () => void): void => {
    if (over) return
    over = true
    pace?.()
    deadline()
    signal?.removeEventListener('abort', abort)
    finish()
  }
  const late = () => end(() => reject(lastError ?? new Error(`no answer within ${deadlineMs} ms`)))
  const abort = () => end(() => reject(signal?.reason))
  const since = (isPutOff: boolean) => {
    const startedAt = performance.now()
    return () => (isPutOff ? Math.max(startedAt, heardAt()) : startedAt)
  }
  const deadline = onSilence({ forMs: deadlineMs, heardAt: since(true), atMostMs }, late)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()

  const launch = (item: Item): void => {
    running++
    attempt(item).then(
      (answer) => {
        running--
        end(() => resolve(answer))
      },
      (error: unknown) => {
        running--
        lastError = error
        next()
      },
    )
  }
  const next = (): void => {
    if (over) return
    pace?.()
    pace = undefined
    const item = waiting.shift()
    if (item !== undefined) {
      pace = onSilence({ forMs: afterMs, heardAt: since(isHeavy) }, next)
      launch(item)
    } else if (running === 0 && closed) {
      end(() => reject(lastError ?? new Error('there is no candidate to ask')))
    }
  }
  return {
    /** The first answer; rejects with the last failure when all have failed, or at the deadline. */
    answer: promise,
    /** Adds candidates behind those that wait. */
    add(items: readonly Item[]): void {
      waiting.push(...items)
      if (pace === undefined) next()
    },
    /** Asks these at once, even when the hedge is over. */
    addAtOnce: (items: readonly Item[]): void => items.forEach(launch),
    /** No more candidates will come: it fails when all of them have. */
    close(): void {
      closed = true
      if (running === 0) next()
    },
  }
}
