// The login with SCRAM: what is derived from the password is kept, and only as long as it fits. The broker checks each proof itself.
import crypto, { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
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
    const answer = `r=${nonce}broker,s=${account.salt},i=${iterations}`
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

test('a far broker has the time of `dialTimeoutMs` for each step of a dial, not for all of them', async () => {
  const { endpoint } = await listen('SCRAM-SHA-256', 'sha256', { password: 'first', salt: 'c2FsdA==' })
  for (const [apiKey, answer] of broker.answering) {
    broker.answering.set(apiKey, async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 120))
      return answer(request)
    })
  }
  const startedAt = performance.now()
  const connection = await dialAs('scram-sha-256', 'first', 500)(endpoint)
  expect(performance.now() - startedAt).toBeGreaterThan(500)
  expect(connection.roundTrip.lateMs).toBeGreaterThan(100)
  connection.close()
})
