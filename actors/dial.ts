/**
 * A dial: from an endpoint to a connection that may be used. In order: allow-list, socket, TLS and its identity, login,
 * and one metadata request that shows the cluster id and which node this is. Nothing of KafkaJS's goes out before all that.
 */

import net, { type LookupFunction, type Socket } from 'node:net'
import tls, { type ConnectionOptions as TlsOptions } from 'node:tls'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../machines/endpoint.ts'
import type { Failure } from '../machines/failure.ts'
import { Connection, ConnectionError, type Line } from './connection.ts'
import { type KafkaConfig, login, type SASLOptions } from './kafka.ts'
import { namesOf } from './names.ts'

/** The part of KafkaJS's client options that opens connections. */
export type Security = Pick<KafkaConfig, 'ssl' | 'sasl' | 'clientId'>

export interface DialerOptions {
  /** Fresh options for each dial: credentials and certificates may have changed. */
  readonly security: () => Security | Promise<Security>
  /** Deadline of a whole dial in milliseconds; undefined: 1000, or 2000 with TLS or login. */
  readonly dialTimeoutMs: number | undefined
  /** False refuses the endpoint before a single byte goes there. */
  readonly allowEndpoint?: ((endpoint: Endpoint & { readonly nodeId?: number }) => boolean) | undefined
  /** The name every broker's certificate carries, instead of the dialled host. */
  readonly expectedIdentity?: string | undefined
  /** Resolves names like `dns.lookup`, its default. */
  readonly lookup?: LookupFunction | undefined
  /** The cluster id that must answer; undefined accepts any. */
  readonly clusterId: () => string | undefined
}

export interface Dialled {
  /** Who must answer. */
  readonly nodeId?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Gives a connection to this endpoint that somebody else dials in the same way, or did a moment ago. */
  readonly ready?: (() => Promise<Line | undefined>) | undefined
}

/** Opens a connection. Rejects with a ConnectionError, by its own deadline at the latest. */
export type Dial = (endpoint: Endpoint, options?: Dialled) => Promise<Line>

/** A function that gives credentials has this long, in milliseconds. */
const securityTimeoutMs = 3000

/** Makes the dial that everything of one consumer shares. */
export function createDial(options: DialerOptions): Dial {
  const { lookup } = namesOf(options.lookup)
  return async (endpoint, { nodeId, signal, ready } = {}) => {
    const turnDown = (failure: Omit<Failure, 'endpoint' | 'nodeId'>) =>
      new ConnectionError({
        ...failure,
        endpoint: formatEndpoint(endpoint),
        ...(nodeId === undefined ? {} : { nodeId }),
      })
    if (!isAllowed(nodeId === undefined ? endpoint : { ...endpoint, nodeId }, options.allowEndpoint)) {
      throw turnDown({ kind: 'identity-refused', message: 'allowEndpoint refuses this endpoint', code: 'NOT_ALLOWED' })
    }
    const failed = (error: unknown) =>
      error instanceof ConnectionError && error.snapshot ? error : turnDown(classify(error))
    const admit = (line: Line): Line => {
      try {
        checkIdentity(line, options.clusterId(), nodeId)
        return line
      } catch (error) {
        line.close()
        throw error
      }
    }
    // Whoever dials it shares its failure.
    const given = ready?.()
    const line =
      given &&
      (await withDeadline(given, options.dialTimeoutMs ?? 2000, signal).catch((error) => {
        given.then(
          (late) => late?.close(),
          () => {},
        )
        throw failed(error)
      }))
    if (line) return admit(line)
    const settings = (async () => options.security())()
    const {
      ssl,
      sasl,
      clientId = 'relisten',
    } = await withDeadline(settings, securityTimeoutMs, signal).catch((error) => {
      if (signal?.aborted) throw turnDown(classify(error))
      throw turnDown({ kind: 'login-refused', message: `The option \`kafka\` gave no settings: ${error.message}` })
    })
    const timeoutMs = options.dialTimeoutMs ?? (ssl || sasl ? 2000 : 1000)
    let socket: Socket | undefined
    let connection: Connection | undefined
    const work = async (): Promise<Connection> => {
      socket = ssl ? tlsSocket(endpoint, ssl, lookup, options.expectedIdentity) : net.connect({ ...endpoint, lookup })
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 30_000)
      await connected(socket, ssl ? 'secureConnect' : 'connect')
      const loginValidMs = sasl ? await login(socket, fresh(sasl), clientId, timeoutMs) : 0
      connection = new Connection({ socket, endpoint, clientId, loginValidMs })
      await connection.metadata()
      return connection
    }
    try {
      return admit(await withDeadline(work(), timeoutMs, signal))
    } catch (error) {
      connection?.close()
      socket?.destroy()
      throw failed(error)
    }
  }
}

