// Why no broker answers, as a consumer with default time-outs tells it: for what it is, within three seconds, and anew when it changes.
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { adviceFor } from '../../src/advice.ts'
import { createConsumer } from '../../src/lifecycle-consumer.ts'
import type { ConsumerOptions } from '../../src/options/consumer-options.ts'
import { reducedTo } from './told.ts'

const withinMs = 3000
const servers: Server[] = []
const closers: (() => void)[] = []
afterAll(() => {
  for (const close of closers) close()
  for (const server of servers) server.close()
})

/** Somebody who takes connections, and does that with them. Answers with its endpoint. */
async function peer(serve: (socket: Socket) => void, port = 0): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    serve(socket)
  }).listen(port, '127.0.0.1')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  servers.push(server)
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

const silent = () => peer(() => {})
const saying = (bytes: string | Buffer, port?: number) =>
  peer((socket) => socket.once('data', () => socket.end(bytes)), port)
const http = (port?: number) => saying('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', port)
/** What a TLS listener of Kafka's answers to plain text. */
const alert = Buffer.from([0x15, 3, 3, 0, 2, 2, 80])

async function closedPort(): Promise<string> {
  const endpoint = await silent()
  const server = servers.pop()
  server?.close()
  return endpoint
}

const hanging = () => new Promise<never>(() => {})
const ssl = { kafka: { ssl: true } }
const sasl = { kafka: { sasl: { mechanism: 'scram-sha-512' as const, username: 'svc', password: 'x' } } }

type Options = Partial<ConsumerOptions>

test.concurrent.each<[string, () => Promise<string>, Options, string, RegExp]>([
  ['a port that takes connections and is silent', silent, {}, 'ANSWER_TIMEOUT', /says nothing/],
  ['TLS to a port that is silent', silent, ssl, 'TLS_TIMEOUT', /says nothing in the TLS handshake/],
  ['a login at a port that is silent', silent, sasl, 'LOGIN_TIMEOUT', /does not go on with the login/],
  [
    'a name that is never resolved',
    async () => 'b1.test:9092',
    { lookup: () => {} },
    'LOOKUP_TIMEOUT',
    /was not resolved/,
  ],
  ['settings that hang', silent, { kafka: hanging }, 'SETTINGS_TIMEOUT', /`kafka` has given no settings/],
  ['settings that throw', silent, { kafka: broken }, 'NO_SETTINGS', /the vault is down/],
  ['a name that does not resolve', async () => 'no.such.invalid:9092', {}, 'ENOTFOUND', /no\.such\.invalid/],
  ['a closed port', closedPort, {}, 'ECONNREFUSED', /ECONNREFUSED/],
  ['plain text to an HTTP server', http, {}, 'HTTP_ANSWERED', /HTTP server/],
  ['a login at an HTTP server', http, sasl, 'HTTP_ANSWERED', /HTTP server/],
  ['TLS to an HTTP server', http, ssl, 'ERR_SSL_WRONG_VERSION_NUMBER', /is not TLS/],
  ['plain text to a TLS listener', () => saying(alert), {}, 'TLS_ANSWERED', /answers in TLS/],
  ['TLS to a plain listener of Kafka', () => saying(''), ssl, 'TLS_CLOSED', /closed the connection in the TLS/],
  ['no login at a listener that wants one', () => saying(''), {}, 'CLOSED_UNANSWERED', /without an answer/],
  ['another service', () => saying('220 mail.test ESMTP\r\n'), {}, 'TEXT_ANSWERED', /220 mail\.test/],
])('%s is told for what it is', async (_what, listen, options, code, message) => {
  const { lines, told, stop } = await startedAt([await listen()], options)
  await expect.poll(() => told().map((failure) => failure.code), { timeout: withinMs }).toContain(code)
  const failure = told().findLast((each) => each.code === code)
  expect(failure?.message).toMatch(message)
  expect(lines().at(-1)).toContain(adviceFor(failure ?? expect.unreachable()).nextStep)
  await stop()
})

test('a reason that changes is told again', async () => {
  const endpoint = await closedPort()
  const { told, status, stop } = await startedAt([endpoint])
  await expect.poll(told, { timeout: withinMs }).toMatchObject([{ code: 'ECONNREFUSED' }])
  await http(Number(endpoint.split(':')[1]))
  await expect.poll(() => told().at(-1)?.code, { timeout: withinMs }).toBe('HTTP_ANSWERED')
  expect(status().counts.endpointChanges.unknown).toBe(1)
  expect(status().lastFailure?.code).toBe('HTTP_ANSWERED')
  await stop()
})

function broken(): never {
  throw new Error('the vault is down')
}

async function startedAt(brokers: readonly string[], options: Options = {}) {
  const told = reducedTo('cluster.unreachable')
  const consumer = createConsumer({
    ...{ brokers, groupId: 'orders', topics: ['orders'], eachMessage: async () => {}, stopTimeoutMs: 1000 },
    drainTimeoutMs: 500,
    ...{ logger: told.logger, ...options },
  } as ConsumerOptions)
  consumer.start().catch(() => {})
  return {
    lines: () => told.lines,
    told: () => told.facts.map(({ failure }) => failure),
    status: () => consumer.status(),
    stop: () => consumer.stop(),
  }
}
