/** What errors of KafkaJS's mean. */

import { type Failure, FailureError, isError, messageOf } from '../../machines/failure.ts'

/** What a session asks for: errors of KafkaJS's name neither group nor topics. */
export interface Asked {
  readonly groupId: string
  readonly topics: readonly (string | RegExp)[]
  /** Topics that brokers do not show. */
  readonly unseen: readonly string[]
}

/** The failure an error carries, or what its deepest cause means: `retriable` of KafkaJS says yes where it does not know. */
export function fromKafkaJs(error: unknown, asked?: Asked): Failure {
  let deepest: (Error & { type?: string }) | undefined = isError(error) ? error : undefined
  if (deepest instanceof FailureError) return deepest.failure
  // A cause may have itself as its cause.
  for (let depth = 0; depth < 16 && isError(deepest?.cause); depth++) deepest = deepest.cause
  const { name = 'unknown', type } = deepest ?? {}
  const code = type ?? name
  const message = messageOf(deepest ?? error)
  return { kind: kindOf(code, name), message: asked ? `${message}${concerned(code, asked)}` : message, code }
}

function concerned(code: string, { groupId, topics, unseen }: Asked): string {
  if (/TOPIC/.test(code) && unseen.length > 0) return ` (topic ${unseen.join(', ')})`
  if (/TOPIC/.test(code)) return ` (subscribed: ${topics.join(', ')})`
  return /GROUP|SESSION/.test(code) ? ` (group ${groupId})` : ''
}

/** Kafka's names for what a group turns a member away for. */
const refusals: ReadonlySet<string> = new Set([
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'GROUP_MAX_SIZE_REACHED',
])

function kindOf(code: string, name: string): Failure['kind'] {
  if (/AUTHORIZATION_FAILED/.test(code)) return 'not-authorized'
  if (code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'INVALID_TOPIC_EXCEPTION') return 'topic-missing'
  if (refusals.has(code)) return 'group-refused'
  return /Connection|Timeout|Broker|Metadata/.test(name) ? 'unreachable' : 'session-crashed'
}
