// The doubt: what a link does about a node that falls silent while a request waits, against brokers on loopback.
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { createDial, type Dial } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { Link, type LinkOptions } from '../../../actors/wire/link.ts'
import { int32, namedBody, requestFrame } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { FakeCluster } from '../fake-cluster.ts'

let cluster: FakeCluster
let broker: FakeBroker
let redials: string[]
const links: Link[] = []

beforeEach(async () => {
  cluster = new FakeCluster()
  redials = []
  broker = await FakeBroker.listen()
  broker.answering.set(apiKeys.listOffsets, () => namedBody('here'))
  cluster.book.put(1, broker.endpoint)
})
afterEach(async () => {
  for (const link of links.splice(0)) link.close()
  await broker.close()
})

const dial: Dial = createDial({ security: () => ({}), dialTimeoutMs: 2000, clusterId: () => 'ours' })

async function connected(options: Partial<LinkOptions> = {}): Promise<Link> {
  const onRedial = ({ soft }: { soft: boolean }) => redials.push(soft ? 'soft' : 'hard')
  const link = new Link({ nodeId: 1, cluster, dial, holdMs: 5000, onRedial, ...options })
  links.push(link)
  await ask(link)
  return link
}

const ask = async (link: Link, silenceMs = 60_000, apiKey: number = apiKeys.listOffsets): Promise<string> =>
  (await link.send(requestFrame(apiKey, 3, 0, int32(-1)), silenceMs)).toString('utf8', 14)
const connectionsOf = (apiKey: number) =>
  broker.requests.filter((request) => request.apiKey === apiKey).map(({ connection }) => connection)

/** Requests of this kind wait until they are let go: the oldest first. */
function hold(apiKey: number): () => void {
  const held: (() => void)[] = []
  broker.answering.set(apiKey, () => new Promise((resolve) => held.push(() => resolve(namedBody('late')))))
  return () => held.shift()?.()
}

test.each([
  ['a fetch', apiKeys.fetch],
  ['the end of a leader epoch', apiKeys.offsetForLeaderEpoch],
])(
  'a connection whose packets vanish is left as soon as a second one answers the same request: %s',
  async (_what, asked) => {
    const link = await connected()
    // Only the first connection forgets what it is asked.
    broker.answering.set(asked, () =>
      broker.requests.at(-1)?.connection === 1 ? undefined : namedBody('over the second'),
    )
    const since = performance.now()
    expect(await ask(link, 40, asked)).toBe('over the second')
    // Not only when a broker that works on something would have been done with it.
    expect(performance.now() - since).toBeLessThan(4000)
    expect(cluster.updateRequests).toBeGreaterThan(0)
    expect(connectionsOf(asked)).toEqual([1, 2])
    await broker.left(1)
    expect(await ask(link)).toBe('here')
    expect([redials, connectionsOf(apiKeys.listOffsets)]).toEqual([['soft'], [1, 2]])
  },
)

test('a connection that dies while the node throttles it is left with the first answer of a second one', async () => {
  const link = await connected()
  broker.answering.set(apiKeys.fetch, () => int32(100))
  await link.send(requestFrame(apiKeys.fetch, 3, 0), 60_000)
  // It goes out when the time is over: what it is told until then is no sign of life.
  broker.answering.set(apiKeys.fetch, () =>
    broker.requests.at(-1)?.connection === 1 ? undefined : namedBody('over the second'),
  )
  expect(await ask(link, 40, apiKeys.fetch)).toBe('over the second')
  expect(redials).toEqual(['soft'])
  await broker.left(1)
})

test('a node that takes its time keeps both connections, and is given more of it each time', async () => {
  const link = await connected()
  const release = hold(apiKeys.fetch)
  const first = ask(link, 40, apiKeys.fetch)
  await broker.asked(apiKeys.fetch, 1)
  expect(link.slow).toBe(true)
  release()
  expect(await first).toBe('late')
  release()
  const [requested] = [once(cluster.moments, 'update')]
  const second = ask(link, 40, apiKeys.fetch)
  await requested
  release()
  expect(await second).toBe('late')
  expect([broker.connections, redials, link.slow]).toEqual([2, [], false])
  expect(connectionsOf(apiKeys.fetch).slice(0, 3)).toEqual([1, 2, 1])
})

test('where the packets of both connections vanish, a third one answers the same request', async () => {
  const link = await connected()
  const release = hold(apiKeys.fetch)
  const first = ask(link, 40, apiKeys.fetch)
  await broker.asked(apiKeys.fetch, 1)
  release()
  await first
  release()
  broker.answering.set(apiKeys.fetch, () =>
    (broker.requests.at(-1)?.connection ?? 0) < 3 ? undefined : namedBody('over the third'),
  )
  expect(await ask(link, 40, apiKeys.fetch)).toBe('over the third')
  await broker.left(1)
  expect([connectionsOf(apiKeys.fetch), redials]).toEqual([[1, 2, 1, 2, 3], ['soft']])
})

test('an answer whose bytes keep coming is never doubted, however long it takes', async () => {
  const link = await connected()
  broker.answering.set(apiKeys.fetch, () => namedBody('x'.repeat(1000)))
  broker.trickle = { bytes: 50, everyMs: 30 }
  expect(await ask(link, 300, apiKeys.fetch)).toHaveLength(1000)
  expect([cluster.updateRequests, broker.connections]).toEqual([0, 1])
})

