// Errors: built from failures, each with its likely cause and its next step.
import { expect, test } from 'vitest'
import { type FailureKind, remedyFor } from '../../machines/failure.ts'
import { callError, errorFrom, failureFrom, RelistenError } from '../../src/error.ts'

const kinds: Record<FailureKind, true> = {
  ...{
    unreachable: true,
    'dial-failed': true,
    'identity-refused': true,
    'foreign-cluster': true,
    'version-too-old': true,
    'login-refused': true,
  },
  ...{
    'not-authorized': true,
    'topic-missing': true,
    'member-lost': true,
    'group-refused': true,
    'session-crashed': true,
  },
  ...{ 'session-silent': true, unproven: true, 'join-timed-out': true, 'source-failed': true, 'handler-failed': true },
  ...{ 'callback-failed': true, 'journal-failed': true, bug: true },
}

test.each(Object.keys(kinds) as FailureKind[])('%s becomes an error with its likely cause and next step', (kind) => {
  const cause = new Error('below')
  const failure = { kind, message: 'it went wrong', endpoint: 'b1:9092' }
  const error = errorFrom(failure, cause)
  expect(error).toBeInstanceOf(RelistenError)
  expect(error).toMatchObject({ name: 'RelistenError', code: kind, failure, cause })
  expect(error.message).toMatch(/^.+ \(b1:9092\): it went wrong\. Likely cause: .+\. Next step: .+\.$/)
  expect(remedyFor(kind)).toBeDefined()
})

test.each([
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'covers the new address'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'kafka.ssl.ca'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'kafka.ssl.ca'],
  ['CERT_HAS_EXPIRED', 'renew it'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'port of the TLS listener'],
])('%s gives its own advice', (code, advice) => {
  const error = errorFrom({ kind: 'identity-refused', message: 'refused', code })
  expect(error.nextStep).toContain(advice)
  expect(error.what).toContain(`[${code}]`)
})

test('whatever was thrown becomes a failure, without user and password of a URL', () => {
  const thrown = Object.assign(new Error('connect to kafka://svc:canary@b1 failed'), { code: 'ECONNREFUSED' })
  expect(failureFrom(thrown, 'dial-failed')).toEqual({
    kind: 'dial-failed',
    message: 'connect to kafka://b1 failed',
    code: 'ECONNREFUSED',
  })
  expect(failureFrom('text', 'bug')).toEqual({ kind: 'bug', message: 'text' })
  expect(failureFrom(undefined, 'bug')).toEqual({ kind: 'bug', message: 'undefined' })
  const known = errorFrom({ kind: 'topic-missing', message: 'orders' })
  expect(failureFrom(known, 'bug')).toBe(known.failure)
})

test('a call at the wrong moment has a code of its own', () => {
  expect(callError('commit() before start()', 'start the consumer first.')).toMatchObject({
    code: 'invalid-call',
    message: 'commit() before start(). Next step: start the consumer first.',
  })
})

test('an error may be printed: what others wrote into it has no control characters', () => {
  const failure = { kind: 'foreign-cluster', message: 'Cluster \u001b[2J\r\n\u202eours answered' } as const
  const error = errorFrom(failure)
  expect(error.message).toContain('Cluster \\u001b[2J\\r\\n\\u202eours answered')
  expect(error.failure).toEqual(failure)
})
