/** Dial failures: what a failed dial says about the endpoint and whoever is there. */

import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import { codeOf, type Failure, type FailureKind, isError, messageOf } from '../../machines/failure.ts'
import { ConnectionError } from './connection.ts'

/** The failure inside whatever a dial or a connection to this endpoint threw. */
export function fromDial(error: unknown, endpoint: Endpoint): Failure {
  if (error instanceof ConnectionError) return error.failure
  return { kind: 'dial-failed', message: messageOf(error), endpoint: formatEndpoint(endpoint) }
}

/** Whether the node can't be reached here any more: nobody answers, or another cluster, or one we may not talk to. Other refusals are its own. */
export const isAbsence = ({ kind, code }: Failure): boolean =>
  (kind === 'dial-failed' && code !== 'WRONG_NODE') || kind === 'foreign-cluster' || kind === 'identity-refused'

/** Whether one side turned the other down by name: a fact, once per endpoint. */
export const isRefusal = (kind: FailureKind): boolean =>
  kind === 'identity-refused' || kind === 'login-refused' || kind === 'version-too-old'

/** Classifies an error of the system, of TLS, of KafkaJS's login, or anything else that was thrown. */
export function classify(error: unknown): Omit<Failure, 'endpoint' | 'nodeId'> {
  const known: Error | undefined = isError(error) ? error : undefined
  if (known instanceof ConnectionError) return known.failure
  const message = messageOf(error)
  const { name, type }: { name?: string; type?: string } = known ?? {}
  const told = codeOf(error) ?? type
  if (name === 'KafkaJSSASLAuthenticationError' || (type && refusals.has(type)))
    return { kind: 'login-refused', message, code: told ?? 'SASL_AUTHENTICATION_FAILED' }
  if (told && notTls.has(told))
    return { kind: 'identity-refused', message: 'what answers there is not TLS, and TLS was spoken', code: told }
  if (told && /^ERR_TLS_|^ERR_SSL_|^CERT_|VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER/.test(told)) {
    return { kind: 'identity-refused', message, code: told }
  }
  return { kind: 'dial-failed', message, code: told ?? name ?? 'UNKNOWN' }
}

const refusals: ReadonlySet<string> = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'ILLEGAL_SASL_STATE',
  'UNSUPPORTED_SASL_MECHANISM',
])

/** What OpenSSL makes of plain text. Its own message is a line of its source. */
const notTls: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
])
