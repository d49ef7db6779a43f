/** A source: where the user says the brokers are. It has a deadline, never throws, and remembers the last good list. */

import { EMPTY, merge, Observable, Subject } from 'rxjs'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../machines/endpoint.ts'
import { type Failure, isError, messageOf } from '../../machines/failure.ts'
import { withoutSecrets } from '../security/secrets.ts'
import { deadline } from '../time/deadline.ts'

/** A stream of lists: anything with RxJS's `subscribe`, or an async iterable. */
export type BrokerChanges =
  | AsyncIterable<readonly string[]>
  | {
      subscribe(observer: { next(list: readonly string[]): void; error(error: unknown): void; complete(): void }): {
        unsubscribe(): void
      }
    }

/** A source object: `current()` is asked at each poll, at most twenty times a second; `changes`, where there is one, announces new lists. */
export interface BrokerSource {
  current(): readonly string[] | Promise<readonly string[]>
  readonly changes?: BrokerChanges | undefined
}

/** The option `brokers`: a list of `host:port`, a function that returns one, or a source object. */
export type Brokers = readonly string[] | BrokerSource['current'] | BrokerSource

/** What the source said last: the list in use (after a failure the last good one), and what was wrong with the newest one. */
export interface SourceReading {
  readonly endpoints: readonly Endpoint[]
  readonly failure?: Failure
}

export interface Source {
  /** Never rejects; resolves by the deadline, or at once when aborted. A call that hangs is made again after 10 seconds. */
  current(signal?: AbortSignal): Promise<SourceReading>
  /** Announced lists, and those that came after their deadline. Never errs. */
  readonly changes$: Observable<SourceReading>
}

/** A call that hangs is abandoned and made again after this time, in milliseconds. */
const againAfterMs = 10_000

/** A longer list is cut off, with a failure that says so. */
export const maxEndpoints = 64

/** Makes a source of the option `brokers`. One call may take `sourceTimeoutMs`; a later list is still used when it comes. */
export function createSource(brokers: Brokers, { sourceTimeoutMs = 3000 } = {}): Source {
  const late$ = new Subject<SourceReading>()
  let good: readonly Endpoint[] = []
  let hanging: Promise<SourceReading> | undefined
  let overdue = false
  let askedAt = 0

  const read = (list: unknown): SourceReading => {
    try {
      const { endpoints, why } = readList(list)
      if (endpoints.length > 0) good = endpoints
      return why === undefined ? { endpoints: good } : fail(why)
    } catch (error) {
      // The user's own object: its entries may throw when they are read.
      return fail(`returned a list that can't be read: ${describe(error)}`)
    }
  }
  const fail = (why: string): SourceReading => {
    const message = `The source of brokers ${why}. The last good list and the known brokers are used on; check what \`brokers\` returns.`
    return { endpoints: good, failure: { kind: 'source-failed', message } }
  }
  const hung = () => fail(`has not answered for ${sourceTimeoutMs} ms`)

  const call = async (): Promise<() => SourceReading> => {
    try {
      if (isList(brokers)) return () => read(brokers)
      const list = await (typeof brokers === 'function' ? brokers() : brokers.current())
      return () => read(list)
    } catch (error) {
      return () => fail(`threw ${describe(error)}`)
    }
  }
  const begin = (): Promise<SourceReading> => {
    askedAt = performance.now()
    const mine: Promise<SourceReading> = call().then((answer) => {
      // It was given up, and a newer call knows better.
      if (hanging !== mine) return { endpoints: good }
      hanging = undefined
      const reading = answer()
      if (overdue) late$.next(reading)
      overdue = false
      return reading
    })
    return mine
  }
  const changes$ = isList(brokers) || typeof brokers === 'function' ? EMPTY : announced(brokers.changes, read, fail)
  return {
    changes$: merge(late$, changes$),
    async current(signal) {
      if (overdue && performance.now() - askedAt < againAfterMs) return hung()
      if (overdue) hanging = undefined
      overdue = false
      hanging ??= begin()
      const late = (): SourceReading | undefined => undefined
      const reading = await deadline(hanging, sourceTimeoutMs, late, signal)
      if (reading !== undefined) return reading
      if (signal?.aborted) return { endpoints: good }
      overdue = hanging !== undefined
      return hung()
    },
  }
}

const isList = (brokers: Brokers): brokers is readonly string[] => Array.isArray(brokers)

function announced(
  changes: BrokerChanges | undefined,
  read: (list: unknown) => SourceReading,
  fail: (why: string) => SourceReading,
): Observable<SourceReading> {
  if (changes === undefined) return EMPTY
  return new Observable((subscriber) => {
    const next = (list: unknown) => subscriber.next(read(list))
    // The stream has ended; `current()` is still called at each poll.
    const error = (reason: unknown) => subscriber.next(fail(`ended its stream of changes with ${describe(reason)}`))
    try {
      if (!(Symbol.asyncIterator in changes)) {
        const subscription = changes.subscribe({ next, error, complete: () => {} })
        return () => quietly(() => subscription.unsubscribe())
      }
      const iterator = changes[Symbol.asyncIterator]()
      const pull = (): Promise<void> =>
        iterator.next().then(({ done, value }) => {
          if (done || subscriber.closed) return
          next(value)
          return pull()
        })
      pull().catch(error)
      return () => void (async () => iterator.return?.())().catch(() => {})
    } catch (reason) {
      error(reason)
      return
    }
  })
}

/** The endpoints in a list, and what is wrong with it. */
function readList(list: unknown): { readonly endpoints: readonly Endpoint[]; readonly why?: string } {
  if (!Array.isArray(list)) return { endpoints: [], why: `returned ${describe(list)} instead of a list` }
  if (list.length === 0) return { endpoints: [], why: 'returned an empty list' }
  const found = new Map<string, Endpoint>()
  const bad: unknown[] = []
  for (const entry of list.slice(0, maxEndpoints)) {
    const endpoint = typeof entry === 'string' ? parseEndpoint(entry) : undefined
    if (endpoint) found.set(formatEndpoint(endpoint), endpoint)
    else bad.push(entry)
  }
  const endpoints = [...found.values()]
  if (bad.length > 0) {
    const named = bad.slice(0, 5).map(describe).join(', ')
    return { endpoints, why: `returned ${bad.length} entries that are not host:port: ${named}` }
  }
  if (list.length <= maxEndpoints) return { endpoints }
  return { endpoints, why: `returned ${list.length} endpoints; only the first ${maxEndpoints} are used` }
}

/** A short text. Secrets are removed before it is cut: half of one would not be recognized. */
function describe(value: unknown): string {
  const text = withoutSecrets(messageOf(value)).slice(0, 200)
  if (typeof value === 'string') return `"${text}"`
  return isError(value) ? `${value.name}: ${text}` : text
}

function quietly(end: () => void): void {
  try {
    end()
  } catch {
    // It is not needed any more.
  }
}
