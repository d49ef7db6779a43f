// The dial: who is let through and who is turned down, and how long it may take. The endpoints are real sockets on loopback.
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { createDial, type DialerOptions } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { speaks, versionFlaw } from '../../../actors/protocol/versions.ts'
import type { Failure } from '../../../machines/failure.ts'
import { createAuthority } from '../../cluster/certificates.ts'
import { apiVersionsBody, kafkaVersions } from '../../kafka-versions.ts'
import { FakeBroker } from '../fake-broker.ts'

const brokers = new Set<FakeBroker>()
const listen = async (options?: Parameters<typeof FakeBroker.listen>[0]): Promise<FakeBroker> => {
  const broker = await FakeBroker.listen(options)
  brokers.add(broker)
  return broker
}
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all([...brokers].map((broker) => broker.close()))
  brokers.clear()
})

const dialWith = (options: Partial<DialerOptions> = {}) =>
  createDial({
    security: () => ({ clientId: 'orders' }),
    dialTimeoutMs: undefined,
    clusterId: () => 'ours',
    ...options,
  })

/** The failure a dial ends in. */
const failureOf = async (dialled: Promise<unknown>): Promise<Failure> => {
  const error = await dialled.then(
    () => expect.unreachable('the dial went through'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ConnectionError)
  return (error as ConnectionError).failure
}

const thrower = (thrown: unknown): never => {
  throw thrown
}

/** What a promise may be rejected with. */
const anything: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a text', 'no'],
  ['an object without a prototype', Object.create(null)],
  ['an error whose message throws', Object.defineProperty(new Error(), 'message', { get: () => thrower(1) })],
  ['a proxy that was revoked', revoked()],
]

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable(new Error('gone'), {})
  revoke()
  return proxy
}