test('a commit is not sent twice, and what waits behind it proves nothing about its connection', async () => {
  const link = await connected()
  const release = hold(apiKeys.offsetCommit)
  broker.answering.set(apiKeys.heartbeat, () =>
    broker.requests.at(-1)?.connection === 1 ? undefined : namedBody('over the second'),
  )
  const commit = ask(link, 40, apiKeys.offsetCommit)
  expect(await ask(link, 40, apiKeys.heartbeat)).toBe('over the second')
  expect([connectionsOf(apiKeys.offsetCommit), redials, broker.open]).toEqual([[1], [], 2])
  release()
  expect(await commit).toBe('late')
})

test.each([
  ['a commit', apiKeys.offsetCommit, 40],
  ['a request that may be held for ever', apiKeys.joinGroup, Number.POSITIVE_INFINITY],
])('%s excuses nothing that was asked before it', async (_what, apiKey, silenceMs) => {
  const link = await connected()
  const overSecond = () => (broker.requests.at(-1)?.connection === 1 ? undefined : namedBody('over the second'))
  broker.answering.set(apiKeys.fetch, overSecond).set(apiKey, overSecond)
  const first = ask(link, 40, apiKeys.fetch)
  await broker.asked(apiKeys.fetch)
  const behind = ask(link, silenceMs, apiKey)
  expect(await first).toBe('over the second')
  expect(await behind).toBe('over the second')
  expect(redials).toEqual(['soft'])
})

test('a request that may be held for ever is no reason to doubt, and keeps its connection', async () => {
  const link = await connected()
  const release = hold(apiKeys.joinGroup)
  const join = ask(link, Number.POSITIVE_INFINITY, apiKeys.joinGroup)
  await broker.asked(apiKeys.joinGroup)
  expect([link.slow, cluster.updateRequests]).toEqual([false, 0])
  broker.answering.set(apiKeys.heartbeat, () =>
    broker.requests.at(-1)?.connection === 1 ? undefined : namedBody('over the second'),
  )
  expect(await ask(link, 40, apiKeys.heartbeat)).toBe('over the second')
  release()
  expect(await join).toBe('late')
  expect([connectionsOf(apiKeys.joinGroup), redials]).toEqual([[1], []])
})

test('a silent connection to where nobody listens any more is left', async () => {
  const refused = new ConnectionError({ kind: 'dial-failed', message: 'nobody', code: 'ECONNREFUSED' })
  let dials = 0
  const link = await connected({ dial: (...given) => (++dials === 2 ? Promise.reject(refused) : dial(...given)) })
  broker.answering.set(apiKeys.fetch, () => (dials === 1 ? undefined : namedBody('back')))
  expect(await ask(link, 40, apiKeys.fetch)).toBe('back')
  expect([redials, cluster.reports[1]]).toEqual([['hard'], `dead 127.0.0.1:${broker.port}`])
})

test('where neither connection answers, both are left after `requestTimeoutMs`', async () => {
  const link = await connected({ requestTimeoutMs: 100 })
  broker.answering.set(apiKeys.fetch, () => (broker.connections < 3 ? undefined : namedBody('over the third')))
  expect(await ask(link, 40, apiKeys.fetch)).toBe('over the third')
  expect([redials, broker.connections]).toEqual([['hard'], 3])
  await broker.left(1)
})

test('a silent node that is no longer named by anybody is left, and its request fails', async () => {
  const link = await connected()
  broker.answering.set(apiKeys.fetch, () => undefined)
  const asked = link.send(requestFrame(apiKeys.fetch, 3, 0), 40).catch((error) => error.failure.code)
  await broker.asked(apiKeys.fetch)
  cluster.book.drop(1)
  cluster.newestSnapshot = { ...(await dialled()), at: Date.now() + 60_000 }
  await broker.close()
  expect(await asked).toBe('NODE_LEFT')
  broker = await FakeBroker.listen()
})

test('a node that is far has the time of its round trips as well', async () => {
  const link = await connected()
  const release = hold(apiKeys.heartbeat)
  // Ten heartbeats of 400 ms each: what it would have measured.
  for (let count = 0; count < 10; count++) (await lineOf()).roundTrip.note(400)
  const asked = ask(link, 40, apiKeys.heartbeat)
  await broker.asked(apiKeys.heartbeat)
  await new Promise((resolve) => setTimeout(resolve, 120))
  expect(cluster.updateRequests).toBe(0)
  release()
  expect(await asked).toBe('late')
})

test('a process that stood still reads what waits in the kernel before it doubts anybody', async () => {
  const link = await connected()
  broker.answering.set(apiKeys.fetch, () => namedBody('long here'))
  const asked = ask(link, 40, apiKeys.fetch)
  await broker.asked(apiKeys.fetch)
  // The broker, in this process too, writes its answer without a turn of the event loop in between.
  for (let step = 0; step < 20; step++) await Promise.resolve()
  const until = performance.now() + 150
  while (performance.now() < until);
  expect(await asked).toBe('long here')
  expect([cluster.updateRequests, broker.connections]).toEqual([0, 1])
})

async function dialled() {
  const line = await dial(broker.endpoint)
  line.close()
  return line.snapshot
}

/** What is known of the way is shared by all lines of one dial. */
async function lineOf() {
  const line = await dial(broker.endpoint)
  line.close()
  return line
}
