/** The error: the one class this library throws. It says what happened, the likely cause and the next step. */

import type { RejectionCode } from '../actors/group/commit-rejection.ts'
import { withoutSecrets } from '../actors/security/secrets.ts'
import { codeOf, type Failure, type FailureKind, messageOf } from '../machines/failure.ts'
import { printable } from './printable.ts'

/**
 * Why an error was thrown: the kind of failure behind it, or
 * - `invalid-option` an option of `createConsumer` can't be used
 * - `invalid-call` a method was called with a wrong argument, or at a moment at which it makes no sense
 * - `not-assigned`, `fenced`, `out-of-range` an offset that was named is not committed; see `commit`
 */
export type ErrorCode = FailureKind | RejectionCode | 'invalid-option' | 'invalid-call'

/** What an error is built from. */
export interface ErrorParts {
  readonly code: ErrorCode
  /** What happened, one or two sentences. */
  readonly what: string
  readonly likelyCause?: string
  readonly nextStep: string
  /** The failure behind it, as data. */
  readonly failure?: Failure
  readonly cause?: unknown
}

/**
 * An error of this library. `message` holds what happened, the likely cause and the next step. It may be printed: no text of it and
 * of its failure carries a secret or a control character.
 */
export class RelistenError extends Error {
  override readonly name = 'RelistenError'
  readonly code: ErrorCode
  /** What happened, without cause and next step. */
  readonly what: string
  readonly likelyCause: string | undefined
  readonly nextStep: string
  readonly failure: Failure | undefined

