/** A socket on its way to an endpoint, plain or with TLS, and when it is connected. */

import net, { type LookupFunction, type Socket } from 'node:net'
import tls, { type ConnectionOptions as TlsOptions } from 'node:tls'
import type { Endpoint } from '../../machines/endpoint.ts'
import type { KafkaConfig } from '../kafkajs/login.ts'

export interface SocketOptions {
  /** False or undefined: plain. */
  readonly ssl: KafkaConfig['ssl'] | undefined
  readonly lookup: LookupFunction
  /** The name that the certificate has to carry, instead of the host. */
  readonly expectedIdentity?: string | undefined
}

/** Begins to connect. Whoever calls it listens for errors. */
export function openSocket(endpoint: Endpoint, { ssl, lookup, expectedIdentity }: SocketOptions): Socket {
  const { host, port } = endpoint
  const socket = ssl ? tlsSocket(endpoint, ssl, lookup, expectedIdentity) : net.connect({ host, port, lookup })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  return socket
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

/** Resolves when it is connected, and rejects with why it is not. */
export const connected = (socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once(event, () => {
      socket.removeAllListeners('error')
      socket.on('error', () => {})
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(Object.assign(new Error('closed while connecting'), { code: 'ECONNRESET' })))
  })
