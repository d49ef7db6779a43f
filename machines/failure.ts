/** A failure: what went wrong, as data. What the user gets is an error of the façade, built from one of these. */

/** What helps against a failure. */
export type Remedy = 'wait' | 'redial' | 'replace' | 'refresh-credentials' | 'give-up'

/**
 * The closed list of failures, and what helps against each:
 * - `unreachable` no broker responded · `dial-failed` one address refused, reset or did not respond
 * - `identity-refused` TLS identity, allow-list, or the endpoint is not the node it should be · `foreign-cluster` another cluster id
 * - `version-too-old` the broker does not speak a request that is needed
 * - `login-refused` authentication failed · `settings-failed` the function `kafka` hung, threw or returned what can't be used
 * - `not-authorized` denied by an ACL · `topic-missing` a subscribed topic does not exist, and was never seen
 * - `member-lost` the coordinator does not know our member · `group-refused` the group refused the join
 * - `session-crashed` KafkaJS ended by itself · `session-silent` it goes on but no messages arrive · `unproven` no heartbeat was accepted over new connections in time
 * - `join-timed-out` no assignment, or no positions to read from, in time · `source-failed` the source of brokers hung, threw or returned nonsense
 * - `handler-failed` the user's handler threw · `callback-failed` a callback for partitions threw or took too long · `journal-failed` a record could not be appended · `bug` internal error, please report it
 */
export const remedies = {
  unreachable: 'wait',
  'dial-failed': 'redial',
  'identity-refused': 'wait',
  'foreign-cluster': 'wait',
  'version-too-old': 'wait',
  'login-refused': 'refresh-credentials',
  'settings-failed': 'wait',
  'not-authorized': 'give-up',
  'topic-missing': 'give-up',
  'member-lost': 'replace',
  'group-refused': 'give-up',
  'session-crashed': 'replace',
  'session-silent': 'replace',
  unproven: 'replace',
  'join-timed-out': 'replace',
  'source-failed': 'wait',
  'handler-failed': 'give-up',
  'callback-failed': 'replace',
  'journal-failed': 'give-up',
  bug: 'give-up',
} as const satisfies Record<string, Remedy>

export type FailureKind = keyof typeof remedies

/** A failure as data: JSON, without secrets. `code` is the system's or Kafka's own (ECONNREFUSED, ERR_TLS_…, ILLEGAL_GENERATION). */
export interface Failure {
  readonly kind: FailureKind
  readonly message: string
  readonly code?: string
  readonly endpoint?: string
  readonly nodeId?: number
  /** Waiting may cure it, although its kind says otherwise: what the brokers know of topics and rights may lag. */
  readonly isPassing?: boolean
}

/**
 * A failure on its way through promises. It has no stack: one that nobody has read holds on to whatever was at work when it was made, sockets
 * among it, and an endpoint's newest failure is kept. Each held on to the one before it.
 */
export class FailureError extends Error {
  override readonly name: string = 'FailureError'
  readonly failure: Failure

  constructor(failure: Failure) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(failure.message)
    Error.stackTraceLimit = stackTraceLimit
    this.failure = failure
  }
}

/** What helps against this kind of failure. */
export const remedyFor = (kind: FailureKind): Remedy => remedies[kind]

/**
 * The text of whatever was thrown: anything can be, and reading it may throw again (a getter, an object without a prototype, a proxy
 * that was revoked). Total. It may quote secrets: `withoutSecrets` has to see it before anybody else does.
 */
export function messageOf(thrown: unknown): string {
  try {
    const message: unknown = isObject(thrown) && 'message' in thrown ? thrown.message : undefined
    if (typeof message === 'string' && message !== '') return message
    return isError(thrown) ? thrown.name || 'Error' : String(thrown)
  } catch {
    return 'something that cannot be read'
  }
}

/** The code that an error carries (ECONNREFUSED, ERR_TLS_…); undefined where there is none. Total. */
export function codeOf(thrown: unknown): string | undefined {
  try {
    const code: unknown = isObject(thrown) ? (thrown as { readonly code?: unknown }).code : undefined
    return typeof code === 'string' ? code : undefined
  } catch {
    return undefined
  }
}

/** Whether it is an error. Total: to ask a proxy that was revoked throws. */
export function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error
  } catch {
    return false
  }
}

/** Its message, with the endpoint where that does not name it. */
export const placed = ({ message, endpoint }: Pick<Failure, 'message' | 'endpoint'>): string =>
  endpoint === undefined || message.includes(endpoint) ? message : `${endpoint}: ${message}`

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
