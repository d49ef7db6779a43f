/** The health handler: answers probes over HTTP with the verdicts of `status()`. */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { keepSecret } from '../../actors/security/secrets.ts'
import { messageOf } from '../../machines/failure.ts'
import { optionError } from '../error.ts'
import { expected } from '../options/value.ts'
import { printable } from '../printable.ts'
import type { Readiness } from '../views/readiness.ts'

/** What can be probed: a consumer. */
export interface Probed {
  readonly groupId: string
  status(): Readiness
}

/** Options of `healthHandler`. */
export interface HealthHandlerOptions {
  /**
   * With it `/status` wants `Authorization: Bearer <token>`, of everybody; at least 16 characters. Left out, only requests that come from this
   * host, to a name of this host and through no proxy, are shown it.
   */
  readonly token?: string | undefined
}

/** A listener of Node's HTTP servers, and middleware of Express and NestJS: a path that is not its own goes to `next`, or is answered with 404. */
export type HealthHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void

/** What a path responds with. */
interface Answer {
  readonly code: number
  readonly body: object
}

/**
 * Answers GET and HEAD of three paths, as JSON:
 * - `/livez` 200 while every consumer goes on by itself, else 503: only a new process helps. `{ live, reason }`
 * - `/readyz` 200 while every consumer does its work, else 503; also while there is none. `{ ready, reason }`
 * - `/status` what `status()` of each consumer says, with `live`, `ready` and `degraded` of all
 *
 * `consumers` is read at each request, so that consumers may be added. Throws a RelistenError with code `invalid-option`.
 */
export function healthHandler(consumers: readonly Probed[], options: HealthHandlerOptions = {}): HealthHandler {
  const { token } = options
  const next = 'write `healthHandler([consumer])`.'
  if (!Array.isArray(consumers)) throw expected('consumers', 'to be a list of consumers', consumers, next)
  for (const each of consumers)
    if (typeof each?.status !== 'function') throw expected('consumers', 'to be a list of consumers', each, next)
  if (token !== undefined && (typeof token !== 'string' || token.length < 16))
    throw optionError(
      'Expected `token` to be a string of at least 16 characters, got something else',
      'make one with `openssl rand -hex 16`.',
    )
  if (token !== undefined) keepSecret(token)
  const paths: Readonly<Record<string, (request: IncomingMessage) => Answer>> = {
    '/livez': () => verdict(consumers, 'live', 'liveReason'),
    '/readyz': () => verdict(consumers, 'ready', 'reason'),
    '/status': (request) => (mayRead(request, token) ? whole(consumers) : refusal(token)),
  }
  return (request, response, next) => {
    const [path = ''] = (request.url ?? '').split('?')
    const answer = Object.hasOwn(paths, path) ? paths[path] : undefined
    if (!answer && next) return next()
    const { code, body } = answer ? answered(request, answer) : { code: 404, body: { error: 'There is nothing here.' } }
    const text = `${JSON.stringify(body)}\n`
    response.writeHead(code, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      ...(code === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      ...(code === 405 ? { allow: 'GET, HEAD' } : {}),
    })
    response.end(request.method === 'HEAD' ? undefined : text)
  }
}

function answered(request: IncomingMessage, answer: (request: IncomingMessage) => Answer): Answer {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { code: 405, body: { error: 'Only GET and HEAD are answered.' } }
  try {
    return answer(request)
  } catch (error) {
    // Thrown in a listener of a server it would end the process.
    return { code: 500, body: { error: printable(messageOf(error)) } }
  }
}

/** What all consumers have in common: true where it is so of each. The reasons are of those that it is not so of, or else of all. */
function verdict(consumers: readonly Probed[], field: 'live' | 'ready', why: 'liveReason' | 'reason'): Answer {
  const all = consumers.map((each) => ({ groupId: each.groupId, status: each.status() }))
  const lacking = all.filter(({ status }) => !status[field])
  const isSo = lacking.length === 0 && (field === 'live' || all.length > 0)
  const named = ({ groupId, status }: (typeof all)[number]) => (all.length > 1 ? `${groupId}: ` : '') + status[why]
  const reasons = (isSo ? all : lacking).map(named)
  return { code: isSo ? 200 : 503, body: { [field]: isSo, reason: reasons.join(' ') || 'There is no consumer yet.' } }
}

function whole(consumers: readonly Probed[]): Answer {
  const all = consumers.map((each) => ({ groupId: each.groupId, ...each.status() }))
  const [live, ready] = [all.every((each) => each.live), all.length > 0 && all.every((each) => each.ready)]
  return { code: 200, body: { live, ready, degraded: all.some((each) => each.degraded), consumers: all } }
}

function refusal(token: string | undefined): Answer {
  if (token !== undefined) return { code: 401, body: { error: 'Send `Authorization: Bearer` with the token.' } }
  return { code: 403, body: { error: 'Only this host is shown the status. Give the health server a `token`.' } }
}

/** A proxy on this host, such as a sidecar, makes foreign requests look like ours: those are told by what they carry. */
function mayRead({ headers, socket }: IncomingMessage, token: string | undefined): boolean {
  if (token !== undefined) return isSame(headers.authorization ?? '', `Bearer ${token}`)
  const isForwarded = headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined
  return !isForwarded && isLoopback(socket.remoteAddress ?? '') && isLoopback(hostIn(headers.host ?? ''))
}

/** The host of a `Host` header, without its port. */
const hostIn = (header: string): string => /^\[(.+)\](?::\d+)?$/.exec(header)?.[1] ?? header.replace(/:\d+$/, '')

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  const address = host.replace(/^::ffff:/, '')
  return isIP(address) === 4 && address.startsWith('127.')
}

/** Takes as long whatever the two differ in. */
function isSame(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(first as Buffer, second as Buffer)
}
