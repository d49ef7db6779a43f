// The login with SCRAM: what is derived from the password is kept, and only as long as it fits. The broker checks each proof itself.
import crypto, { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { createDial } from '../../../actors/connection/dial.ts'
import { DialPace } from '../../../actors/connection/dial-pace.ts'
import type { SASLOptions } from '../../../actors/kafkajs/login.ts'
import { apiKeys, requestBodyOffset } from '../../../actors/protocol/frames.ts'
import { int16, int32, int64, list, text } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'

const { saslHandshake, saslAuthenticate } = apiKeys
const iterations = 4096

interface Account {
  password: string
  salt: string
  /** What the broker says, whatever it has done itself. */
  iterations?: string
}

let broker: FakeBroker
afterEach(async () => {
  vi.restoreAllMocks()
  await broker.close()
})

/** A broker that lets in who proves to know the password (RFC 5802). */
async function listen(mechanism: string, digest: string, account: Account): Promise<FakeBroker> {
  const listening = await FakeBroker.listen()
  const hmac = (key: Buffer, value: string) => createHmac(digest, key).update(value).digest()
  let first = ''
  const answerFirst = (message: string): string => {
    const bare = message.slice('n,,'.length)
    const nonce = /r=([^,]+)/.exec(bare)?.[1]
    const answer = `r=${nonce}broker,s=${account.salt},i=${account.iterations ?? iterations}`
    first = `${bare},${answer}`
    return answer
  }
  const answerFinal = (message: string): string => {
    const [, withoutProof = '', proof = ''] = /^(.*),p=(.*)$/.exec(message) ?? []
    const length = createHash(digest).digest().length
    const salted = pbkdf2Sync(account.password, Buffer.from(account.salt, 'base64'), iterations, length, digest)
    const whole = `${first},${withoutProof}`
    const clientKey = hmac(salted, 'Client Key')
    const signature = hmac(createHash(digest).update(clientKey).digest(), whole)
    const expected = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)))
    if (expected.toString('base64') !== proof) return 'e=invalid-proof'
    return `v=${hmac(hmac(salted, 'Server Key'), whole).toString('base64')}`
  }
  listening.answering.set(saslHandshake, () => Buffer.concat([int16(0), list([text(mechanism)])]))
  listening.answering.set(saslAuthenticate, (request) => {
    const message = request.subarray(requestBodyOffset(request) + 4).toString()
    const answer = Buffer.from(message.startsWith('n,,') ? answerFirst(message) : answerFinal(message))
    return Buffer.concat([int16(0), text(null), int32(answer.length), answer, int64(0n)])
  })
  broker = listening
  return listening
}

const dialAs = (mechanism: 'scram-sha-256' | 'scram-sha-512', password: string, dialTimeoutMs?: number) =>
  createDial({
    security: () => ({ sasl: { mechanism, username: 'orders', password } as SASLOptions }),
    dialTimeoutMs,
    clusterId: () => 'ours',
  })

test.each([
  ['scram-sha-256', 'SCRAM-SHA-256', 'sha256'],
  ['scram-sha-512', 'SCRAM-SHA-512', 'sha512'],
] as const)('the password is salted once for many logins with %s', async (mechanism, name, digest) => {
  const { endpoint } = await listen(name, digest, { password: 'first', salt: 'c2FsdA==' })
  const derived = vi.spyOn(crypto, 'pbkdf2')
  const dial = dialAs(mechanism, 'first')
  for (let login = 0; login < 3; login += 1) {
    const connection = await dial(endpoint)
    expect(connection.open).toBe(true)
    connection.close()
  }
  expect(derived).toHaveBeenCalledTimes(1)
})

test.each([
  ['beside the name of its mechanism', 'scram-sha-512', [saslHandshake, saslAuthenticate]],
  ['after its mechanism is accepted, as it holds the password', 'plain', [saslHandshake]],
] as const)('the first word of a login goes out %s (%s)', async (_when, mechanism, sent) => {
  await listen(mechanism.toUpperCase(), 'sha512', { password: 'first', salt: 'c2FsdA==' })
  broker.answering.set(saslHandshake, () => undefined)
  const security = () => ({ sasl: { mechanism, username: 'orders', password: 'first' } as SASLOptions })
  const dial = createDial({ security, dialTimeoutMs: 200, clusterId: () => 'ours' })
  await expect(dial(broker.endpoint)).rejects.toMatchObject({ failure: { kind: 'dial-failed', code: 'LOGIN_TIMEOUT' } })
  expect(broker.requests.map(({ apiKey }) => apiKey)).toEqual(sent)
})

