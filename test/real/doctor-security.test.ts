// What the doctor finds on real brokers of TLS, logins and rights; and another cluster at an advertised address. TLS ends at the front.
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { ConsumerOptions } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import type { Seen } from '../cluster/front-address.ts'
import { createFrontIdentity, type FrontIdentity } from '../cluster/front-identity.ts'
import { examined, found, relisten, resolving, whatOf } from '../src/doctor/examined.ts'
import { sharedCluster } from './harness/shared-cluster.ts'

const SASL_AUTHENTICATE = 36
const [TOPIC, GROUP] = [2, 3] as const
const [ALL, READ, DESCRIBE] = [2, 3, 8] as const

const plain = sharedCluster({ bindFixed: true })
const secured = sharedCluster({
  bindFixed: true,
  security: 'scram',
  properties: {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // who comes in over the other listeners has no name
    'super.users': 'User:ANONYMOUS;User:service',
  },
})
let identity: FrontIdentity
beforeAll(async () => {
  identity = await createFrontIdentity(plain().nodeIds)
})
afterEach(() => vi.unstubAllEnvs())

type Kafka = NonNullable<ConsumerOptions['kafka']>
const service = (): Kafka => ({ ssl: { ca: [identity.ca] }, sasl: { ...secured().sasl } as never })
const guest = (): Kafka => ({ sasl: { ...secured().guest } as never })

test('with TLS and a login a cluster that works is found well, and a certificate that ends soon is told', async () => {
  await using front = await startFront(secured(), { tls: identity.tls })
  const ca = join(await mkdtemp(join(tmpdir(), 'relisten-doctor-')), 'ca.pem')
  await writeFile(ca, identity.ca)
  const { password = '', username = '', mechanism = '' } = secured().sasl ?? {}
  vi.stubEnv('RELISTEN_SASL_PASSWORD', password)
  vi.stubEnv('RELISTEN_BROKERS', front.endpoint(1))
  const { code, out } = await relisten(
    ...['doctor', '--ssl-ca', ca, '--sasl-mechanism', mechanism, '--sasl-username', username],
  )
  expect(out.filter((line) => line.startsWith('warning'))).toEqual(
    [1, 2, 3].map((nodeId) =>
      expect.stringMatching(
        `^warning certificate-ends-soon: node ${nodeId} .* of front, signed by relisten-test, for `,
      ),
    ),
  )
  expect([code, out.at(-1)]).toEqual([1, '0 problems, 3 warnings'])
  expect(out.join()).not.toContain(password)
})

test('a certificate for other addresses is found, with what it is for', async () => {
  const other = await createFrontIdentity(plain().nodeIds, { addresses: ['127.0.7.7'] })
  await using front = await startFront(plain(), { tls: other.tls })
  const seen = await examined({ brokers: [front.endpoint(1)], kafka: { ssl: { ca: [other.ca] } } })
  expect(found(seen)).toEqual(['certificate-refused', 'no-broker-answers'])
  expect(whatOf(seen, 'certificate-refused')).toMatch(
    /of front, signed by relisten-test, for IP Address:127\.0\.7\.7, until/,
  )
  expect(seen.findings[0]?.nextStep).toContain('expectedIdentity')
})

test('a certificate of an authority that is not trusted is found, with who signed it', async () => {
  await using front = await startFront(plain(), { tls: identity.tls })
  const seen = await examined({ brokers: [front.endpoint(1)], kafka: { ssl: true } })
  expect(found(seen)).toEqual(['certificate-refused', 'no-broker-answers'])
  expect(whatOf(seen, 'certificate-refused')).toContain('signed by relisten-test')
  expect(seen.findings[0]?.nextStep).toContain('kafka.ssl.ca')
})

