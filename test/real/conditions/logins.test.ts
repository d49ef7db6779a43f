// Logins and permissions: over a distance, refused by one broker, by tokens that expire, and without an ACL. TLS ends at the front.
import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { type ConsumerOptions, createConsumer } from '../../../src/index.ts'
import { startFront } from '../../cluster/front.ts'
import type { Seen } from '../../cluster/front-address.ts'
import { createFrontIdentity, type FrontIdentity } from '../../cluster/front-identity.ts'
import { form } from '../harness/form.ts'
import { OUTAGE_MS, outage } from '../harness/outage.ts'
import { relistenMember } from '../harness/relisten-member.ts'
import { report } from '../harness/report.ts'
import { overDistance, ROUND_TRIPS_MS } from '../harness/round-trips.ts'
import { startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'

const SASL_HANDSHAKE = 17
const FIND_COORDINATOR = 10
const JOIN_GROUP = 11
const METADATA = 3
const YEAR_S = 365 * 24 * 3600
const [SHORT_TOKEN_S, TOKENS_MS] = form([15, 20_000], [60, 300_000])
const STORM_MS = form(6000, 60_000)
const TOLD_WITHIN_MS = 5000

const authorizer = 'org.apache.kafka.metadata.authorizer.StandardAuthorizer'
const unsecured = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required'

const cluster = sharedCluster({
  bindFixed: true,
  security: 'scram',
  properties: {
    'authorizer.class.name': authorizer,
    // who comes in over the other listeners has no name
    'super.users': 'User:ANONYMOUS;User:service',
    'listener.name.client.sasl.enabled.mechanisms': 'SCRAM-SHA-512,OAUTHBEARER',
    'listener.name.client.oauthbearer.sasl.jaas.config': `${unsecured} unsecuredLoginStringClaim_sub="broker";`,
    // longer than any token here, so that it is the token's end that counts
    'listener.name.client.oauthbearer.connections.max.reauth.ms': String(2 * YEAR_S * 1000),
  },
})
let identity: FrontIdentity

beforeAll(async () => {
  identity = await createFrontIdentity(cluster().nodeIds)
})

type Kafka = NonNullable<ConsumerOptions['kafka']>

/** Data and not a function: members of one process that say the same share a poller and the pace of their logins. */
const asService = (): Kafka => ({ ssl: { ca: [identity.ca] }, sasl: { ...cluster().sasl } as never })

// one after the other, and alone: the handshakes of one move take most of a small machine
test.each(ROUND_TRIPS_MS)(
  'over TLS and SCRAM with round trips of %i ms a group joins, rests and follows moves',
  async (roundTripMs) => {
    const distant = { cluster: cluster(), name: 'TLS and SCRAM', roundTripMs, trips: 12 }
    expect(await overDistance({ ...distant, tls: identity.tls, kafka: asService() })).toEqual([])
  },
)

test.concurrent.each([
  ['of a minute', SHORT_TOKEN_S],
  ['of a year', YEAR_S],
])('tokens %s are renewed in time, and no more often', async (name, validS) => {
  const seen: Seen[] = []
  await using front = await startFront(cluster(), { tls: identity.tls, tap: (one) => seen.push(one) })
  const kafka: Kafka = () => ({
    ssl: { ca: [identity.ca] },
    sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: token(validS) }) },
  })
  await using run = await startRun({
    scenario: `tokens ${name}${validS === YEAR_S ? '' : ` (${validS} s)`}`,
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    options: { kafka },
  })
  const from = Date.now()
  const connections = front.connections()
  await run.pass(TOKENS_MS)
  const logins = seen.filter(({ at, kind, apiKey }) => at >= from && kind === 'request' && apiKey === SASL_HANDSHAKE)
  // each connection once per token, which is renewed at four fifths of its time at the latest, and half as often again
  const rounds = TOKENS_MS / (validS * 1000 * 0.5)
  const told = (type: string) => run.members.reduce((sum, member) => sum + (member.told.get(type) ?? 0), 0)
  const figures = [
    { name: 'logins', value: logins.length, most: validS === YEAR_S ? 0 : Math.ceil(connections * rounds) },
    { name: 'sessions', value: told('session.opened'), most: run.members.length },
    { name: 'refused endpoints', value: told('endpoint.refused'), most: 0 },
  ]
  expect(report(await run.finish(), { rebalances: 0, figures })).toEqual([])
})