describe('while the broker says who it is', () => {
  test('an endpoint that says it is this node of our cluster is let through, with what it said', async () => {
    const broker = await listen()
    const connection = await dialWith()(broker.endpoint, { nodeId: 1 })
    expect(connection.open).toBe(true)
    expect(connection.snapshot).toMatchObject({
      clusterId: 'ours',
      controllerId: 1,
      brokers: [{ nodeId: 1, ...broker.endpoint, addresses: ['127.0.0.1'] }],
      answeredBy: { ...broker.endpoint, address: '127.0.0.1' },
    })
    expect(broker.requests.map(({ apiKey }) => apiKey)).toEqual([apiKeys.apiVersions, apiKeys.metadata])
    connection.close()
    await broker.left()
  })

  test.each([
    ['2.3', 'LeaveGroup v3 came with Kafka 2.4, this broker has v0 to v2'],
    ['2.4', undefined],
    ['2.8', undefined],
    ['3.9', undefined],
    ['4.4', undefined],
  ] as const)(
    'a broker that speaks as Kafka %s does is let in, or told by name what it lacks: %s',
    async (release, missing) => {
      const broker = await listen()
      broker.versions = kafkaVersions[release]
      const dialled = dialWith()(broker.endpoint, { nodeId: 1 })
      if (missing === undefined) {
        const connection = await dialled
        expect(versionFlaw(connection.versions)).toBeUndefined()
        expect(speaks(connection.versions, apiKeys.metadata, 10)).toBe(release !== '2.4')
        return connection.close()
      }
      expect(await failureOf(dialled)).toMatchObject({
        kind: 'version-too-old',
        nodeId: 1,
        message: expect.stringMatching(new RegExp(`^127.0.0.1:${broker.port}: .*${missing}$`)),
      })
      await broker.left()
    },
  )

  test('a broker that answers no versions it was asked for is told what it lacks', async () => {
    const broker = await listen()
    broker.answering.set(apiKeys.apiVersions, () => apiVersionsBody([[apiKeys.apiVersions, 0, 1]], 35).subarray(0, -4))
    expect(await failureOf(dialWith()(broker.endpoint))).toMatchObject({
      kind: 'version-too-old',
      message: expect.stringContaining('Metadata v6 came with Kafka 2.0, this broker has none'),
    })
  })

  test('the question for versions goes out with the one for the identity, not before it', async () => {
    const broker = await listen()
    let release: (body: Buffer) => void = () => {}
    broker.answering.set(
      apiKeys.apiVersions,
      () =>
        new Promise<Buffer>((resolve) => {
          release = resolve
        }),
    )
    const dialled = dialWith()(broker.endpoint)
    await broker.asked(apiKeys.metadata)
    release(apiVersionsBody(kafkaVersions['2.8']))
    ;(await dialled).close()
  })

  test('an endpoint that is another node now is turned down, and what it said is kept', async () => {
    const broker = await listen({ nodeId: 2 })
    const dialled = dialWith()(broker.endpoint, { nodeId: 1 })
    expect(await failureOf(dialled)).toMatchObject({ kind: 'dial-failed', code: 'WRONG_NODE', nodeId: 1 })
    await expect(dialled).rejects.toMatchObject({ snapshot: { clusterId: 'ours', brokers: [{ nodeId: 2 }] } })
    await broker.left()
  })

  test('a node that names another endpoint as its own is not found here', async () => {
    const broker = await listen()
    broker.view = { clusterId: 'ours', brokers: [{ nodeId: 1, host: '127.0.0.1', port: broker.port + 1 }] }
    expect((await failureOf(dialWith()(broker.endpoint, { nodeId: 1 }))).code).toBe('WRONG_NODE')
    const connection = await dialWith()(broker.endpoint)
    expect(connection.open).toBe(true)
    connection.close()
  })

  test('another cluster is turned down with its id, whoever was asked for; without a known id any cluster will do', async () => {
    const broker = await listen()
    broker.view = { ...broker.view, clusterId: 'theirs' }
    for (const nodeId of [1, undefined]) {
      const failure = await failureOf(dialWith()(broker.endpoint, { nodeId }))
      expect(failure).toMatchObject({ kind: 'foreign-cluster', message: expect.stringContaining('theirs') })
    }
    await broker.left()
    const connection = await dialWith({ clusterId: () => undefined })(broker.endpoint, { nodeId: 1 })
    expect(connection.snapshot.clusterId).toBe('theirs')
    connection.close()
  })

  test('an answer without a cluster id is of no cluster, and not of another one', async () => {
    const broker = await listen()
    broker.view = { ...broker.view, clusterId: '' }
    const failure = await failureOf(dialWith()(broker.endpoint, { nodeId: 1 }))
    expect(failure).toMatchObject({ kind: 'dial-failed', code: 'NO_CLUSTER_ID' })
    await broker.left()
  })

  test('an IPv6 address is the same however it is written', async () => {
    const broker = await listen({ host: '::1' })
    broker.view = { clusterId: 'ours', brokers: [{ nodeId: 1, host: '0:0:0:0:0:0:0:1', port: broker.port }] }
    const connection = await dialWith()(broker.endpoint, { nodeId: 1 })
    expect(connection.snapshot.brokers).toMatchObject([{ host: '::1', addresses: ['::1'] }])
    expect(connection.address).toBe('::1')
    connection.close()
  })
})