test('a certificate that has ended is found, with the day', async () => {
  const ended = await createFrontIdentity(plain().nodeIds, { days: -1 })
  await using front = await startFront(plain(), { tls: ended.tls })
  const seen = await examined({ brokers: [front.endpoint(1)], kafka: { ssl: { ca: [ended.ca] } } })
  expect(found(seen)).toEqual(['certificate-refused', 'no-broker-answers'])
  expect(whatOf(seen, 'certificate-refused')).toMatch(/until \d{4}-\d\d-\d\d$/)
  expect(seen.findings[0]?.nextStep).toContain('renew it')
})

test.each<[string, () => Kafka, boolean, () => typeof plain, string]>([
  ['TLS, where none is set', () => ({}), true, () => plain, 'speaks SSL, and PLAINTEXT is set here: TLS is missing'],
  [
    'plain text, where TLS is set',
    () => ({ ssl: true }),
    false,
    () => plain,
    'speaks PLAINTEXT, and SSL is set here: TLS is not spoken',
  ],
  [
    'no login, where one is set',
    () => guest(),
    false,
    () => plain,
    'speaks PLAINTEXT, and SASL_PLAINTEXT is set here: no login is',
  ],
  [
    'a login, where none is set',
    () => ({ ssl: { ca: [identity.ca] } }),
    true,
    () => secured,
    'speaks SASL_SSL (SCRAM-SHA-512), and SSL is set here: a login is missing',
  ],
])('a listener that wants %s is found', async (_, kafka, hasTls, cluster, what) => {
  await using front = await startFront(cluster()(), hasTls ? { tls: identity.tls } : {})
  const seen = await examined({ brokers: [front.endpoint(1)], kafka: kafka(), dialTimeoutMs: 500 })
  expect(found(seen)).toEqual(['wrong-protocol', 'no-broker-answers'])
  expect(whatOf(seen, 'wrong-protocol')).toContain(`${front.endpoint(1)} ${what}`)
})

test('a certificate that is not trusted is found beside a login that is missing', async () => {
  await using front = await startFront(secured(), { tls: identity.tls })
  const seen = await examined({ brokers: [front.endpoint(1)], kafka: { ssl: true } })
  expect(found(seen)).toEqual(['certificate-refused', 'wrong-protocol', 'no-broker-answers'])
})

test('a password that is wrong is found, and tried once', async () => {
  const tried: Seen[] = []
  const tap = (one: Seen) => one.kind === 'request' && one.apiKey === SASL_AUTHENTICATE && tried.push(one)
  await using front = await startFront(secured(), { tap })
  const kafka = { sasl: { ...secured().guest, password: 'wrong' } as never }
  const seen = await examined({ brokers: front.endpoints(), kafka })
  expect(found(seen)).toEqual(['login-refused', 'no-broker-answers'])
  expect(new Set(tried.map(({ host, connection }) => `${host} ${connection}`)).size).toBe(1)
})

test('a mechanism that the listener does not offer is found, with those it has', async () => {
  await using front = await startFront(secured(), { tls: identity.tls })
  const kafka: Kafka = { ssl: { ca: [identity.ca] }, sasl: { mechanism: 'plain', username: 'guest', password: 'any' } }
  const seen = await examined({ brokers: [front.endpoint(1)], kafka })
  expect(found(seen)).toEqual(['login-refused', 'no-broker-answers'])
  expect(whatOf(seen, 'login-refused')).toContain('it offers SCRAM-SHA-512')
  expect(seen.named[0]?.failedIn).toBe('login')
})

test('another cluster at an advertised address is found, and so is one that is not meant', async () => {
  await using front = await startFront(plain())
  await front.foreign(2, {
    nodeIds: secured().nodeIds,
    endpoint: (nodeId) => secured().internal[nodeId - 1] ?? '',
  })
  front.names(true)
  const lookup = resolving({ 'node1.lan': front.address(1), 'node2.lan': '127.0.2.2', 'node3.lan': front.address(3) })
  const seen = await examined({ brokers: [front.endpoint(1)], lookup })
  expect(found(seen)).toEqual(['leads-to-another-cluster'])
  expect(whatOf(seen, 'leads-to-another-cluster')).toContain(
    `where cluster ${secured().clusterId} is instead of ${plain().clusterId}`,
  )
  const meant = await examined({ brokers: [front.endpoint(1)], lookup, clusterId: secured().clusterId })
  expect(found(meant)).toEqual(['foreign-cluster', 'no-broker-answers'])
})

