/** A socket on its way to an endpoint, plain or with TLS, and when it is connected. */

import net, { type LookupFunction, type Socket } from 'node:net'
import tls, { type ConnectionOptions as TlsOptions } from 'node:tls'
import type { Endpoint } from '../../machines/endpoint.ts'
import type { ISocketFactory, KafkaConfig } from '../kafkajs/login.ts'

export interface SocketOptions {
  /** False or undefined: plain. */
  readonly ssl: KafkaConfig['ssl'] | undefined
  readonly lookup: LookupFunction
  /** The name that the certificate has to carry, instead of the host. */
  readonly expectedIdentity?: string | undefined
  /** Opens it in place of Node's own. */
  readonly socketFactory?: ISocketFactory | undefined
}

/** A socket on its way. */
export interface OpenedSocket {
  readonly socket: Socket
  /** Resolves when it is connected, with its TLS, and rejects with why it is not. */
  readonly connected: Promise<void>
}

/** Begins to connect. Whoever calls it awaits `connected` at once. */
export function openSocket(endpoint: Endpoint, options: SocketOptions): OpenedSocket {
  const { ssl, lookup, expectedIdentity, socketFactory } = options
  const { host, port } = endpoint
  if (socketFactory) return fromFactory(endpoint, ssl, socketFactory)
  const socket = ssl ? tlsSocket(endpoint, ssl, lookup, expectedIdentity) : net.connect({ host, port, lookup })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  return { socket, connected: connected(socket, (done) => void socket.once(ssl ? 'secureConnect' : 'connect', done)) }
}

function fromFactory({ host, port }: Endpoint, ssl: SocketOptions['ssl'], open: ISocketFactory): OpenedSocket {
  let done = () => {}
  const given = ssl ? { ...(net.isIP(host) ? {} : { servername: host }), ...(ssl === true ? {} : ssl) } : undefined
  const socket = open({ host, port, ssl: given as TlsOptions, onConnect: () => done() })
  const isConnected = connected(socket, (called) => {
    done = called
  })
  return { socket, connected: isConnected }
}

function tlsSocket(
  { host, port }: Endpoint,
  ssl: NonNullable<KafkaConfig['ssl']>,
  lookup: LookupFunction,
  expectedIdentity: string | undefined,
): Socket {
  // `servername` and `session` would switch the check of the dialled host off, so they never come from outside.
  const given: TlsOptions = typeof ssl === 'boolean' ? {} : ssl
  const { servername: _servername, session: _session, rejectUnauthorized, ...others } = given
  const { checkServerIdentity = tls.checkServerIdentity, ...rest } = others
  const identity = expectedIdentity ?? host
  return tls.connect({
    ...rest,
    host,
    port,
    lookup,
    ...(net.isIP(identity) ? {} : { servername: identity }),
    // Always given: otherwise NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would decide.
    rejectUnauthorized: rejectUnauthorized !== false,
    checkServerIdentity: (_name, certificate) => checkServerIdentity(identity, certificate),
  })
}

/** Resolves when `whenDone` calls, and rejects with why it is not connected. */
const connected = (socket: Socket, whenDone: (done: () => void) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    whenDone(() => {
      socket.removeAllListeners('error')
      socket.on('error', () => {})
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(Object.assign(new Error('closed while connecting'), { code: 'ECONNRESET' })))
  })
