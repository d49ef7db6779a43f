import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseBrokerList } from '../../../src/sources/broker-list.ts'

test.each([
  ['one per line', 'b1:9092\nb2:9093\n', ['b1:9092', 'b2:9093']],
  ['lines that end as on Windows, without a last one', 'b1:9092\r\nb2:9093', ['b1:9092', 'b2:9093']],
  ['commas', ' b1:9092, b2:9093 ,', ['b1:9092', 'b2:9093']],
  ['lines and commas, with empty ones', '\n\nb1:9092,b2:9093\n\n b3:9094', ['b1:9092', 'b2:9093', 'b3:9094']],
  ['comments', '# ours\nb1:9092 # the first\n#b2:9093', ['b1:9092']],
  ['IPv6 addresses', '[::1]:9092\n[fe80::1]:9093', ['[::1]:9092', '[fe80::1]:9093']],
  ['a byte order mark', '\uFEFFb1:9092', ['b1:9092']],
  ['a JSON list', '[ "b1:9092",\n"[::1]:9093" ]\n', ['b1:9092', '[::1]:9093']],
])('%s are read', (_, text, list) => {
  expect(parseBrokerList(text)).toEqual(list)
})

test.each([
  ['nothing', '', 'no broker'],
  ['only comments', '# none yet\n', 'no broker'],
  ['an empty JSON list', '[]', 'no broker'],
  ['half of a JSON list', '["b1:9092", "b2', 'begins like a JSON list'],
  ['the first byte of a JSON list', '[', 'begins like a JSON list'],
  ['a JSON list of something else', '["b1:9092", 7]', 'entry 2 of the JSON list'],
  ['a host without its port', 'b1:9092\nb2', 'line 2 is not'],
  ['a port that is none', 'b1:99999', 'line 1 is not'],
  ['a page of a web server', '<html>\n<body>502</body>', 'line 1 is not'],
  ['a URL', 'kafka://b1:9092', 'line 1 is not'],
  ['two entries without a comma', 'b1:9092 b2:9092', 'line 1 is not'],
])('%s is refused, with where it is', (_, text, why) => {
  expect(() => parseBrokerList(text)).toThrow(why)
})

test('what is refused is never quoted', () => {
  for (const text of ['password: hunter2hunter2', '["hunter2hunter2"]', '["hunter2hunter2'])
    expect(() => parseBrokerList(text)).not.toThrow('hunter2')
})

test('any text is read or refused, and what is read is host:port', () => {
  const pieces = fc.constantFrom('b1', ':', '9092', ',', '\n', '[', ']', '"', '#', ' ', '::1', '\0', '.')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map((parts) => parts.join('')),
      ),
      (text) => {
        try {
          for (const entry of parseBrokerList(text)) expect(entry).toMatch(/^\S+:\d{1,5}$/)
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          expect((error as Error).message).toMatch(/`host:port`|no broker|JSON list/)
        }
      },
    ),
  )
})