test('addresses of two clusters in `brokers` are found', async () => {
  await using front = await startFront(plain())
  const seen = await examined({ brokers: [front.endpoint(1), ...secured().internal] })
  expect(found(seen)).toEqual(['foreign-cluster', 'foreign-cluster', 'foreign-cluster'])
  expect(seen.clusterId).toBe(plain().clusterId)
})

test('rights that are missing are found, for the group and for the topic', async () => {
  await using front = await startFront(secured())
  const name = 'doctor-rights'
  await secured().createTopic(name)
  const look = () => examined({ brokers: [front.endpoint(1)], kafka: guest(), groupId: name, topics: [name] })
  const none = await look()
  expect(found(none)).toEqual(['group-denied', 'topic-denied'])
  expect(whatOf(none, 'topic-denied')).toBe(`this user may not DESCRIBE topic ${name}`)

  await allow(GROUP, name, DESCRIBE)
  await allow(TOPIC, name, DESCRIBE)
  const described = await look()
  expect(found(described)).toEqual(['group-denied', 'topic-denied'])
  expect(described.findings.map(({ what }) => what)).toEqual([
    `this user may not READ group ${name}`,
    `this user may not READ topic ${name}`,
  ])

  await allow(GROUP, name, READ)
  await allow(TOPIC, name, READ)
  expect(found(await look())).toEqual([])
})

test('an address that leads to another broker is found without the right to ask for configurations', async () => {
  await using front = await startFront(secured())
  const topic = 'doctor-leaders'
  await secured().createTopic(topic)
  await allow(TOPIC, topic, ALL)
  front.names(true)
  const lookup = resolving({
    'node1.lan': front.address(1),
    'node2.lan': front.address(3),
    'node3.lan': front.address(3),
  })
  const seen = await examined({ brokers: [front.endpoint(1)], kafka: guest(), lookup, topics: [topic] })
  expect(found(seen)).toEqual(['same-address', 'leads-elsewhere'])
  expect(whatOf(seen, 'leads-elsewhere')).toContain('who is at the address of node 2 does not lead')
})

test('new addresses of all brokers pass before a move, with who is there; one that is closed or left out does not', async () => {
  await using front = await startFront(plain())
  await front.open(2)
  const moved = front.endpoints().map((endpoint) => endpoint.replace('127.0.1.', '127.0.2.'))
  const check = (...to: string[]) => relisten('move-check', '--brokers', front.endpoint(1), '--to', to.join())
  const passed = await check(...moved)
  expect([passed.code, passed.out.at(-1)]).toEqual([0, 'Nothing was found.'])
  for (const [index, endpoint] of moved.entries())
    expect(passed.out.join('\n')).toMatch(new RegExp(`^node ${index + 1} +${endpoint} .* ok$`, 'm'))

  const few = await check(...moved.slice(0, 2))
  expect([few.code, few.out.find((line) => line.startsWith('warning'))]).toEqual([
    1,
    'warning node-without-address: node 3 is at none of the new addresses',
  ])
  await front.close(2, 'rst', [3])
  const closed = await check(...moved)
  expect([closed.code, closed.out.find((line) => line.startsWith('problem'))]).toEqual([
    1,
    expect.stringContaining(`problem address-failed: ${moved[2]}: connect ECONNREFUSED`),
  ])
})

test('another cluster at a new address is found before a move', async () => {
  await using front = await startFront(plain())
  await front.foreign(2, { nodeIds: secured().nodeIds, endpoint: (nodeId) => secured().internal[nodeId - 1] ?? '' })
  const to = front.endpoint(1).replace('127.0.1.', '127.0.2.')
  const { code, out } = await relisten('move-check', '--json', '--brokers', front.endpoint(1), '--to', to)
  const report = JSON.parse(out.join('\n'))
  expect([code, found(report)]).toEqual([1, ['foreign-cluster']])
  expect(whatOf(report, 'foreign-cluster')).toContain(`${secured().clusterId} answered instead of ${plain().clusterId}`)
})

