// Shapes of secrets: what a text loses because it looks like one, and what it keeps.
import { expect, test } from 'vitest'
import { withoutSecretShapes } from '../../machines/secret-shape.ts'

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'

test.each<[string, string, string]>([
  ['user and password of a URL', 'GET https://svc:hunter2@vault/v1 failed: 503', 'GET https://vault/v1 failed: 503'],
  ['a password with slashes', 'kafka://svc:hunter2/x+y@b1:9092 is down', 'kafka://b1:9092 is down'],
  ['a password that looks like a port', 'postgres://u:12/w@h failed', 'postgres://h failed'],
  ['a password with at-signs and colons', 'http://u:a@b:c@d@host/x', 'http://host/x'],
  ['a password with a question mark and a hash', 'http://u:a?b#c@host', 'http://host'],
  ['a token as the user', 'https://ghp_0123456789@host/x', 'https://host/x'],
  ['the second URL of a list', 'https://a/b,https://u:p@c', 'https://c'],
  ['user and password without a scheme', 'dial svc:hunter2@b1:9092', 'dial [redacted]@b1:9092'],
  ['a quoted URL', 'got "kafka://svc:hunter2@b1"', 'got "kafka://b1"'],
  ['a bearer token', 'sent Authorization: Bearer abc.def-123 there', 'sent Authorization: [redacted] [redacted] there'],
  ['a bearer token alone', 'bearer 0123456789abcdef was refused', 'bearer [redacted] was refused'],
  ['a JSON Web Token', `the token ${jwt} has expired`, 'the token [redacted] has expired'],
  ['the beginning of one', `got ${jwt.slice(0, 30)}…`, 'got [redacted]…'],
  ['a value in a query', 'GET /v1?token=s.tokn123&x=1', 'GET /v1?token=[redacted]&x=1'],
  ['a value in JSON', '{"client_secret":"hunt\\"er2","a":1}', '{"client_secret":[redacted],"a":1}'],
  ['a value in JSON inside of JSON', '{\\"password\\":\\"hunter2\\"}', '{\\"password\\":[redacted]}'],
  ['a value in a configuration', "password='it is long' user=x", 'password=[redacted] user=x'],
  [
    'a PEM block',
    'bad key -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----, sorry',
    'bad key [redacted], sorry',
  ],
  ['a PEM block that is cut off', 'bad key -----BEGIN PRIVATE KEY-----\nMIIE', 'bad key [redacted]'],
])('%s goes', (_what, text, told) => {
  expect(withoutSecretShapes(text)).toBe(told)
  expect(withoutSecretShapes(told)).toBe(told)
})

test.each([
  'connect ECONNREFUSED 127.0.0.1:9092',
  'getaddrinfo ENOTFOUND b1.kafka.internal [::1]:9092',
  'GET https://registry:8443/v1/brokers?dc=1 failed: 503',
  'mail ops@example.com or https://host/path?mail=ops@example.com',
  'SASL PLAIN authentication failed: Invalid username or password',
  'the token provider threw',
])('what is no secret stays: %s', (text) => {
  expect(withoutSecretShapes(text)).toBe(text)
})

test('a text of a million letters takes a moment, whatever it looks like', () => {
  const startedAt = performance.now()
  for (const piece of ['a', 'a:', '@', '//', 'token=', '-----BEGIN A-----', 'eyJ', '"', 'bearer ', '\\', 'pwd:"\\'])
    withoutSecretShapes(piece.repeat(1_000_000 / piece.length))
  expect(performance.now() - startedAt).toBeLessThan(30_000)
})