describe('while the options decide', () => {
  test('an endpoint that the allow-list refuses gets no connection and no byte', async () => {
    const broker = await listen()
    const asked: unknown[] = []
    const dial = dialWith({
      allowEndpoint: (endpoint) => {
        asked.push(endpoint)
        return false
      },
    })
    expect(await failureOf(dial(broker.endpoint, { nodeId: 1 }))).toMatchObject({
      kind: 'identity-refused',
      code: 'NOT_ALLOWED',
    })
    expect(asked).toEqual([{ ...broker.endpoint, nodeId: 1 }])
    expect([broker.connections, broker.received]).toEqual([0, 0])
  })

  test.each<[string, () => unknown, string]>([
    ['returns nothing', () => undefined, 'returned a value of type undefined'],
    ['returns null', () => null, 'returned null'],
    ['returns 1', () => 1, 'returned a value of type number'],
    ['returns "true"', () => 'true', 'returned a value of type string'],
    ['is an async function', async () => true, 'returned a promise'],
    ['is an async function that fails', () => Promise.reject(undefined), 'returned a promise'],
    ['throws', () => thrower(new Error('no list')), 'threw: no list'],
    ['throws undefined', () => thrower(undefined), 'threw: undefined'],
  ])('an allow-list that %s allows nothing, and it is told why', async (_how, allowEndpoint, reason) => {
    const broker = await listen()
    const dial = dialWith({ allowEndpoint: allowEndpoint as () => boolean })
    expect(await failureOf(dial(broker.endpoint))).toMatchObject({
      kind: 'identity-refused',
      code: 'NOT_ALLOWED',
      message: expect.stringContaining(`allowEndpoint ${reason}`),
    })
    expect([broker.connections, broker.received]).toEqual([0, 0])
  })

  test('an allow-list that says true is heeded, and is not asked about more than the endpoint', async () => {
    const broker = await listen()
    const allowEndpoint = vi.fn(() => true)
    const more = { ...broker.endpoint, addresses: ['127.0.0.1'], nodeId: 7 }
    const connection = await dialWith({ allowEndpoint })(more)
    expect(allowEndpoint.mock.calls).toEqual([[broker.endpoint]])
    connection.close()
  })

  test.each(anything)('settings that reject with %s end the dial with a failure', async (_what, thrown) => {
    const dialled = dialWith({ security: () => Promise.reject(thrown) })({ host: '127.0.0.1', port: 1 })
    expect(await failureOf(dialled)).toMatchObject({ kind: 'settings-failed', message: expect.any(String) })
  })

  test.each(anything)('a lookup that fails with %s ends the dial with a failure', async (_what, thrown) => {
    for (const lookup of [
      (_host: string, _how: unknown, done: (error: unknown) => void) => done(thrown ?? new Error('no')),
      () => thrower(thrown),
    ]) {
      const dial = dialWith({ lookup: lookup as never, dialTimeoutMs: 300 })
      expect(await failureOf(dial({ host: 'b1.test', port: 1 }))).toMatchObject({ kind: 'dial-failed' })
    }
  })
})

describe('while nobody answers', () => {
  test('an endpoint that accepts and says nothing is given up at the deadline', async () => {
    const broker = await listen()
    broker.silence()
    const failure = await failureOf(dialWith({ dialTimeoutMs: 60 })(broker.endpoint))
    const message = expect.stringContaining('60 ms')
    expect(failure).toMatchObject({ kind: 'dial-failed', code: 'ANSWER_TIMEOUT', message })
    await broker.left()
  })

  test('an endpoint where nobody listens is refused at once', async () => {
    const broker = await listen()
    const { endpoint } = broker
    await broker.close()
    brokers.clear()
    expect(await failureOf(dialWith()(endpoint))).toMatchObject({ kind: 'dial-failed', code: 'ECONNREFUSED' })
  })

  test('a peer that does not speak Kafka is given up', async () => {
    const broker = await listen()
    broker.answering.set(apiKeys.metadata, () => Buffer.from([1]))
    expect((await failureOf(dialWith()(broker.endpoint))).kind).toBe('dial-failed')
    await broker.left()
  })

  test('a dial that is no longer wanted ends at once and leaves no socket', async () => {
    const broker = await listen()
    broker.silence()
    const stop = new AbortController()
    const failure = failureOf(dialWith({ dialTimeoutMs: 60_000 })(broker.endpoint, { signal: stop.signal }))
    await broker.asked(apiKeys.metadata)
    stop.abort()
    expect((await failure).code).toBe('ABORT_ERR')
    await broker.left()
    expect((await failureOf(dialWith()(broker.endpoint, { signal: AbortSignal.abort() }))).code).toBe('ABORT_ERR')
  })
})

describe('while settings and names are looked up', () => {
  test('settings that never come are given up after three seconds, and an error in them is told', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const hung = failureOf(dialWith({ security: () => new Promise(() => {}) })({ host: '127.0.0.1', port: 1 }))
    await vi.advanceTimersByTimeAsync(3000)
    expect(await hung).toMatchObject({ kind: 'settings-failed', message: expect.stringContaining('3000 ms') })
    const thrown = dialWith({ security: () => Promise.reject(new Error('the vault is sealed')) })
    const failure = await failureOf(thrown({ host: '127.0.0.1', port: 1 }))
    expect(failure).toMatchObject({ kind: 'settings-failed', message: expect.stringContaining('the vault is sealed') })
  })

  test('names are resolved by the lookup that was given, and only the one that is dialled', async () => {
    const broker = await listen()
    broker.view = {
      clusterId: 'ours',
      brokers: [
        { nodeId: 1, host: 'b1.test', port: broker.port },
        { nodeId: 2, host: 'b2.test', port: 1 },
      ],
    }
    const asked: string[] = []
    const lookup = ((host: string, { all }: { all?: boolean }, done: (...found: unknown[]) => void) =>
      asked.push(host) && all
        ? done(null, [{ address: '127.0.0.1', family: 4 }])
        : done(null, '127.0.0.1', 4)) as LookupFunction
    const connection = await dialWith({ lookup })({ host: 'b1.test', port: broker.port }, { nodeId: 1 })
    expect(asked).toEqual(['b1.test'])
    expect(connection.address).toBe('127.0.0.1')
    connection.close()
  })
})