  constructor({ code, what, likelyCause, nextStep, failure, cause }: ErrorParts) {
    const because = likelyCause === undefined ? '' : ` Likely cause: ${likelyCause}`
    const told = printable(withoutSecrets(what))
    super(`${sentence(told)}${because} Next step: ${nextStep}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.what = told
    this.likelyCause = likelyCause
    this.nextStep = nextStep
    this.failure = failure && tellable(failure)
  }
}

/** The error for a failure; `cause` is the error it was made from, if it is still at hand. */
export function errorFrom(failure: Failure, cause?: unknown): RelistenError {
  const where = failure.endpoint === undefined ? '' : ` (${failure.endpoint})`
  const code = failure.code === undefined || failure.message.includes(failure.code) ? '' : ` [${failure.code}]`
  const known = (failure.code === undefined ? undefined : byCode(failure.code)) ?? advice[failure.kind]
  const what = `${opening[failure.kind]}${where}: ${failure.message}${code}`
  return new RelistenError({ code: failure.kind, what, ...known, failure, cause })
}

/** The error for an option that can't be used. */
export function optionError(what: string, nextStep: string): RelistenError {
  return new RelistenError({ code: 'invalid-option', what, nextStep })
}

/** The error for a call that can't be answered. */
export function callError(what: string, nextStep: string): RelistenError {
  return new RelistenError({ code: 'invalid-call', what, nextStep })
}

/** The error for an offset that is not committed. */
export function rejectionError(code: RejectionCode, what: string): RelistenError {
  return new RelistenError({ code, what, ...rejectionAdvice[code] })
}

/** A failure of `kind` from whatever was thrown. One that already is ours keeps its own failure. */
export function failureFrom(thrown: unknown, kind: FailureKind): Failure {
  if (thrown instanceof RelistenError && thrown.failure) return thrown.failure
  const code = codeOf(thrown)
  return tellable({ kind, message: messageOf(thrown), ...(code === undefined ? {} : { code }) })
}

/** The failure without the secrets that whoever wrote its texts may have put there. */
function tellable(failure: Failure): Failure {
  const { message, code } = failure
  return { ...failure, message: withoutSecrets(message), ...(code === undefined ? {} : { code: withoutSecrets(code) }) }
}

/** Likely cause and next step for a kind of failure, as one text. */
export const adviceFor = (kind: FailureKind): string =>
  `Likely cause: ${advice[kind].likelyCause} Next step: ${advice[kind].nextStep}`

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

const opening: Record<FailureKind, string> = {
  unreachable: 'No broker answered',
  'dial-failed': 'A broker could not be dialled',
  'identity-refused': 'A broker was refused because of its identity',
  'foreign-cluster': 'Another cluster answered',
  'version-too-old': 'A broker is too old',
  'login-refused': 'The brokers refused the login',
  'not-authorized': 'The cluster refused a right that is needed',
  'topic-missing': 'A subscribed topic does not exist',
  'member-lost': 'The group no longer knows this member',
  'group-refused': 'The group refused the join',
  'session-crashed': 'The KafkaJS consumer ended by itself',
  'session-silent': 'The consumer makes no progress',
  unproven: 'The rebuilt connections were not proven in time',
  'join-timed-out': 'The group was not joined in time',
  'source-failed': 'The source of brokers failed',
  'handler-failed': 'The message handler failed',
  'callback-failed': 'A callback for partitions failed',
  'journal-failed': 'The journal failed',
  bug: 'relisten did something it should not',
}

interface Advice {
  readonly likelyCause: string
  readonly nextStep: string
}

const advice: Record<FailureKind, Advice> = {
  unreachable: {
    likelyCause:
      'the brokers are down, a firewall is in the way, or `brokers` names addresses that are no longer in force.',
    nextStep:
      'check that the addresses in `brokers` accept connections from this host; a function or source can name new ones.',
  },
  'dial-failed': {
    likelyCause: 'the broker is down, moved, or speaks TLS where plain text was tried (or the other way round).',
    nextStep: 'check the address from this host, and `kafka.ssl` against the listener it belongs to.',
  },
  'identity-refused': {
    likelyCause: 'the certificate does not cover the address, comes from an unknown CA, or `allowEndpoint` said no.',
    nextStep:
      'issue a certificate that names the address, give the CA in `kafka.ssl.ca`, name a shared certificate name in `expectedIdentity`, or widen `allowEndpoint`.',
  },
  'foreign-cluster': {
    likelyCause: 'the address was given to a broker of another cluster, or `brokers` points to the wrong environment.',
    nextStep:
      'compare the cluster ids in the message, then correct `brokers` or `clusterId`. Nothing was read or committed there.',
  },
  'version-too-old': {
    likelyCause:
      'the cluster, or this broker of it, runs a Kafka before 2.4, or something between answers in its name.',
    nextStep: 'upgrade the broker; it is dialled again until it speaks what is needed.',
  },
  'login-refused': {
    likelyCause: 'user name, password or mechanism is wrong, or the credentials were rotated.',
    nextStep: 'check `kafka.sasl`; give `kafka` as a function to have fresh credentials read at each login.',
  },
  'not-authorized': {
    likelyCause: 'an ACL for the topic (READ) or the group (READ) is missing for this user.',
    nextStep: 'add the ACL, then start the consumer again.',
  },
  'topic-missing': {
    likelyCause: 'the name is misspelt, or the topic was not created yet or deleted.',
    nextStep: 'create the topic or correct `topics`; `allowAutoTopicCreation` lets the brokers create it.',
  },
  'member-lost': {
    likelyCause: 'no heartbeat arrived within `sessionTimeout`, or somebody removed the member.',
    nextStep: 'none is needed, a new session joins by itself; if it comes back, look for a blocked event loop.',
  },
  'group-refused': {
    likelyCause:
      'another member of the group uses other partition assigners or another protocol, or the group is full.',
    nextStep: 'compare `groupId` and `partitionAssigners` with the other members, and `group.max.size` of the brokers.',
  },
  'session-crashed': {
    likelyCause: 'an error that KafkaJS does not retry.',
    nextStep: 'none is needed, a new session is opened; the message names the error if it comes back.',
  },
  'session-silent': {
    likelyCause: 'a broker accepts connections but does not answer, or the fetch loop is stuck.',
    nextStep:
      'none is needed, the connections are made anew; if it comes back, look at the brokers named in the facts.',
  },
  unproven: {
    likelyCause: 'a broker is slow to answer at its new address.',
    nextStep: 'none is needed, the session is replaced; raise `rebuildTimeoutMs` if your brokers need longer.',
  },
  'join-timed-out': {
    likelyCause:
      'another member holds the rebalance open, the coordinator is loading, or leaders do not say where their logs begin and end.',
    nextStep:
      'look at the members of the group, as a slow one holds a rebalance until its `rebalanceTimeout`, and at the brokers named in the facts.',
  },
  'source-failed': {
    likelyCause:
      'the `brokers` function threw, did not answer in time, or returned something that is no list of addresses.',
    nextStep: 'correct the source; until then its last good answer is used.',
  },
  'handler-failed': {
    likelyCause: 'the handler threw for this message each time it was tried.',
    nextStep: 'correct the handler, or decide by `onHandlerError` what becomes of such a message. It is not committed.',
  },
  'callback-failed': {
    likelyCause:
      '`onPartitionsAssigned`, `onPartitionsRevoked` or `onPartitionsLost` threw, or took longer than `drainTimeoutMs`.',
    nextStep:
      'correct the callback, or raise `drainTimeoutMs`. An assignment whose callback threw is not read; the next session asks again.',
  },
  'journal-failed': {
    likelyCause: 'the disk is full or broken, or another process uses the journal.',
    nextStep: 'free the disk or choose another path, then start again; `onJournalError` says what happens meanwhile.',
  },
  bug: {
    likelyCause: 'a defect in relisten.',
    nextStep: 'report it with the facts before it; the consumer has stopped, so start it again.',
  },
}

const rejectionAdvice: Record<RejectionCode, Advice> = {
  'not-assigned': {
    likelyCause: 'the partition is another member’s, or the consumer has not joined yet.',
    nextStep: 'commit partitions that messages came from; `status().assignment` names them.',
  },
  fenced: {
    likelyCause: 'the group has rebalanced, or the session was replaced, before the commit was sent.',
    nextStep:
      'drop what was not committed: whoever has the partition now reads it again. `onPartitionsRevoked` is the time to commit.',
  },
  'out-of-range': {
    likelyCause:
      'the offset of a message was named and not the next one, commits came out of order, or a partition was mixed up.',
    nextStep: 'commit the offset of the last message handled, plus one; to go back, `seek` first.',
  },
}

/** Codes that tell more than the kind does. */
function byCode(code: string): Advice | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      likelyCause: 'the certificate does not name the address that was dialled.',
      nextStep:
        'issue a certificate that covers the new address, or set `expectedIdentity` if all brokers share one name.',
    }
  }
  if (/SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code)) {
    return {
      likelyCause: 'the certificate comes from a CA that this process does not trust.',
      nextStep: 'give the CA in `kafka.ssl.ca`.',
    }
  }
  if (/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/.test(code)) {
    return {
      likelyCause: 'the certificate is out of its dates.',
      nextStep: 'renew it on the broker, and check the clocks.',
    }
  }
  if (/ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG/.test(code)) {
    return {
      likelyCause: 'the port speaks plain text, and TLS was tried.',
      nextStep: 'use the port of the TLS listener, or leave out `kafka.ssl`.',
    }
  }
  if (code === 'UNSUPPORTED_SASL_MECHANISM') {
    return {
      likelyCause: 'the listener does not offer this SASL mechanism.',
      nextStep: 'set `kafka.sasl.mechanism` to one in the broker property `sasl.enabled.mechanisms`.',
    }
  }
  if (code === 'INVALID_SESSION_TIMEOUT') {
    return {
      likelyCause:
        '`sessionTimeout` is outside of what the brokers allow: `group.min.session.timeout.ms` (6 s by default) to `group.max.session.timeout.ms` (30 min).',
      nextStep: 'set `sessionTimeout` between the two, or change these properties of the brokers.',
    }
  }
  if (code === 'FENCED_INSTANCE_ID') {
    return {
      likelyCause:
        'two processes have the same `groupInstanceId`; the one that joined last goes on, and this one has ended.',
      nextStep: 'give each process an id of its own, such as the name of its pod.',
    }
  }
  if (code === 'GROUP_MAX_SIZE_REACHED') {
    return {
      likelyCause: 'the group has as many members as the broker property `group.max.size` allows.',
      nextStep: 'stop a member, or raise `group.max.size`, then start the consumer again.',
    }
  }
  if (code === 'INCONSISTENT_GROUP_PROTOCOL') {
    return {
      likelyCause: 'the other members use other partition assigners, or `group.protocol=consumer`.',
      nextStep: 'give all members of the group the same `partitionAssigners`, or this one another `groupId`.',
    }
  }
  if (code === 'GROUP_AUTHORIZATION_FAILED') {
    return {
      likelyCause: 'this user has no ACL for READ on the group.',
      nextStep: 'add one (`kafka-acls --add --operation Read --group …`), then start the consumer again.',
    }
  }
  if (code === 'TOPIC_AUTHORIZATION_FAILED') {
    return {
      likelyCause: 'this user has no ACL for READ on a subscribed topic.',
      nextStep: 'add one (`kafka-acls --add --operation Read --topic …`), then start the consumer again.',
    }
  }
  if (code === 'ENOSPC')
    return { likelyCause: 'the disk is full.', nextStep: 'free space, then start the consumer again.' }
  return undefined
}