test.concurrent.each(['group', 'topic'] as const)(
  'a missing ACL of the %s is told by name, and asked for seldom',
  async (what) => {
    const seen: Seen[] = []
    await using front = await startFront(cluster(), { tls: identity.tls, tap: (one) => seen.push(one) })
    const id = crypto.randomUUID().slice(0, 8)
    const [topic, groupId] = [`secret-${id}`, `secret-group-${id}`]
    await cluster().createTopic(topic)
    await allow(what === 'group' ? { type: 2, name: topic } : { type: 3, name: groupId })
    const consumer = createConsumer({
      logger: false,
      ...{ brokers: () => front.endpoints(), groupId, topics: [topic], eachMessage: async () => {} },
      kafka: () => ({ clientId: 'guest', ssl: { ca: [identity.ca] }, sasl: { ...cluster().guest } as never }),
    })
    const missing = what === 'group' ? groupId : topic
    const startedAt = Date.now()
    let toldMs = Number.POSITIVE_INFINITY
    consumer.on('*', ({ data }) => {
      const { failure } = data as { failure?: { kind: string; message: string } }
      if (failure?.kind !== 'not-authorized' || !failure.message.includes(missing)) return
      toldMs = Math.min(toldMs, Date.now() - startedAt)
    })
    const started = consumer.start().catch(() => {})
    try {
      await pause(STORM_MS)
      const asked = (...apiKeys: number[]) =>
        seen.filter(({ kind, apiKey }) => kind === 'request' && apiKeys.includes(apiKey)).length
      const perSecond = STORM_MS / 1000
      expect({
        toldWithin: toldMs <= TOLD_WITHIN_MS || toldMs,
        lookUps: asked(FIND_COORDINATOR, JOIN_GROUP) <= 2 * perSecond || asked(FIND_COORDINATOR, JOIN_GROUP),
        // the poller asks each of three brokers once a second
        metadata: asked(METADATA) <= 6 * perSecond || asked(METADATA),
        logins: asked(SASL_HANDSHAKE) <= 12 || asked(SASL_HANDSHAKE),
      }).toEqual({ toldWithin: true, lookUps: true, metadata: true, logins: true })
    } finally {
      await consumer.stop()
      await started
    }
  },
)

test.concurrent.each(form([20], [3, 20]))('under %i consumers one broker refuses the login', async (members) => {
  const seen: Seen[] = []
  const violations = await outage({
    ...{ cluster: cluster(), scenario: `one broker refuses the login, ${members} consumers`, members },
    front: { tls: identity.tls, tap: (one) => seen.push(one) },
    kafka: asService(),
    async begin(front, nodeId) {
      front.misread(new Map([['n=service', 'n=nobody!']]), [nodeId])
      // what is connected is logged in already
      await front.close(1, 'fin', [nodeId])
      await front.open(1, [nodeId])
    },
    end: async (front, nodeId) => front.misread(null, [nodeId]),
    figures(front, nodeId, { from, to }) {
      const host = front.address(nodeId)
      const logins = seen.filter((one) => one.host === host && one.at >= from && one.at <= to)
      const tried = logins.filter(({ kind, apiKey }) => kind === 'request' && apiKey === SASL_HANDSHAKE).length
      return [{ name: 'logins tried there', value: tried, most: 1 + OUTAGE_MS / 5000 }]
    },
  })
  expect(violations).toEqual([])
})

/** A token that nobody signed, for the user `service`: brokers without a validator of their own take it. */
function token(validS: number): string {
  const now = Math.floor(Date.now() / 1000)
  const part = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: 'service', iat: now - 1, exp: now + validS })}.`
}

/** What the guest may do: everything with this topic (type 2) or group (type 3). */
async function allow({ type, name }: { readonly type: 2 | 3; readonly name: string }): Promise<void> {
  const [all, allowed, literal] = [2, 3, 3]
  const admin = cluster().kafka().admin()
  await admin.connect()
  await admin.createAcls({
    acl: [
      {
        ...{ resourceType: type, resourceName: name, resourcePatternType: literal },
        ...{ principal: 'User:guest', host: '*', operation: all, permissionType: allowed },
      },
    ],
  })
  await admin.disconnect()
}
