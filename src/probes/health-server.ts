/** The health server: an HTTP server of its own for probes, where a service has none. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { codeOf } from '../../machines/failure.ts'
import { optionError } from '../error.ts'
import { checkName } from '../options/suggestion.ts'
import { expected } from '../options/value.ts'
import { type HealthHandlerOptions, healthHandler, type Probed } from './health-handler.ts'

/** Options of `healthServer`. */
export interface HealthServerOptions extends HealthHandlerOptions {
  /** Whose health it tells; read at each request, so that consumers may be added. */
  readonly consumers: readonly Probed[]
  /** Where it listens; 0 for any free port. */
  readonly port: number
  /** The address it listens at. Default `0.0.0.0`, as the kubelet connects to the pod's address; `::` where pods have IPv6 addresses only. */
  readonly host?: string | undefined
}

/** A health server that listens. */
export interface HealthServer extends AsyncDisposable {
  readonly port: number
  /** Ends it and all its connections. */
  close(): Promise<void>
}

/** A client that is silent in the middle of a request is disconnected after this long, in milliseconds. */
const silentMs = 5000
/** Far more than probes need; further ones are refused, so that nobody takes up all of the sockets of the process. */
const mostConnections = 256

const known = ['consumers', 'port', 'host', 'token']

/**
 * Listens, and answers what `healthHandler` answers. It does not keep the process alive. Rejects with a RelistenError, with code
 * `invalid-option`, where it can't listen.
 */
export async function healthServer(options: HealthServerOptions): Promise<HealthServer> {
  const written = 'write `await healthServer({ consumers: [consumer], port: 8080 })`.'
  if (typeof options !== 'object' || options === null) throw expected('options', 'to be an object', options, written)
  for (const name of Object.keys(options))
    checkName(name, { known, elsewhere: {}, nextStep: 'correct the name or leave it out.' })
  const { consumers, port, host = '0.0.0.0', token } = options
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw expected('port', 'to be a port', port, written)
  if (typeof host !== 'string' || host === '')
    throw expected(
      'host',
      'to be an address of this host',
      host,
      'leave it out, or write `0.0.0.0`, `::` or `127.0.0.1`.',
    )
  const limits = { headersTimeout: silentMs, requestTimeout: silentMs, connectionsCheckingInterval: 1000 }
  const server = createServer({ ...limits, keepAliveTimeout: silentMs }, healthHandler(consumers, { token }))
  server.maxConnections = mostConnections
  server.on('connection', (socket) => socket.unref())
  try {
    await once(server.listen(port, host), 'listening')
  } catch (error) {
    const why = `The health server can't listen at ${host}:${port}: ${codeOf(error) ?? String(error)}`
    throw optionError(why, 'choose a free `port`, and a `host` that is an address of this machine.')
  }
  server.unref()
  const close = async () => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close }
}
