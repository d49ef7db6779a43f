/** KafkaJS's logins, on sockets that are not its own. */

import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Endpoint } from '../../machines/endpoint.ts'
import { apiKeys } from '../protocol/frames.ts'
import { keepingTokens } from '../security/secrets.ts'
import { deferred } from '../time/deferred.ts'
import type { ISocketFactory, Mechanism, SASLOptions } from './consumer.ts'
import { Broker, ConnectionPool, scram } from './parts.cjs'
import { silent } from './silent-logger.ts'

export type { ISocketFactory, KafkaConfig, SASLOptions } from './consumer.ts'

/**
 * Logs in on a socket that is connected (and has its TLS), then lets go of it: no listener of KafkaJS stays.
 * Returns how long the login is valid in milliseconds, 0 for ever (`connections.max.reauth.ms`).
 * KafkaJS writes into the `sasl` object, so it must be a fresh one. Mechanisms are told the endpoint that is dialled: some sign the
 * host (AWS MSK IAM), or ask for a ticket to it (Kerberos).
 */
export async function login(
  socket: Socket,
  sasl: SASLOptions,
  clientId: string,
  timeoutMs: number,
  { host, port }: Endpoint,
): Promise<number> {
  const connectionPool = new ConnectionPool({
    host,
    port,
    sasl: withKnownToken(withSaltedPassword(sasl)),
    clientId,
    logger: silent,
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    enforceRequestTimeout: false,
    socketFactory: (({ onConnect }) => {
      setImmediate(onConnect)
      return socket
    }) satisfies ISocketFactory,
  })
  // Without them it would ask for the versions first. That takes as long as a step of the login, and the dial asks after it.
  const broker = new Broker({
    connectionPool,
    logger: silent,
    authenticationTimeout: timeoutMs,
    versions: loginVersions,
  })
  // KafkaJS wraps every error of a login in one that says the credentials were refused. What the broker answered, or did not, tells.
  let told: unknown
  const mechanism = sasl.mechanism.toUpperCase()
  let handshake: Promise<unknown> = Promise.resolve()
  for (const connection of connectionPool.pool) {
    const send = connection.send.bind(connection)
    connection.send = (call) => {
      const isHandshake = call.request.apiKey === apiKeys.saslHandshake
      const answer = send(call).catch((error: Error & { code?: unknown }) => {
        if (isHandshake || !refusals.has(error.code)) told ??= error
        throw error
      })
      if (isHandshake && mechanism in scramDigests) {
        handshake = answer
        handshake.catch(() => {})
        // What SCRAM says next holds no secret and does not depend on the answer, which is awaited with the next one.
        return Promise.resolve({ enabledMechanisms: [mechanism] })
      }
      return Promise.all([answer, handshake]).then(([answered]) => answered)
    }
  }
  // KafkaJS does not hear of a socket that is destroyed, and would wait on with a timer each millisecond.
  const closed = deferred<never>()
  const onClose = () => closed.reject(Object.assign(new Error('closed during the login'), { code: 'ECONNRESET' }))
  socket.once('close', onClose)
  try {
    await Promise.race([broker.connect(), closed.promise])
    return connectionPool.pool[0]?.sessionLifetime.toNumber() ?? 0
  } catch (error) {
    throw told ?? error
  } finally {
    for (const name of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(name)
    socket.off('close', onClose)
    socket.on('error', () => {})
    for (const connection of connectionPool.pool) connection.requestQueue.destroy()
  }
}

/** Brokers of each release that is spoken to know these; KafkaJS knows no later ones. */
const loginVersions = {
  [apiKeys.saslHandshake]: { minVersion: 0, maxVersion: 1 },
  [apiKeys.saslAuthenticate]: { minVersion: 0, maxVersion: 1 },
}

/** Kafka's codes for a login that is refused: the mechanism is not spoken, the order is wrong, the credentials are. */
const refusals: ReadonlySet<unknown> = new Set([33, 34, 58])

const scramDigests: Readonly<Record<string, { readonly type: string }>> = {
  'SCRAM-SHA-256': scram.DIGESTS.SHA256,
  'SCRAM-SHA-512': scram.DIGESTS.SHA512,
}
const saltedPasswords = new Map<string, Promise<Buffer>>()
const mostSaltedPasswords = 16

/**
 * Kafka and Redpanda refuse a credential of more than 16384 rounds (KIP-554), but older tools wrote any number. Each login salts the
 * password as often as whoever answers says, on one of four threads that also look up names: a third of a second for so many.
 */
const mostIterations = 262_144

/**
 * KafkaJS's SCRAM, which salts the password once for all logins and not twice in each (RFC 5802, section 3, lets a client keep
 * what it derived): thousands of rounds of a hash are most of what a login costs, and after a move there are many at once.
 */
class Scram extends scram.SCRAM {
  private readonly secret: string

  constructor(...given: ConstructorParameters<typeof scram.SCRAM>) {
    super(...given)
    this.secret = JSON.stringify([given[5].type, given[0].password])
  }

  override saltPassword(answer: { readonly s: string; readonly i: string }): Promise<Buffer> {
    const iterations = Number.parseInt(answer.i, 10)
    if (!(iterations <= mostIterations)) {
      const asked = `the broker asks for ${answer.i} iterations of the password's hash`
      return Promise.reject(new Error(`${asked}, and at most ${mostIterations} are done`))
    }
    const key = createHash('sha256')
      .update(JSON.stringify([this.secret, answer.s, answer.i]))
      .digest('base64')
    const known = saltedPasswords.get(key)
    if (known) return known
    const salted = super.saltPassword(answer)
    saltedPasswords.set(key, salted)
    salted.catch(() => saltedPasswords.delete(key))
    const [oldest] = saltedPasswords.keys()
    if (saltedPasswords.size > mostSaltedPasswords && oldest) saltedPasswords.delete(oldest)
    return salted
  }
}

function withSaltedPassword(sasl: SASLOptions): SASLOptions | Mechanism {
  const digest = scramDigests[sasl.mechanism.toUpperCase()]
  if (!digest || !('username' in sasl)) return sasl
  const { mechanism, username, password } = sasl
  return {
    mechanism,
    authenticationProvider: ({ host, port, logger, saslAuthenticate }) =>
      new Scram({ username, password }, host, port, logger, saslAuthenticate, digest),
  }
}

function withKnownToken(sasl: SASLOptions | Mechanism): SASLOptions | Mechanism {
  return 'oauthBearerProvider' in sasl
    ? { ...sasl, oauthBearerProvider: keepingTokens(sasl.oauthBearerProvider) }
    : sasl
}
