/** The error: the one class this library throws. It says what happened, the likely cause and the next step. */

import type { RejectionCode } from '../actors/group/commit-rejection.ts'
import { withoutSecrets } from '../actors/security/secrets.ts'
import { codeOf, type Failure, type FailureKind, messageOf } from '../machines/failure.ts'
import { adviceFor, rejectionAdvice } from './advice.ts'
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
  const { likelyCause, nextStep } = adviceFor(failure)
  const what = `${opening[failure.kind]}${where}: ${failure.message}${code}`
  return new RelistenError({ code: failure.kind, what, likelyCause, nextStep, failure, cause })
}

/** The error for an option that can't be used. */
export function optionError(what: string, nextStep: string): RelistenError {
  return new RelistenError({ code: 'invalid-option', what, nextStep })
}

/** The error for a call that can't be carried out. */
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

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

const opening: Record<FailureKind, string> = {
  unreachable: 'No broker answered',
  'dial-failed': 'A broker could not be dialled',
  'identity-refused': 'A broker was refused because of its identity',
  'foreign-cluster': 'Another cluster answered',
  'version-too-old': 'A broker is too old',
  'login-refused': 'The brokers refused the login',
  'settings-failed': 'The option `kafka` gave no settings',
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