/** A check that throws has not allowed anything. */
function isAllowed(
  endpoint: Endpoint & { readonly nodeId?: number },
  allowEndpoint: DialerOptions['allowEndpoint'],
): boolean {
  try {
    return allowEndpoint?.(endpoint) ?? true
  } catch {
    return false
  }
}

function tlsSocket(
  { host, port }: Endpoint,
  ssl: NonNullable<KafkaConfig['ssl']>,
  lookup: LookupFunction,
  expectedIdentity: string | undefined,
): Socket {
  // `servername` and `session` would switch the check of the dialled host off, so they never come from outside.
  const given: TlsOptions = typeof ssl === 'boolean' ? {} : ssl
  const { servername: _servername, session: _session, checkServerIdentity = tls.checkServerIdentity, ...rest } = given
  const identity = expectedIdentity ?? host
  return tls.connect({
    ...rest,
    host,
    port,
    lookup,
    ...(net.isIP(identity) ? {} : { servername: identity }),
    checkServerIdentity: (_name, certificate) => checkServerIdentity(identity, certificate),
  })
}

const connected = (socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once(event, () => {
      socket.removeAllListeners('error')
      socket.on('error', () => {})
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(Object.assign(new Error('closed while connecting'), { code: 'ECONNRESET' })))
  })

/** KafkaJS keeps its login inside the object it is given, so each login gets a copy without what an earlier one left there. */
function fresh(sasl: NonNullable<KafkaConfig['sasl']>): SASLOptions {
  if ('mechanism' in sasl && 'username' in sasl) {
    const { mechanism, username, password } = sasl
    return { mechanism, username, password } as SASLOptions
  }
  return { ...sasl } as SASLOptions
}

function checkIdentity(connection: Line, clusterId: string | undefined, nodeId: number | undefined): void {
  const { snapshot, endpoint } = connection
  const shared = { endpoint: formatEndpoint(endpoint), ...(nodeId === undefined ? {} : { nodeId }) }
  if (snapshot.clusterId === '') {
    const message =
      'It answers without a cluster id: it has not found its cluster yet, or does not tell. Nothing is done with it'
    throw new ConnectionError({ kind: 'dial-failed', message, code: 'NO_CLUSTER_ID', ...shared })
  }
  if (clusterId !== undefined && snapshot.clusterId !== clusterId) {
    const message = `Cluster ${snapshot.clusterId} answered instead of ${clusterId}`
    throw new ConnectionError({ kind: 'foreign-cluster', message, ...shared }, snapshot)
  }
  const entry = snapshot.brokers.find((broker) => broker.nodeId === nodeId)
  if (nodeId !== undefined && !(entry && sameEndpoint(entry, endpoint))) {
    const message = `It answers, but does not call itself node ${nodeId} at this endpoint`
    throw new ConnectionError({ kind: 'dial-failed', message, code: 'WRONG_NODE', ...shared }, snapshot)
  }
}

function withDeadline<Value>(work: Promise<Value>, timeoutMs: number, signal: AbortSignal | undefined): Promise<Value> {
  return new Promise((resolve, reject) => {
    const fail = (code: string, message: string) => reject(Object.assign(new Error(message), { code }))
    const timer = setTimeout(() => fail('ETIMEDOUT', `no answer within ${timeoutMs} ms`), timeoutMs)
    const abort = () => fail('ABORT_ERR', 'the dial is no longer wanted')
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    })
  })
}

/** The failure behind an error of the system, of TLS, or of KafkaJS's login. Never the error itself: it may quote secrets. */
function classify(error: unknown): Omit<Failure, 'endpoint' | 'nodeId'> {
  if (error instanceof ConnectionError) return error.failure
  const { name, message, code, type } = error as Error & { code?: string | number; type?: string }
  const told = typeof code === 'string' ? code : type
  if (
    name === 'KafkaJSSASLAuthenticationError' ||
    type === 'UNSUPPORTED_SASL_MECHANISM' ||
    type === 'SASL_AUTHENTICATION_FAILED'
  ) {
    return { kind: 'login-refused', message, code: told ?? 'SASL_AUTHENTICATION_FAILED' }
  }
  if (told && /^ERR_TLS_|^ERR_SSL_|^CERT_|VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER/.test(told)) {
    return { kind: 'identity-refused', message, code: told }
  }
  return { kind: 'dial-failed', message, code: told ?? name }
}
