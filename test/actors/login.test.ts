// The login with SCRAM: what is derived from the password is kept, and only as long as it fits. The broker checks each proof itself.
import crypto, { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { createDial } from '../../actors/dial.ts'
import { apiKeys, requestBodyOffset } from '../../actors/frames.ts'
import type { SASLOptions } from '../../actors/kafka.ts'
import { int16, int32, int64, list, text } from './bytes.ts'
import { FakeBroker } from './fake-broker.ts'

const saslHandshake = 17
const saslAuthenticate = 36
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
  const versions = [saslHandshake, saslAuthenticate].map((key) => Buffer.concat([int16(key), int16(0), int16(1)]))
  listening.answering.set(apiKeys.apiVersions, () => Buffer.concat([int16(0), list(versions), int32(0)]))
  listening.answering.set(saslHandshake, () => Buffer.concat([int16(0), list([text(mechanism)])]))
  listening.answering.set(saslAuthenticate, (request) => {
    const message = request.subarray(requestBodyOffset(request) + 4).toString()
    const answer = Buffer.from(message.startsWith('n,,') ? answerFirst(message) : answerFinal(message))
    return Buffer.concat([int16(0), text(null), int32(answer.length), answer, int64(0n)])
  })
  broker = listening
  return listening
}

const dialAs = (mechanism: 'scram-sha-256' | 'scram-sha-512', password: string) =>
  createDial({
    security: () => ({ sasl: { mechanism, username: 'orders', password } as SASLOptions }),
    dialTimeoutMs: undefined,
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