test('a mechanism that the broker does not speak is a refused login, also where more was said already', async () => {
  const refusing = await listen('SCRAM-SHA-512', 'sha512', { password: 'first', salt: 'c2FsdA==' })
  const { endpoint } = refusing
  refusing.answering.set(saslHandshake, () => Buffer.concat([int16(33), list([text('PLAIN')])]))
  // Kafka closes it a tenth of a second after its answer (`connection.failed.authentication.delay.ms`), with the rest unread.
  refusing.answering.set(saslAuthenticate, () => {
    return new Promise((resolve) => setTimeout(() => resolve(void refusing.reset()), 100))
  })
  await expect(dialAs('scram-sha-512', 'first')(endpoint)).rejects.toMatchObject({
    failure: { kind: 'login-refused', code: 'UNSUPPORTED_SASL_MECHANISM' },
  })
})

test('another password or another salt is salted anew, and a wrong password stays refused', async () => {
  const account = { password: 'first', salt: 'b25l' }
  const { endpoint } = await listen('SCRAM-SHA-512', 'sha512', account)
  const derived = vi.spyOn(crypto, 'pbkdf2')
  const enter = async (password: string) => (await dialAs('scram-sha-512', password)(endpoint)).close()
  await enter('first')
  account.password = 'second'
  await expect(enter('first')).rejects.toMatchObject({ failure: { kind: 'login-refused' } })
  await enter('second')
  account.salt = 'dHdv'
  await enter('second')
  expect(derived).toHaveBeenCalledTimes(3)
})

test.each(['2147483648', '262145', 'a million', '-1', ''])(
  'a broker that asks for %s iterations is refused before a round is done',
  async (asked) => {
    const { endpoint } = await listen('SCRAM-SHA-512', 'sha512', { password: 'first', salt: 'aXQ=', iterations: asked })
    const derived = vi.spyOn(crypto, 'pbkdf2')
    await expect(dialAs('scram-sha-512', 'first')(endpoint)).rejects.toMatchObject({
      failure: { kind: 'login-refused', message: expect.stringMatching(/iterations|INVALID|failed/i) },
    })
    expect(derived).not.toHaveBeenCalled()
  },
)

test('a mechanism of the user is told the host and the port that are dialled', async () => {
  const { port } = await listen('AWS_MSK_IAM', 'sha512', { password: '', salt: '' })
  const told: unknown[] = []
  const authenticationProvider = ({ host, port }: { host: string; port: number }) => ({
    authenticate: async () => void told.push({ host, port }),
  })
  const lookup = ((_host, { all }, done) =>
    all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)) as LookupFunction
  broker.view = { clusterId: 'ours', brokers: [{ nodeId: 1, host: 'b1.test', port }] }
  const security = () => ({ sasl: { mechanism: 'AWS_MSK_IAM', authenticationProvider } })
  const dial = createDial({ security, lookup, dialTimeoutMs: undefined, clusterId: () => 'ours' })
  const connection = await dial({ host: 'b1.test', port }, { nodeId: 1 })
  connection.close()
  expect(told).toEqual([{ host: 'b1.test', port }])
})

test.each<[string, () => unknown, string]>([
  ['rejects with nothing', () => Promise.reject(), 'oauthBearerProvider threw: undefined'],
  ['throws a text', () => thrower('no token today'), 'oauthBearerProvider threw: no token today'],
  ['rejects with what has no text', () => Promise.reject(Object.create(null)), 'threw: something that cannot be read'],
  ['gives nothing', () => undefined, 'oauthBearerProvider gave no token'],
  ['gives a token that is no text', async () => ({ value: 7 }), 'oauthBearerProvider gave no token'],
])('a token provider that %s ends the dial with a failure that says so', async (_how, provider, message) => {
  const { endpoint } = await listen('OAUTHBEARER', 'sha512', { password: '', salt: '' })
  const sasl = { mechanism: 'oauthbearer', oauthBearerProvider: provider } as SASLOptions
  const dial = createDial({ security: () => ({ sasl }), dialTimeoutMs: undefined, clusterId: () => 'ours' })
  await expect(dial(endpoint)).rejects.toMatchObject({
    name: 'ConnectionError',
    failure: { message: expect.stringContaining(message) },
  })
})

