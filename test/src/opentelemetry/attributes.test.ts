// The number of values an attribute may have.
import { expect, test } from 'vitest'
import { bounded, ofError } from '../../../src/opentelemetry/attributes.ts'

test('two hundred values of an attribute are told apart, and what comes later is one more', () => {
  const names = Array.from({ length: 300 }, (_, index) => `topic-${index}`)
  const seen = names.map((name) => bounded('test.topic', name))
  expect(new Set(seen).size).toBe(201)
  expect(seen.slice(0, 200)).toEqual(names.slice(0, 200))
  expect(seen.slice(200)).toEqual(Array(100).fill('_OTHER'))
  expect(bounded('test.topic', 'topic-7')).toBe('topic-7')
  expect(bounded('test.other', 'topic-250')).toBe('topic-250')
})

test.each([
  ['nothing', undefined, {}],
  ['an error', new RangeError('far'), { 'error.type': 'RangeError' }],
  ['a text', 'away', { 'error.type': 'string' }],
])('of %s, `error.type` names the kind and never the message', (_, error, attributes) => {
  expect(ofError(error)).toEqual(attributes)
})