describe('over TLS', () => {
  let folder: string
  let ca: string
  let keyStore: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'relisten-dial-'))
    const authority = await createAuthority(folder)
    ca = authority.ca
    await authority.issue(join(folder, 'one.pem'), 'one', ['127.0.0.1', '127.0.0.2'])
    keyStore = await readFile(join(folder, 'one.pem'), 'utf8')
  }, 30_000)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  /** A broker whose certificate covers 127.0.0.1 and .2, listening at this host. */
  const secure = (host: string): Promise<FakeBroker> => listen({ host, tls: { key: keyStore, cert: keyStore } })

  const sessionOf = async ({ port }: FakeBroker, host: string): Promise<Buffer> => {
    const socket = connectTls({ host, port, ca, checkServerIdentity: () => undefined })
    const [session] = (await once(socket, 'session')) as [Buffer]
    socket.destroy()
    return session
  }

  test.each<[string, (broker: FakeBroker) => TlsOptions | Promise<TlsOptions>]>([
    ['the authority alone', () => ({ ca })],
    ['an old address as servername', () => ({ ca, servername: '127.0.0.1' })],
    ['the session of an earlier connection', async (broker) => ({ ca, session: await sessionOf(broker, '127.0.0.3') })],
  ])('a certificate that lacks the dialled address is refused with %s, before any byte of ours', async (_with, ssl) => {
    const broker = await secure('127.0.0.3')
    const given = await ssl(broker)
    const dial = dialWith({ security: () => ({ ssl: given }) })
    expect(await failureOf(dial(broker.endpoint, { nodeId: 1 }))).toMatchObject({
      kind: 'identity-refused',
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
    expect(broker.received).toBe(0)
  })

  test('a certificate that covers the dialled address is accepted, and the one name all brokers share where it is named', async () => {
    const covered = await secure('127.0.0.2')
    const there = await dialWith({ security: () => ({ ssl: { ca } }) })(covered.endpoint, { nodeId: 1 })
    expect(there.open).toBe(true)
    there.close()
    const moved = await secure('127.0.0.3')
    const dial = dialWith({ security: () => ({ ssl: { ca } }), expectedIdentity: '127.0.0.1' })
    const connection = await dial(moved.endpoint, { nodeId: 1 })
    expect(connection.open).toBe(true)
    connection.close()
  })

  test('a peer from an unknown authority is refused for its identity', async () => {
    const broker = await secure('127.0.0.1')
    const failure = await failureOf(dialWith({ security: () => ({ ssl: true }) })(broker.endpoint))
    expect(failure).toMatchObject({ kind: 'identity-refused', code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) })
    expect(broker.received).toBe(0)
  })

  test('the environment does not switch the check of certificates off; the option does', async () => {
    const broker = await secure('127.0.0.1')
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    for (const ssl of [true, {}, { rejectUnauthorized: undefined as never }]) {
      const failure = await failureOf(dialWith({ security: () => ({ ssl }) })(broker.endpoint))
      expect(failure).toMatchObject({ kind: 'identity-refused', code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) })
    }
    expect(broker.received).toBe(0)
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
    const connection = await dialWith({ security: () => ({ ssl: { rejectUnauthorized: false } }) })(broker.endpoint)
    expect(connection.open).toBe(true)
    connection.close()
  })

  test('a peer that speaks plain text where TLS is expected is refused for its identity', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const failure = await failureOf(dialWith({ security: () => ({ ssl: { ca } }) })({ host: '127.0.0.1', port }))
    expect(failure).toMatchObject({ kind: 'identity-refused', code: 'ERR_SSL_WRONG_VERSION_NUMBER' })
    server.close()
  })
})
