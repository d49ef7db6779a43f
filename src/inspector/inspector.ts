/** The inspector: the live chart of the consumers and balancers of this process, as a page. */

import { randomBytes } from 'node:crypto'
import { optionError } from '../error.ts'
import { checkName } from '../options/suggestion.ts'
import { expected } from '../options/value.ts'
import type { Watched, WatchedBalancer } from '../views/inspection.ts'
import { Feed } from './feed.ts'
import { type InspectorServer, listen } from './inspector-server.ts'

/** Options of `serveInspector`. */
export interface InspectorOptions {
  /** Where it listens on the loopback address; 0 for any free port. */
  readonly port: number
  /** What the page has to know to be shown anything; at least 16 characters. Default: a random one, which is new with each process. */
  readonly token?: string | undefined
}

/** An inspector that listens. */
export interface Inspector extends AsyncDisposable {
  readonly port: number
  /** The address of the page, token included: whoever has it sees everything, and changes nothing. */
  readonly url: string
  /** For the option `inspect` of `createConsumer` and `createBalancer`. */
  readonly observe: InspectorObserver
  /** Ends it and all its connections. Consumers go on. */
  close(): Promise<void>
}

/** An observer that is given the consumer or balancer. */
export interface InspectorObserver {
  /** There, so that it is an observer of XState's inspection; it looks at facts, and does nothing with events. */
  next(): void
  /** Called by `createConsumer` and `createBalancer`. */
  watch(watched: Watched | WatchedBalancer): void
}

const written = 'write `await serveInspector({ port: 9230 })`.'

/**
 * Serves a page with the live chart of each consumer and balancer that gets `inspect: inspector.observe`, to this host only, and prints its address on standard error. It does
 * not keep the process alive. Rejects with a RelistenError, with code `invalid-option`, where it can't listen.
 */
export async function serveInspector(options: InspectorOptions): Promise<Inspector> {
  if (typeof options !== 'object' || options === null) throw expected('options', 'to be an object', options, written)
  for (const name of Object.keys(options))
    checkName(name, { known: ['port', 'token'], elsewhere: {}, nextStep: 'correct the name or leave it out.' })
  const feed = new Feed()
  const { url, port, close } = await served(feed, options)
  printAddress(url)
  const observe = { next: () => {}, watch: (watched: Watched | WatchedBalancer) => feed.watch(watched) }
  return { port, url, observe, close, [Symbol.asyncDispose]: close }
}

/** Serves a feed. `isKept`: the server keeps the process alive. */
export async function served(
  feed: Feed,
  { port, token, isKept = false }: InspectorOptions & { readonly isKept?: boolean },
): Promise<InspectorServer> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw expected('port', 'to be a port', port, written)
  if (token !== undefined && (typeof token !== 'string' || !/^[\w.~-]{16,}$/.test(token)))
    throw optionError(
      'Expected `token` to be a string of at least 16 letters, digits, `-`, `.`, `_` or `~`, got something else',
      'make one with `openssl rand -hex 16`, or leave it out.',
    )
  return listen(feed, { port, token: token ?? randomBytes(18).toString('base64url'), isKept })
}

/** The one time that the token is told. */
export const printAddress = (url: string): void => void process.stderr.write(`relisten: the inspector is at ${url}\n`)
