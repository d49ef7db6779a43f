// What a listener speaks, as a probe finds it: by fakes; real ones are in test/real/doctor-security.test.ts.
import { lookup } from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { probeListener } from '../../../actors/connection/listener-probe.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { FakeBroker } from '../fake-broker.ts'

const brokers: FakeBroker[] = []
afterEach(async () => {
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})
async function listen(error: number, mechanisms: readonly string[]): Promise<FakeBroker> {
  const broker = await FakeBroker.listen()
  broker.answering.set(apiKeys.saslHandshake, () => handshake(error, mechanisms))
  brokers.push(broker)
  return broker
}
/** The body of an answer to SaslHandshake. */
function handshake(error: number, mechanisms: readonly string[]): Buffer {
  const head = Buffer.alloc(6)
  head.writeInt16BE(error, 0)
  head.writeInt32BE(mechanisms.length, 2)
  const texts = mechanisms.map((mechanism) =>
    Buffer.concat([Buffer.from([0, mechanism.length]), Buffer.from(mechanism)]),
  )
  return Buffer.concat([head, ...texts])
}
const options = { ssl: undefined, lookup, clientId: 'orders', timeoutMs: 500 }

test('a listener that wants a login says which, and is not asked who it is', async () => {
  const broker = await listen(33, ['SCRAM-SHA-512', 'PLAIN'])
  expect(await probeListener(broker.endpoint, options)).toMatchObject({
    ...{ protocol: 'SASL_PLAINTEXT', mechanisms: ['SCRAM-SHA-512', 'PLAIN'], certificates: [], snapshot: undefined },
  })
  expect(broker.requests.map(({ apiKey }) => apiKey)).toEqual([apiKeys.apiVersions, apiKeys.saslHandshake])
  await broker.left()
})

test('a listener without a login says who it is', async () => {
  const broker = await listen(34, [])
  const view = await probeListener(broker.endpoint, options)
  expect([view?.protocol, view?.mechanisms, view?.snapshot?.clusterId]).toEqual(['PLAINTEXT', [], 'ours'])
})

test('where TLS is set a plain listener is still found', async () => {
  const broker = await listen(34, [])
  expect((await probeListener(broker.endpoint, { ...options, ssl: true }))?.protocol).toBe('PLAINTEXT')
})

test('where no Kafka speaks nothing is found, by the deadline of two tries', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const since = performance.now()
  expect(await probeListener({ host: '127.0.0.1', port }, { ...options, timeoutMs: 100 })).toBeUndefined()
  expect(performance.now() - since).toBeLessThan(1000)
  server.close()
})