test.each([undefined, null, 'no', Object.create(null)])(
  'a mechanism of the user that rejects with %s ends the dial with a failure',
  async (thrown) => {
    const { endpoint } = await listen('CUSTOM', 'sha512', { password: '', salt: '' })
    const authenticationProvider = () => ({ authenticate: () => Promise.reject(thrown) })
    const security = () => ({ sasl: { mechanism: 'CUSTOM', authenticationProvider } })
    const dial = createDial({ security, dialTimeoutMs: undefined, clusterId: () => 'ours' })
    await expect(dial(endpoint)).rejects.toMatchObject({ name: 'ConnectionError' })
  },
)

const thrower = (thrown: unknown): never => {
  throw thrown
}
/** A broker that takes PLAIN and does this with the credentials. */
async function listenPlain(onCredentials: () => Buffer | undefined): Promise<FakeBroker> {
  broker = await FakeBroker.listen()
  broker.answering.set(saslHandshake, () => Buffer.concat([int16(0), list([text('PLAIN')])]))
  broker.answering.set(saslAuthenticate, onCredentials)
  return broker
}

const sayNo = (code: number) => Buffer.concat([int16(code), text('no'), int32(0), int64(0n)])

test.each<[string, () => Buffer | undefined, string, string]>([
  ['is answered with a refusal', () => sayNo(58), 'login-refused', 'SASL_AUTHENTICATION_FAILED'],
  ['is answered with an error of the broker', () => sayNo(-1), 'dial-failed', 'UNKNOWN'],
  ['is cut off', () => void broker.reset(), 'dial-failed', 'ECONNRESET'],
  ['is answered with something else', () => Buffer.from([0]), 'dial-failed', ''],
])('a login that %s ends as what it is', async (_how, onCredentials, kind, code) => {
  const { endpoint } = await listenPlain(onCredentials)
  const dial = createDial({
    security: () => ({ sasl: { mechanism: 'plain', username: 'orders', password: 'secret' } }),
    dialTimeoutMs: undefined,
    clusterId: () => 'ours',
  })
  await expect(dial(endpoint)).rejects.toMatchObject({ failure: { kind, code: expect.stringContaining(code) } })
})

test('credentials that were never accepted go to one endpoint of three', async () => {
  const others: FakeBroker[] = []
  for (let count = 0; count < 3; count += 1) others.push(await listenPlain(() => sayNo(58)))
  const dial = createDial({
    security: () => ({ sasl: { mechanism: 'plain', username: 'orders', password: 'secret' } }),
    dialTimeoutMs: undefined,
    clusterId: () => 'ours',
  })
  const logins = new DialPace()
  const dials = others.map(({ endpoint }) => dial(endpoint, { logins }))
  for (const ended of await Promise.allSettled(dials))
    expect(ended).toMatchObject({ reason: { failure: { kind: 'login-refused' } } })
  const asked = others.flatMap(({ requests }) => requests).filter(({ apiKey }) => apiKey === saslAuthenticate)
  expect(asked).toHaveLength(1)
  await Promise.all(others.slice(0, -1).map((other) => other.close()))
})

test('a far broker has the time of `dialTimeoutMs` for each step of a dial, not for all of them', async () => {
  const { endpoint } = await listen('SCRAM-SHA-256', 'sha256', { password: 'first', salt: 'c2FsdA==' })
  for (const [apiKey, answer] of broker.answering) {
    broker.answering.set(apiKey, async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 120))
      return answer(request)
    })
  }
  const startedAt = performance.now()
  const connection = await dialAs('scram-sha-256', 'first', 300)(endpoint)
  expect(performance.now() - startedAt).toBeGreaterThan(300)
  expect(connection.roundTrip.lateMs).toBeGreaterThan(100)
  connection.close()
})
