// Why no broker answers: of what each endpoint failed with, what tells most.
import { expect, test } from 'vitest'
import { Diagnosis, isSameReason } from '../../../actors/cluster/diagnosis.ts'
import { silentIn } from '../../../actors/connection/dial-step.ts'
import type { Failure, FailureKind } from '../../../machines/failure.ts'

const at = (host: string) => ({ host, port: 9092 })
const failed = (code: string, kind: FailureKind = 'dial-failed'): Failure => ({ kind, code, message: `it is ${code}` })
const none = () => undefined

test('without an endpoint nobody is known', () => {
  expect(new Diagnosis().reason([], none)).toMatchObject({ kind: 'unreachable', code: 'NO_BROKERS' })
})

test.each<[string, Failure[], string]>([
  ['a wrong protocol before a closed port', [failed('ECONNREFUSED'), failed('HTTP_ANSWERED')], 'HTTP_ANSWERED'],
  ['a refused login before all', [failed('HTTP_ANSWERED'), failed('SASL', 'login-refused')], 'SASL'],
  ['a closed port before a silent host', [failed('ETIMEDOUT'), failed('ECONNREFUSED')], 'ECONNREFUSED'],
  ['a port that is silent before a closed one', [failed('ECONNREFUSED'), failed('ANSWER_TIMEOUT')], 'ANSWER_TIMEOUT'],
  ['of the same the first', [failed('ECONNREFUSED'), failed('ECONNREFUSED')], 'ECONNREFUSED'],
])('%s is the reason, and the others stand beside it', (_, failures, code) => {
  const diagnosis = new Diagnosis()
  for (const [index, failure] of failures.entries()) diagnosis.note(at(`b${index}`), failure)
  const reason = diagnosis.reason([at('b0'), at('b1')], none)
  expect(reason.code).toBe(code)
  expect(reason.message).toMatch(/\(also b\d:9092 \w+\)$/)
  expect(reason.endpoint).toMatch(/^b\d:9092$/)
})

test('an endpoint whose dial is under way has the reason of what the dial is at', () => {
  const reason = new Diagnosis().reason([at('b1')], () => silentIn('lookup', 1000))
  expect(reason).toMatchObject({ code: 'LOOKUP_TIMEOUT', endpoint: 'b1:9092' })
  expect(new Diagnosis().reason([at('b1')], none)).toMatchObject({ code: 'ETIMEDOUT', endpoint: 'b1:9092' })
})

test('the newest failure of an endpoint counts; others are forgotten with it, and all with an answer', () => {
  const diagnosis = new Diagnosis()
  diagnosis.note(at('b1'), failed('HTTP_ANSWERED'))
  diagnosis.note(at('b1'), failed('ECONNREFUSED'))
  expect(diagnosis.reason([], none).code).toBe('ECONNREFUSED')
  diagnosis.keep([at('b2')])
  expect(diagnosis.reason([], none).code).toBe('NO_BROKERS')
  diagnosis.note(at('b2'), failed('ECONNREFUSED'))
  diagnosis.clear()
  expect(diagnosis.reason([], none).code).toBe('NO_BROKERS')
})

test('two reasons are the same whatever is told beside them', () => {
  expect(isSameReason(failed('ECONNREFUSED'), { ...failed('ECONNREFUSED'), message: 'other' })).toBe(true)
  expect(isSameReason(failed('ECONNREFUSED'), failed('ETIMEDOUT'))).toBe(false)
})
