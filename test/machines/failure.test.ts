// Failures: the text of whatever was thrown.
import { expect, test } from 'vitest'
import { codeOf, messageOf } from '../../machines/failure.ts'

const revoked = (() => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
})()
const throwing = Object.defineProperty({}, 'message', {
  get: () => {
    throw new Error('not even this')
  },
})

test.each<[string, unknown, string]>([
  ['an error', new Error('it broke'), 'it broke'],
  ['an error without a message', new TypeError(), 'TypeError'],
  ['an error whose name was taken away', Object.assign(new Error(), { name: '' }), 'Error'],
  ['a string', 'it broke', 'it broke'],
  ['undefined', undefined, 'undefined'],
  ['null', null, 'null'],
  ['a number', 7, '7'],
  ['a symbol', Symbol('x'), 'Symbol(x)'],
  ['an object with a message', { message: 'it broke' }, 'it broke'],
  ['an object with a message that is no text', { message: 7 }, '[object Object]'],
  ['an object without a prototype', Object.create(null), 'something that cannot be read'],
  ['an object whose text throws', { toString: () => Promise.reject }, 'something that cannot be read'],
  ['a getter that throws', throwing, 'something that cannot be read'],
  ['a proxy that was revoked', revoked, 'something that cannot be read'],
])('%s that was thrown has a text', (_what, thrown, text) => {
  expect(messageOf(thrown)).toBe(text)
})

test.each<[string, unknown, string | undefined]>([
  ['a code of the system', Object.assign(new Error('no'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
  ['a number', Object.assign(new Error('no'), { code: 7 }), undefined],
  ['nothing', undefined, undefined],
  ['a proxy that was revoked', revoked, undefined],
])('the code of what was thrown is told when it is a text: %s', (_what, thrown, code) => {
  expect(codeOf(thrown)).toBe(code)
})
