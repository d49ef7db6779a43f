// A message as a line and as an object, whatever its bytes are.
import { expect, test } from 'vitest'
import type { EachMessagePayload } from '../../../src/options/payload.ts'
import { lineOf, objectOf } from '../../../src/tail/message-text.ts'

const payload = (message: object) =>
  ({
    topic: 'orders',
    partition: 2,
    message: { offset: '7', timestamp: '1764158400000', ...message },
  }) as EachMessagePayload

test.each([
  [{ key: Buffer.from('k'), value: Buffer.from('é') }, 'k  é', { key: 'k', value: 'é', headers: {} }],
  [{ key: null, value: null }, 'null  null', { key: null, value: null, headers: {} }],
  [
    {
      key: Buffer.from([0xff]),
      value: Buffer.from('v'),
      headers: { one: Buffer.from('a'), more: ['b', Buffer.from('c')] },
    },
    'base64:/w==  v  one=a more=b|c',
    { key: { base64: '/w==' }, value: 'v', headers: { one: 'a', more: ['b', 'c'] } },
  ],
])('%j', (message, line, object) => {
  expect(lineOf(payload(message))).toBe(`orders/2  7  2025-11-26T12:00:00.000Z  ${line}`)
  expect(objectOf(payload(message))).toEqual({
    ...{ topic: 'orders', partition: 2, offset: '7', time: '2025-11-26T12:00:00.000Z' },
    ...object,
  })
})

test('a time that is none is left as it is', () => {
  expect(lineOf(payload({ timestamp: 'x', key: null, value: null }))).toContain('  x  ')
})
