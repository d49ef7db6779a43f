// Connections and the link above them, against brokers on loopback: what is sent again, what moves softly, and when requests fail.
import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { createDial, type Dial } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { held } from '../../../actors/wire/in-flight-requests.ts'
import { Link, type LinkOptions } from '../../../actors/wire/link.ts'
import { int32, metadataBody, namedBody, requestFrame } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { FakeCluster, snapshotOf } from '../fake-cluster.ts'

const brokers: FakeBroker[] = []
const links: Link[] = []
let cluster: FakeCluster
let redials: { soft: boolean; tookMs: number; endpoint: string }[]
const moments = new EventEmitter()

beforeEach(() => {
  cluster = new FakeCluster()
  redials = []
})
afterEach(async () => {
  for (const link of links.splice(0)) link.close()
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})

/** A broker that calls itself node 1 and answers `listOffsets` with its own name. */
async function listen(name: string): Promise<FakeBroker> {
  const broker = await FakeBroker.listen()
  broker.answering.set(apiKeys.listOffsets, () => namedBody(name))
  brokers.push(broker)
  return broker
}

const dial: Dial = createDial({ security: () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' })

function linkWith(options: Partial<LinkOptions> = {}): Link {
  const link = new Link({
    nodeId: 1,
    cluster,
    dial,
    holdMs: 5000,
    onRedial: (redial) => {
      redials.push(redial)
      moments.emit('redial')
    },
    ...options,
  })
  links.push(link)
  return link
}

/** The broker is gone, and the link above it has noticed. */
async function end(broker: FakeBroker): Promise<void> {
  const noticed = once(cluster.moments, 'update')
  brokers.splice(brokers.indexOf(broker), 1)
  await Promise.all([broker.close(), noticed])
}

/** What a dial asks. */
const identity: number[] = [apiKeys.apiVersions, apiKeys.metadata]

const question = (): Buffer => requestFrame(apiKeys.listOffsets, 3, 0, int32(-1))
const ask = async (link: Link, silenceMs = 60_000): Promise<string> =>
  (await link.send(question(), silenceMs)).toString('utf8', 14)
const failureOf = (asked: Promise<unknown>): Promise<unknown> =>
  asked.then(
    () => expect.unreachable('it was answered'),
    (error: unknown) => (error instanceof ConnectionError ? error.failure.code : error),
  )

test('a link dials when it is first used, asks who is there, and answers requests in whatever order they come', async () => {
  const broker = await listen('one')
  cluster.book.put(1, broker.endpoint)
  const link = linkWith()
  expect([link.used, link.current, broker.connections]).toEqual([false, false, 0])
  const order: string[] = []
  let release: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  broker.answering.set(apiKeys.fetch, async () => {
    await held
    return namedBody('slow')
  })
  const slow = link.send(requestFrame(apiKeys.fetch, 11, 0), 60_000).then(() => order.push('slow'))
  const fast = ask(link).then((answer) => order.push(answer))
  await fast
  release()
  await slow
  expect(order).toEqual(['one', 'slow'])
  expect(link.current).toBe(true)
  expect(broker.requests.map(({ apiKey }) => apiKey)).toEqual([...identity, apiKeys.fetch, apiKeys.listOffsets])
  expect(cluster.observed).toHaveLength(1)
  expect(redials).toEqual([])
})

test('requests in flight when a connection breaks are sent again on the next one', async () => {
  const broker = await listen('one')
  cluster.book.put(1, broker.endpoint)
  const link = linkWith()
  broker.answering.set(apiKeys.listOffsets, () => undefined)
  const answers = [ask(link), ask(link)]
  await broker.asked(apiKeys.listOffsets, 1)
  broker.answering.set(apiKeys.listOffsets, () => namedBody('again'))
  broker.reset()
  expect(await Promise.all(answers)).toEqual(['again', 'again'])
  expect(
    broker.requests.filter(({ apiKey }) => apiKey === apiKeys.listOffsets).map(({ connection }) => connection),
  ).toEqual([1, 1, 2, 2])
  expect(cluster.updateRequests).toBeGreaterThan(0)
  expect(redials).toMatchObject([{ soft: false }])
})

test('after a break a link that nobody waits for is dialled when it is next used, an urgent one at once', async () => {
  const broker = await listen('one')
  cluster.book.put(1, broker.endpoint)
  const [idle, urgent] = [linkWith(), linkWith({ urgent: true })]
  await Promise.all([ask(idle), ask(urgent)])
  const back = once(moments, 'redial')
  broker.reset()
  await back
  expect([idle.used, urgent.current, broker.connections]).toEqual([false, true, 3])
  expect(await ask(idle)).toBe('one')
  expect([idle.current, broker.connections]).toEqual([true, 4])
})

test('an urgent link takes the connection that was dialled elsewhere, unless another node answers there', async () => {
  const [broker, other] = [await listen('one'), await listen('two')]
  other.view = { clusterId: 'ours', brokers: [{ nodeId: 2, ...other.endpoint }] }
  const given = [await dial(other.endpoint), await dial(broker.endpoint)]
  cluster.book.put(1, broker.endpoint)
  cluster.giving = () => given.shift()
  expect(await ask(linkWith())).toBe('one')
  expect([given.length, broker.connections]).toEqual([2, 2])
  expect(await ask(linkWith({ urgent: true }))).toBe('one')
  expect([given.length, broker.connections]).toEqual([0, 2])
  await other.left()
})

test('a node that moved while its old place is dead is found where the book says, as soon as the book says so', async () => {
  const [old, now] = [await listen('old'), await listen('now')]
  cluster.book.put(1, old.endpoint)
  const link = linkWith()
  expect(await ask(link)).toBe('old')
  await end(old)
  const asked = ask(link)
  cluster.book.put(1, now.endpoint)
  expect(await asked).toBe('now')
  expect(redials).toMatchObject([{ endpoint: `127.0.0.1:${now.port}`, soft: false }])
})

test('the dial of a place that takes connections and says nothing is given up when the book names another', async () => {
  const [silent, now] = [await listen('silent'), await listen('now')]
  silent.silence()
  cluster.book.put(1, silent.endpoint)
  const asked = ask(
    linkWith({ dial: createDial({ security: () => ({}), dialTimeoutMs: 60_000, clusterId: () => 'ours' }) }),
  )
  await silent.asked(apiKeys.metadata)
  cluster.book.put(1, now.endpoint)
  expect(await asked).toBe('now')
  await silent.left()
})

test('a connection that is handed over too late is closed', async () => {
  const [broker, now] = [await listen('one'), await listen('now')]
  cluster.book.put(1, broker.endpoint)
  const late = await dial(broker.endpoint)
  let hand: (line: typeof late) => void = () => {}
  const handed = new Promise<typeof late>((resolve) => {
    hand = resolve
  })
  cluster.take = ({ port }) => (port === now.port ? Promise.resolve(undefined) : handed)
  const asked = ask(linkWith({ urgent: true }))
  cluster.book.put(1, now.endpoint)
  expect(await asked).toBe('now')
  hand(late)
  await broker.left()
})

test('where the old connection lives, the new one is ready before the old one is left', async () => {
  const [old, now] = [await listen('old'), await listen('now')]
  cluster.book.put(1, old.endpoint)
  const link = linkWith()
  await ask(link)
  old.answering.set(apiKeys.fetch, () => undefined)
  now.answering.set(apiKeys.fetch, () => namedBody('poll'))
  const poll = link.send(requestFrame(apiKeys.fetch, 11, 0), 60_000)
  let admit: () => void = () => {}
  const admitted = new Promise<void>((resolve) => {
    admit = resolve
  })
  now.answering.set(apiKeys.metadata, async () => {
    await admitted
    return metadataBody('ours', now.view.brokers)
  })
  cluster.book.put(1, now.endpoint)
  await now.asked(apiKeys.metadata)
  expect(await ask(link)).toBe('old')
  expect(old.open).toBe(1)
  const redialled = once(moments, 'redial')
  admit()
  expect((await poll).toString('utf8', 14)).toBe('poll')
  await redialled
  await old.left()
  expect(await ask(link)).toBe('now')
  expect(redials).toMatchObject([{ soft: true, tookMs: 0 }])
  expect(now.requests.slice(0, 2).map(({ apiKey }) => apiKey)).toEqual(identity)
})

test('a node that is not where the book says gets no request, and the link looks on', async () => {
  const [wrong, right] = [await listen('wrong'), await listen('right')]
  wrong.view = { clusterId: 'ours', brokers: [{ ...wrong.endpoint, nodeId: 2 }] }
  cluster.book.put(1, wrong.endpoint)
  const link = linkWith()
  const asked = ask(link)
  await wrong.asked(apiKeys.metadata)
  cluster.book.put(1, right.endpoint)
  expect(await asked).toBe('right')
  expect(wrong.requests.every(({ apiKey }) => identity.includes(apiKey))).toBe(true)
  expect(cluster.reports.filter((report) => report.startsWith('dead'))).toEqual([])
})

test('requests fail as soon as a snapshot taken after the break no longer names the node', async () => {
  const broker = await listen('one')
  cluster.book.put(1, broker.endpoint)
  const link = linkWith()
  await ask(link)
  const place = `127.0.0.1:${broker.port}`
  await end(broker)
  cluster.newestSnapshot = snapshotOf(Date.now() - 1000)
  const asked = failureOf(ask(link))
  cluster.book.drop(1)
  cluster.newestSnapshot = snapshotOf(Date.now() + 1000)
  expect(await asked).toBe('NODE_LEFT')
  expect(cluster.reports).toContain(`dead ${place}`)
})

test('a node that stays out of reach fails its requests after `holdMs`, and is dialled anew for the next one', async () => {
  const broker = await listen('one')
  cluster.book.put(1, broker.endpoint)
  const refusing: Dial = () =>
    Promise.reject(new ConnectionError({ kind: 'dial-failed', message: 'no', code: 'ECONNREFUSED' }))
  let through = refusing
  const link = linkWith({ holdMs: 80, dial: (...given) => through(...given) })
  const startedAt = Date.now()
  expect(await failureOf(ask(link))).toBe('ETIMEDOUT')
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(80)
  through = dial
  expect(await ask(link)).toBe('one')
})

test.each([
  ['identity-refused', true],
  ['login-refused', false],
] as const)(
  'a node that is not to be had for %s is reported, as dead: %s, and its requests are held, never sent',
  async (kind, isDead) => {
    const broker = await listen('one')
    cluster.book.put(1, broker.endpoint)
    const refusing: Dial = () => Promise.reject(new ConnectionError({ kind, message: 'not you' }))
    const link = linkWith({ dial: refusing })
    const asked = failureOf(ask(link))
    cluster.newestSnapshot = snapshotOf(Date.now() + 1000)
    cluster.book.drop(1)
    link.close()
    expect(await asked).toBe('CLOSED')
    expect(cluster.reports).toContain(`${kind} 127.0.0.1:${broker.port}`)
    expect(cluster.reports.includes(`dead 127.0.0.1:${broker.port}`)).toBe(isDead)
    expect(broker.received).toBe(0)
  },
)

test('a closed link fails what waits, watches nothing, and holds no socket', async () => {
  const broker = await listen('one')
  cluster.book.put(1, broker.endpoint)
  const link = linkWith()
  await ask(link)
  broker.answering.set(apiKeys.listOffsets, () => undefined)
  const asked = failureOf(ask(link))
  link.close()
  expect(await asked).toBe('CLOSED')
  expect(await failureOf(ask(link))).toBe('CLOSED')
  expect(cluster.book.watched).toBe(0)
  await broker.left()
})

test('a request that was held when it was given up takes its connection along: the broker would go on holding what comes next', async () => {
  const broker = await listen('one')
  cluster.book.put(1, broker.endpoint)
  broker.answering.set(apiKeys.joinGroup, () => undefined)
  const link = linkWith()
  expect(link.holding).toBe(false)
  const given = new AbortController()
  void link.send(requestFrame(apiKeys.joinGroup, 5, 0), held, { signal: given.signal })
  await broker.asked(apiKeys.joinGroup)
  expect(link.holding).toBe(true)
  given.abort('given up')
  await broker.left()
  expect(link.holding).toBe(false)
})

test('no silence ends a connection while all that waits may be held', async () => {
  const broker = await listen('one')
  cluster.book.put(1, broker.endpoint)
  let release: () => void = () => {}
  broker.answering.set(apiKeys.joinGroup, async () => {
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return namedBody('joined')
  })
  const idle: boolean[] = []
  const link: Link = linkWith({ onIdle: () => idle.push(link.idle) })
  expect(await ask(link)).toBe('one')
  const joining = link.send(requestFrame(apiKeys.joinGroup, 5, 0), held)
  await broker.asked(apiKeys.joinGroup)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect([cluster.updateRequests, broker.connections]).toEqual([0, 1])
  release()
  await joining
  expect(idle).toEqual([true, true])
})
