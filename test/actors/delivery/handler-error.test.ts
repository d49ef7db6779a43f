// What a handler threw, as log and status tell it, and no record keeps it.
import { expect, test } from 'vitest'
import { errorBeside, failureOf, handlerError } from '../../../actors/delivery/handler-error.ts'
import { keepSecret } from '../../../actors/security/secrets.ts'

class PaymentError extends Error {
  override readonly name = 'PaymentError'
}

test('name, message, stack and cause are kept beside the failure, and its JSON has none of them', () => {
  const error = new PaymentError('not paid', { cause: new TypeError('no amount') })
  const failure = failureOf(error)
  expect(JSON.stringify(failure)).toBe('{"kind":"handler-failed","message":"not paid"}')
  const told = errorBeside(failure)
  expect(told).toMatchObject({
    ...{ name: 'PaymentError', message: 'not paid', stack: expect.stringContaining('handler-error.test.ts') },
    cause: { name: 'TypeError', message: 'no amount', stack: expect.stringContaining('no amount') },
  })
  expect(errorBeside(JSON.parse(JSON.stringify(failure)))).toBeUndefined()
  expect(errorBeside(undefined)).toBeUndefined()
})

test('a stack is at most 4 KiB, and an error that causes itself has an end', () => {
  const error: Error & { cause?: unknown } = new Error('round')
  error.stack = 'x'.repeat(100_000)
  error.cause = error
  const text = JSON.stringify(handlerError(error))
  expect(handlerError(error).stack).toHaveLength(4096)
  expect(text.length).toBeLessThan(30_000)
})

test('secrets are in none of it', () => {
  keepSecret('sesame-83271')
  const error = new Error('sesame-83271', { cause: 'the password is sesame-83271' })
  expect(JSON.stringify(handlerError(error))).not.toContain('sesame-83271')
})

test.each([
  ['undefined', undefined, 'undefined'],
  ['a text', 'busy', 'string'],
  ['an object', { code: 1 }, 'Object'],
  ['an object without a prototype', Object.create(null), 'Object'],
  ['an error whose getters throw', new Proxy(new Error('x'), { get: () => expect.fail('a getter') }), 'Error'],
])('whatever is thrown has a name and a message: %s', (_what, thrown, name) => {
  expect(handlerError(thrown)).toMatchObject({ name, message: expect.any(String) })
})
