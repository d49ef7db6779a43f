// Probes over HTTP: verdicts and their reasons for everybody, the status for those who may read it.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type HealthHandlerOptions, healthHandler, type Probed } from '../../../src/probes/health-handler.ts'
import { type HealthServer, type HealthServerOptions, healthServer } from '../../../src/probes/health-server.ts'
import type { Readiness } from '../../../src/views/readiness.ts'

const token = 'a-token-of-sixteen'
const servers: HealthServer[] = []
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())))

function probed(groupId: string, told: Partial<Readiness> = {}): Probed {
  const well = { live: true, liveReason: 'It goes on.', ready: true, reason: 'Messages are handled.' }
  return { groupId, status: () => ({ ...well, degraded: false, degradedReason: 'Nothing waits.', ...told }) }
}

async function serving(consumers: readonly Probed[], options: Partial<HealthServerOptions> = {}) {
  const server = await healthServer({ consumers, port: 0, host: '127.0.0.1', ...options })
  servers.push(server)
  return server
}

interface Got {
  readonly code: number | undefined
  readonly body: unknown
}

async function get({ port }: { port: number }, path: string, headers = {}, method = 'GET'): Promise<Got> {
  const sent = request({ host: '127.0.0.1', port, path, headers, method, agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const text = (await response.toArray()).join('')
  return { code: response.statusCode, body: text === '' ? '' : JSON.parse(text) }
}

const isDead = { live: false, liveReason: 'The consumer has failed.', ready: false, reason: 'The consumer has failed.' }
const isAway = { ready: false, reason: 'No broker answers.' }

describe('verdicts', () => {
  test('all is well: both probes get 200 with the reason', async () => {
    const server = await serving([probed('orders')])
    expect(await get(server, '/livez')).toEqual({ code: 200, body: { live: true, reason: 'It goes on.' } })
    expect(await get(server, '/readyz?verbose')).toEqual({
      ...{ code: 200, body: { ready: true, reason: 'Messages are handled.' } },
    })
  })

  test('one that is not ready gets 503 there and 200 for its life', async () => {
    const server = await serving([probed('orders', isAway)])
    expect(await get(server, '/readyz')).toEqual({ code: 503, body: { ready: false, reason: 'No broker answers.' } })
    expect((await get(server, '/livez')).code).toBe(200)
  })

  test('one of several that has failed decides, and is named', async () => {
    const server = await serving([probed('orders'), probed('refunds', isDead)])
    const reason = 'refunds: The consumer has failed.'
    expect(await get(server, '/livez')).toEqual({ code: 503, body: { live: false, reason } })
    expect(await get(server, '/readyz')).toEqual({ code: 503, body: { ready: false, reason } })
  })

  test('no consumer yet is alive and not ready; one that comes later counts', async () => {
    const consumers: Probed[] = []
    const server = await serving(consumers)
    const reason = 'There is no consumer yet.'
    expect(await get(server, '/livez')).toEqual({ code: 200, body: { live: true, reason } })
    expect(await get(server, '/readyz')).toEqual({ code: 503, body: { ready: false, reason } })
    consumers.push(probed('orders'))
    expect((await get(server, '/readyz')).code).toBe(200)
  })

  test('HEAD gets the code alone, other methods 405, other paths 404', async () => {
    const server = await serving([probed('orders', isAway)])
    expect(await get(server, '/readyz', {}, 'HEAD')).toEqual({ code: 503, body: '' })
    expect((await get(server, '/readyz', {}, 'POST')).code).toBe(405)
    expect((await get(server, '/constructor')).code).toBe(404)
    expect((await get(server, '//livez')).code).toBe(404)
  })

  test('a status that throws is an answer, not the end of the process', async () => {
    const broken: Probed = {
      groupId: 'orders',
      status: () => {
        throw new Error('broken\nline')
      },
    }
    expect(await get(await serving([broken]), '/livez')).toEqual({ code: 500, body: { error: 'broken\\nline' } })
  })
})

describe('the status', () => {
  test('this host reads all of it', async () => {
    const server = await serving([probed('orders', isAway), probed('refunds', { degraded: true })])
    const { code, body } = await get(server, '/status')
    expect(code).toBe(200)
    expect(body).toMatchObject({
      ...{ live: true, ready: false, degraded: true },
      consumers: [{ groupId: 'orders', reason: 'No broker answers.' }, { groupId: 'refunds' }],
    })
  })

  test.each<[string, object]>([
    ['a name of another host', { host: 'evil.example:8080' }],
    ['a proxy that says so', { 'x-forwarded-for': '10.0.0.9' }],
    ['a proxy that says so as the standard has it', { forwarded: 'for=10.0.0.9' }],
  ])('without a token, %s is refused', async (_, headers) => {
    const server = await serving([probed('orders')])
    expect((await get(server, '/status', headers)).code).toBe(403)
    expect((await get(server, '/livez', headers)).code).toBe(200)
  })

  test.each([
    ['127.0.0.1', 200],
    ['::ffff:127.0.0.1', 200],
    ['::1', 200],
    ['10.0.0.9', 403],
    ['127.evil', 403],
    ['', 403],
  ])('without a token, a peer at %o gets %d', (remoteAddress, code) => {
    expect(codeFor('/status', { remoteAddress })).toBe(code)
  })

  test('with a token nobody reads it without, and anybody with it', async () => {
    const server = await serving([probed('orders')], { token })
    expect((await get(server, '/status')).code).toBe(401)
    expect((await get(server, '/status', { authorization: `Bearer ${token}x` })).code).toBe(401)
    expect((await get(server, '/status', { authorization: `Bearer ${token}` })).code).toBe(200)
    expect(codeFor('/status', { remoteAddress: '10.0.0.9', authorization: `Bearer ${token}` }, { token })).toBe(200)
    expect((await get(server, '/livez')).code).toBe(200)
  })
})

describe('the handler in a server of the service', () => {
  test('it leaves paths that are not its own to the next one', async () => {
    const handler = healthHandler([probed('orders')])
    const server = createServer((req, res) => handler(req, res, () => res.writeHead(201).end('"theirs"')))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const at = server.address() as AddressInfo
    expect(await get(at, '/orders')).toEqual({ code: 201, body: 'theirs' })
    expect((await get(at, '/livez')).code).toBe(200)
    server.close()
  })
})

describe('the server', () => {
  test('it ends at once, also with a client that has said nothing', async () => {
    const server = await serving([probed('orders')])
    const client = connect(server.port, '127.0.0.1')
    await once(client, 'connect')
    const closed = once(client, 'close')
    await server.close()
    await closed
    await server.close()
  })

  test('a port that is taken is told with the next step', async () => {
    const { port } = await serving([])
    await expect(serving([], { port })).rejects.toMatchObject({
      code: 'invalid-option',
      message: `The health server can't listen at 127.0.0.1:${port}: EADDRINUSE. Next step: choose a free \`port\`, and a \`host\` that is an address of this machine.`,
    })
  })

  test.each<[string, object, RegExp]>([
    ['no consumers', { consumers: undefined }, /Expected `consumers` to be a list of consumers, got `undefined`/],
    ['one that is none', { consumers: [{}] }, /Expected `consumers` to be a list of consumers, got an object/],
    ['a port beyond the last', { port: 70_000 }, /Expected `port` to be a port, got `70000`/],
    ['a host that is none', { host: 8080 }, /Expected `host` to be an address of this host/],
    ['a short token', { token: 'secret' }, /Expected `token` to be a string of at least 16 characters/],
    ['a name with a mistake', { tokken: token }, /Unknown option `tokken`. Did you mean `token`\?/],
  ])('%s is a wrong option', async (_, options, message) => {
    await expect(serving([], options)).rejects.toThrow(message)
    await expect(serving([], options)).rejects.not.toThrow(/secret/)
  })
})

/** The code that a peer at this address gets. */
function codeFor(
  url: string,
  { remoteAddress, ...headers }: Record<string, string>,
  options: HealthHandlerOptions = {},
) {
  let code: number | undefined
  const response = { writeHead: (given: number) => (code = given), end: () => {} }
  const asked = { url, method: 'GET', socket: { remoteAddress }, headers: { host: 'localhost:8080', ...headers } }
  healthHandler([probed('orders')], options)(asked as unknown as IncomingMessage, response as unknown as ServerResponse)
  return code
}
