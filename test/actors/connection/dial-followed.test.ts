// The dial of clients of KafkaJS: sockets of the user's own, and what clients were told that all brokers speak.
import { connect, Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { createDial, type DialerOptions } from '../../../actors/connection/dial.ts'
import type { ISocketFactory } from '../../../actors/kafkajs/login.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { FakeBroker } from '../fake-broker.ts'

let broker: FakeBroker
beforeEach(async () => {
  broker = await FakeBroker.listen()
})
afterEach(() => broker.close())

const dialWith = (options: Partial<DialerOptions>) =>
  createDial({ security: () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours', ...options })
const failure = (dialled: Promise<unknown>) =>
  dialled.then(
    () => expect.unreachable('the dial went through'),
    (error: unknown) => (error instanceof ConnectionError ? error.failure : expect.unreachable(String(error))),
  )

test('a socket comes from the factory of the user, which is told where to and with which TLS', async () => {
  const asked: unknown[] = []
  const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    asked.push({ host, port, ssl })
    return connect({ host: broker.endpoint.host, port: broker.endpoint.port }, onConnect)
  }
  const connection = await dialWith({ socketFactory })({ host: 'kafka-1', port: 9092 })
  expect(asked).toEqual([{ host: 'kafka-1', port: 9092, ssl: undefined }])
  connection.close()
  await broker.left()
})

test.each([
  ['a name', 'localhost', 'localhost'],
  ['an address', '127.0.0.1', undefined],
])('its TLS is that of the options; of %s the certificate has to carry the host', async (_, host, servername) => {
  const given: unknown[] = []
  const socketFactory: ISocketFactory = ({ ssl, onConnect }) => {
    given.push(ssl)
    return connect({ host: broker.endpoint.host, port: broker.endpoint.port }, onConnect)
  }
  const connection = await dialWith({ socketFactory, security: () => ({ ssl: { ca: ['ours'] } }) })({
    host,
    port: 9093,
  })
  expect(given).toEqual([{ ca: ['ours'], ...(servername && { servername }) }])
  connection.close()
})

test.each<[string, () => Socket, string]>([
  [
    'throws',
    () => {
      throw new Error('no tunnel')
    },
    'no tunnel',
  ],
  ['opens nothing', () => connect({ host: '127.0.0.1', port: 1 }), 'ECONNREFUSED'],
])('a factory that %s fails the dial', async (_, open, why) => {
  expect((await failure(dialWith({ socketFactory: open })(broker.endpoint))).message).toContain(why)
})

test('a factory whose socket never connects fails the dial by its deadline', async () => {
  const socketFactory: ISocketFactory = () => new Socket()
  expect(await failure(dialWith({ socketFactory })(broker.endpoint))).toMatchObject({ code: 'ETIMEDOUT' })
})

test('a broker that speaks less than clients were told is turned down by name', async () => {
  const promised = new Map([[apiKeys.createTopics, { least: 0, most: 99 }]])
  const why = await failure(dialWith({ promised: () => promised })(broker.endpoint, { nodeId: 1 }))
  expect(why).toMatchObject({ kind: 'version-too-old', nodeId: 1 })
  expect(why.message).toContain('KafkaJS was told of the request with api key 19 v99')
})

test('one that speaks all of it is let in', async () => {
  const promised = new Map([[apiKeys.fetch, { least: 11, most: 11 }]])
  const connection = await dialWith({ promised: () => promised })(broker.endpoint, { nodeId: 1 })
  connection.close()
})
