/** A failure: what went wrong, as data. Errors exist only at the façade, built from one of these. */

/** What helps against a failure. */
export type Remedy = 'wait' | 'redial' | 'replace' | 'refresh-credentials' | 'give-up'

/**
 * The closed list of failures:
 * - `unreachable` no broker answered · `dial-failed` one endpoint refused, reset or did not answer
 * - `identity-refused` TLS identity, allow-list, or the endpoint is not the node it should be · `foreign-cluster` another cluster id
 * - `version-too-old` the broker does not speak a request that is needed
 * - `login-refused` SASL said no · `not-authorized` an ACL said no · `topic-missing` a subscribed topic does not exist
 * - `member-lost` the coordinator does not know our member · `group-refused` the group refused the join
 * - `session-crashed` KafkaJS ended by itself · `session-silent` it goes on but nothing moves · `unproven` a rebuild got no proof in time
 * - `join-timed-out` no GROUP_JOIN in time · `source-failed` the source of brokers hung, threw or returned nonsense
 * - `handler-failed` the user's handler threw · `journal-failed` a record could not be appended · `bug` what must not happen
 */
export type FailureKind =
  | 'unreachable'
  | 'dial-failed'
  | 'identity-refused'
  | 'foreign-cluster'
  | 'version-too-old'
  | 'login-refused'
  | 'not-authorized'
  | 'topic-missing'
  | 'member-lost'
  | 'group-refused'
  | 'session-crashed'
  | 'session-silent'
  | 'unproven'
  | 'join-timed-out'
  | 'source-failed'
  | 'handler-failed'
  | 'journal-failed'
  | 'bug'

/** A failure as data: JSON, without secrets. `code` is the system's or Kafka's own (ECONNREFUSED, ERR_TLS_…, ILLEGAL_GENERATION). */
export interface Failure {
  readonly kind: FailureKind
  readonly message: string
  readonly code?: string
  readonly endpoint?: string
  readonly nodeId?: number
}

const remedies: Record<FailureKind, Remedy> = {
  unreachable: 'wait',
  'dial-failed': 'redial',
  'identity-refused': 'wait',
  'foreign-cluster': 'wait',
  'version-too-old': 'wait',
  'login-refused': 'refresh-credentials',
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
  'journal-failed': 'give-up',
  bug: 'give-up',
}

/** What helps against this kind of failure. */
export const remedyFor = (kind: FailureKind): Remedy => remedies[kind]

/** User and password of a URL do not belong into any message. */
export const withoutUserInfo = (text: string): string => text.replace(/\/\/[^\s/@]+@/g, '//')