test('before a move no password is sent, unless a login is wanted; then one that is wrong is tried once', async () => {
  const tried: Seen[] = []
  const tap = (one: Seen) => one.kind === 'request' && one.apiKey === SASL_AUTHENTICATE && tried.push(one)
  await using front = await startFront(secured(), { tls: identity.tls, tap })
  await front.open(2)
  const to = front.endpoint(1).replace('127.0.1.', '127.0.2.')
  const ca = join(await mkdtemp(join(tmpdir(), 'relisten-doctor-')), 'ca.pem')
  await writeFile(ca, identity.ca)
  const { password = '', username = '', mechanism = '' } = secured().sasl ?? {}
  vi.stubEnv('RELISTEN_SASL_PASSWORD', password)
  const login = ['--ssl-ca', ca, '--sasl-mechanism', mechanism, '--sasl-username', username]
  const check = async (...args: string[]) => {
    const { out } = await relisten(
      'move-check',
      '--json',
      '--brokers',
      front.endpoint(1),
      '--to',
      to,
      ...login,
      ...args,
    )
    return JSON.parse(out.join('\n'))
  }
  expect(found(await check())).toEqual(['cluster-unknown', 'cluster-unknown'])
  expect(tried).toEqual([])
  const checked = await check('--login')
  expect([found(checked), checked.addresses[0].nodeId]).toEqual([['node-without-address'], 1])

  tried.length = 0
  vi.stubEnv('RELISTEN_SASL_PASSWORD', 'wrong')
  expect(found(await check('--login'))).toEqual(['login-refused'])
  expect(new Set(tried.map(({ host, connection }) => `${host} ${connection}`)).size).toBe(1)
})

test('a certificate that does not fit a new address is found before a move', async () => {
  const old = await createFrontIdentity(plain().nodeIds, { addresses: ['127.0.1.1', '127.0.1.2', '127.0.1.3'] })
  const ca = join(await mkdtemp(join(tmpdir(), 'relisten-doctor-')), 'ca.pem')
  await writeFile(ca, old.ca)
  await using front = await startFront(plain(), { tls: old.tls })
  await front.open(2)
  const to = front.endpoint(1).replace('127.0.1.', '127.0.2.')
  const { code, out } = await relisten(
    ...['move-check', '--json', '--brokers', front.endpoint(1), '--to', to, '--ssl-ca', ca],
  )
  const report = JSON.parse(out.join('\n'))
  expect([code, found(report)]).toEqual([1, ['certificate-refused']])
  expect(whatOf(report, 'certificate-refused')).toContain('for IP Address:127.0.1.1, IP Address:127.0.1.2')
})

// the last one: it leaves a broker stopped
test('a partition without a leader is found', async () => {
  await using front = await startFront(secured(), { tls: identity.tls })
  const topic = 'doctor-leaderless'
  await secured().createTopic(topic, { partitions: 3, replication: 1 })
  const [[partition] = []] = [...(await secured().leaders(topic))].filter(([, leader]) => leader === 3)
  await secured().stopBroker(3)
  const seen = await examined({ brokers: [front.endpoint(1)], kafka: service(), topics: [topic] })
  expect(found(seen)).toEqual(['no-leader'])
  expect(whatOf(seen, 'no-leader')).toBe(`topic ${topic} has no leader for partition ${partition}`)
})

/** What the guest may do. */
async function allow(resourceType: number, resourceName: string, operation: number): Promise<void> {
  const [allowed, literal] = [3, 3]
  const admin = secured().kafka().admin()
  await admin.connect()
  const who = { principal: 'User:guest', host: '*', operation, permissionType: allowed }
  await admin.createAcls({ acl: [{ resourceType, resourceName, resourcePatternType: literal, ...who }] })
  await admin.disconnect()
}
