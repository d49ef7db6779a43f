// Secrets that were given to us, known by value: whatever shape they have, and however a text quotes them.
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { keepSecret, withoutSecrets } from '../../../actors/security/secrets.ts'

const key = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
-----END PRIVATE KEY-----`

const secrets: Readonly<Record<string, string>> = {
  words: 'correct horse battery staple',
  slashes: 'p/w//with/slashes+and=signs',
  'at-signs': 'p@ss@word@',
  colons: ':one:two:',
  quotes: `it's "quoted" \`here\` \\and\\ back`,
  percents: '100%25%zz%',
  unicode: 'pässwörd–日本🔑',
  'four letters': 'x9$k',
  'line ends': 'first line of it\nsecond line of it\t',
  'JSON of its own': '{"a":[1,2]}',
  'the language of patterns': '(.*)+?$&$1[a-z]{2}\\d|^',
  'the shape of a URL': 'https://a:b@c/d?e#f',
  'nothing but base64': 'AAECAwQFBgcICQoLDA0ODw==',
  'a key': key,
}

const encodings: Readonly<Record<string, (secret: string) => string>> = {
  plainly: (secret) => secret,
  'as the password of a URL': (secret) => `kafka://svc:${secret}@b1:9092/x`,
  'encoded in a URL': (secret) => `https://svc:${encodeURIComponent(secret)}@b1:9092/x`,
  'in a query': (secret) => `https://b1/x?${new URLSearchParams({ p: secret, next: '1' })}`,
  'in JSON': (secret) => JSON.stringify({ c: secret, d: 1 }),
  'in JSON inside of JSON': (secret) => JSON.stringify({ body: JSON.stringify({ c: secret }) }),
  'as Node shows it': (secret) => inspect({ c: secret }),
  'in base64': (secret) => `the header ${Buffer.from(secret).toString('base64')} was sent`,
  'in base64 with the user': (secret) => `Basic ${Buffer.from(`orders:${secret}`).toString('base64')}`,
  'in base64 of a JSON text': (secret) => Buffer.from(`{"x":"${secret}","y":1}`).toString('base64url'),
  'in hexadecimal': (secret) => Buffer.from(secret).toString('hex'),
  'with an escape for each letter that is not ASCII': (secret) =>
    JSON.stringify(secret).replace(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`),
}

/** What must be nowhere in a text: the secret, or the lines of a key. */
const partsOf = (secret: string): string[] =>
  secret === key ? key.split('\n').filter((line) => !line.startsWith('-----')) : [secret]

test.each(Object.entries(secrets))('a secret of %s is found, whatever it is written in', (_shape, secret) => {
  keepSecret(secret)
  for (const [how, written] of Object.entries(encodings)) {
    const told = withoutSecrets(`it failed: ${written(secret)} and so on`)
    for (const part of partsOf(secret)) {
      for (const [form, write] of Object.entries(encodings)) {
        const needle = write(part)
        expect(told.includes(part) || told.includes(needle), `${how}, looked for ${form}: ${told}`).toBe(false)
      }
    }
    expect(told).toMatch(/^it failed: .* and so on$/s)
    expect(withoutSecrets(told)).toBe(told)
  }
})

test('bytes are found as the text they are, or in base64 and hexadecimal', () => {
  const pfx = Buffer.from([0x30, 0x82, 0xff, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8])
  keepSecret({ pfx: [{ buf: pfx, passphrase: 'of-the-pfx' }], key: new Uint8Array(Buffer.from('bytes-of-a-key')) })
  const text = `${pfx.toString('base64')} ${pfx.toString('hex')} of-the-pfx bytes-of-a-key`
  expect(withoutSecrets(text)).toBe('[redacted] [redacted] [redacted] [redacted]')
})

test('a secret that is a part of another leaves nothing of the longer one', () => {
  keepSecret('inner')
  keepSecret('outer-inner-outer')
  expect(withoutSecrets('outer-inner-outer, inner')).toBe('[redacted], [redacted]')
})

test('fewer than four letters are in every text and are no secret; what can not be read is none either', () => {
  keepSecret('abc')
  keepSecret('')
  keepSecret(undefined)
  const circle: Record<string, unknown> = {}
  circle.circle = circle
  keepSecret(circle)
  keepSecret(
    Object.defineProperty({}, 'password', {
      enumerable: true,
      get: () => {
        throw new Error('no')
      },
    }),
  )
  keepSecret('lone \ud800 surrogate')
  expect(withoutSecrets('abc')).toBe('abc')
  expect(withoutSecrets('a lone \ud800 surrogate')).toBe('a [redacted]')
})

test('a long text is cut after its secrets are gone, so that no half of one is left', () => {
  keepSecret('cut-in-two-by-the-end')
  const told = withoutSecrets(`${'x'.repeat(3995)}cut-in-two-by-the-end${'y'.repeat(10_000)}`)
  expect(told).toHaveLength(4001)
  expect(told).not.toContain('cut-')
})

test('of tokens that are renewed all day the newest are known, and one that is used again stays', () => {
  keepSecret('used-all-day')
  for (let hour = 0; hour < 300; hour++) {
    keepSecret(`token-of-hour-${hour}.`)
    if (hour % 100 === 0) keepSecret('used-all-day')
  }
  expect(withoutSecrets('used-all-day token-of-hour-299.')).toBe('[redacted] [redacted]')
  expect(withoutSecrets('token-of-hour-0.')).toBe('token-of-hour-0.')
})
