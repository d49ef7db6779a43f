/** The inspector's server: the page, and what it shows, for this host only and for whoever has the token. */

import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { keepSecret } from '../../actors/security/secrets.ts'
import { codeOf, messageOf } from '../../machines/failure.ts'
import { optionError } from '../error.ts'
import { printable } from '../printable.ts'
import type { Feed } from './feed.ts'
import { page } from './page.cjs'

/** A server that listens. */
export interface InspectorServer {
  readonly port: number
  /** Where the page is, with the token behind `#`, which browsers send to nobody. */
  readonly url: string
  close(): Promise<void>
}

/** The only address it listens at. */
const host = '127.0.0.1'
const names = [host, 'localhost', '[::1]']
/** A client that is silent in the middle of a request is disconnected after this long, in milliseconds. */
const silentMs = 5000
const mostConnections = 128

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  json: 'application/json; charset=utf-8',
}

const sameSiteOnly = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const

/** Listens at a port of the loopback address, 0 for any free one. Rejects with `invalid-option` where it can't. `isKept`: it keeps the process alive. */
export async function listen(
  feed: Feed,
  { port, token, isKept }: { readonly port: number; readonly token: string; readonly isKept: boolean },
): Promise<InspectorServer> {
  keepSecret(token)
  const files = page()
  const limits = { headersTimeout: silentMs, requestTimeout: silentMs, connectionsCheckingInterval: 1000 }
  const server = createServer({ ...limits, keepAliveTimeout: silentMs }, (request, response) => {
    try {
      respond(request, response)
    } catch (error) {
      // Thrown in a listener of a server it would end the process.
      refuse(response, 500, printable(messageOf(error)))
    }
  })
  server.maxConnections = mostConnections
  if (!isKept) server.on('connection', (socket) => socket.unref())
  try {
    await once(server.listen(port, host), 'listening')
  } catch (error) {
    const why = `The inspector can't listen at ${host}:${port}: ${codeOf(error) ?? String(error)}`
    throw optionError(why, 'choose a free `port`, or 0 for any.')
  }
  if (!isKept) server.unref()
  const bound = (server.address() as AddressInfo).port

  function respond(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', `http://${host}`)
    const file = files[pathname === '/' ? '/index.html' : pathname]
    const data = Object.hasOwn(paths, pathname) ? paths[pathname] : undefined
    if (request.method !== 'GET' && request.method !== 'HEAD') refuse(response, 405, 'Only GET and HEAD are answered.')
    else if (!isFromHere(request.headers, bound))
      refuse(response, 403, 'Open the address that the process has printed.')
    else if (file !== undefined) send(response, 200, types[pathname.split('.')[1] ?? 'html'] ?? '', file)
    else if (!data) refuse(response, 404, 'There is nothing here.')
    else if (isSame(request.headers.authorization ?? '', `Bearer ${token}`)) data(feed, response, searchParams)
    else refuse(response, 401, 'The token is missing or another one.')
  }

  return {
    port: bound,
    url: `http://${host}:${bound}/#token=${token}`,
    async close() {
      if (!server.listening) return
      feed.close()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** What is shown only to those who have the token. */
const paths: Readonly<Record<string, (feed: Feed, response: ServerResponse, asked: URLSearchParams) => void>> = {
  /** All facts so far, and those to come. */
  '/events'(feed, response) {
    response.writeHead(200, { ...sameSiteOnly, 'content-type': 'text/event-stream' })
    if (response.req.method === 'HEAD') response.end()
    else feed.join(response).catch(() => response.destroy())
  },
  /** The state of a journal after a record of it. */
  '/state'(feed, response, asked) {
    const [log, seq] = [feed.log(Number(asked.get('log'))), Number(asked.get('seq'))]
    try {
      if (log?.stateAt && Number.isInteger(seq)) send(response, 200, types.json ?? '', JSON.stringify(log.stateAt(seq)))
      else refuse(response, 404, 'There is no such journal.')
    } catch (error) {
      refuse(response, 422, printable(messageOf(error)))
    }
  },
}

/**
 * Whether it was this page, or a person, who asked: another site's page, whose browser has been led here under a name of that site, or sends its own origin
 * along, is none of them.
 */
function isFromHere(headers: IncomingHttpHeaders, port: number): boolean {
  const { host: named = '', origin, 'sec-fetch-site': site = 'none' } = headers
  if (!names.some((name) => named === `${name}:${port}`)) return false
  return (origin === undefined || origin === `http://${named}`) && (site === 'none' || site === 'same-origin')
}

function refuse(response: ServerResponse, code: number, error: string): void {
  send(response, code, types.json ?? '', `${JSON.stringify({ error })}\n`)
}

function send(response: ServerResponse, code: number, type: string, text: string): void {
  response.writeHead(code, {
    ...{ ...sameSiteOnly, 'content-type': type, 'content-length': Buffer.byteLength(text) },
    ...(code === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    ...(code === 405 ? { allow: 'GET, HEAD' } : {}),
  })
  response.end(response.req.method === 'HEAD' ? undefined : text)
}

/** Takes as long whatever the two differ in. */
function isSame(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(first as Buffer, second as Buffer)
}
