// Who speaks where a broker should, by the first bytes.
import { expect, test } from 'vitest'
import { foreignProtocol } from '../../../actors/protocol/foreign-protocol.ts'

test.each<[string, Buffer, string | undefined]>([
  ['a TLS alert', Buffer.from([21, 3, 3, 0, 2, 2, 80]), 'TLS_ANSWERED'],
  ['a TLS handshake', Buffer.from([22, 3, 1, 0, 5]), 'TLS_ANSWERED'],
  ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n'), 'HTTP_ANSWERED'],
  ['a greeting', Buffer.from('220 mail.test ESMTP\r\n'), 'TEXT_ANSWERED'],
  ['an answer of Kafka', Buffer.from([0, 0, 0, 20, 0, 0, 0, 1]), undefined],
  ['a large answer of Kafka', Buffer.from([0x15, 0x02, 0xff, 0xff, 0, 0, 0, 1]), undefined],
  ['the first bytes of one', Buffer.from([0]), undefined],
])('%s is known for what it is', (_, first, code) => {
  expect(foreignProtocol(first)?.code).toBe(code)
})
