import { setImmediate } from 'node:timers/promises'
import { filter, firstValueFrom, timeout } from 'rxjs'
import { afterEach, expect, test } from 'vitest'
import { acquireCluster, type Cluster, type ClusterOptions } from '../../../actors/cluster/cluster.ts'
import { type Brokers, createSource } from '../../../actors/cluster/source.ts'
import type { Fact, FactOf, FactType } from '../../../machines/fact.ts'
import { endpointOf, FakeNetwork } from '../fake-network.ts'

const held = new Set<Cluster>()

afterEach(() => {
  for (const cluster of held) cluster.release()
  held.clear()
})

/** A cluster under test on its own network, with all the facts it ever told. */
function watch(network: FakeNetwork, brokers: Brokers, options: Partial<ClusterOptions> = {}) {
  const source = createSource(brokers)
  const cluster = acquireCluster({ brokers: source, dial: network.dial, pollIntervalMs: 200, key: network, ...options })
  held.add(cluster)
  const facts: (Fact & { at: number })[] = []
  cluster.facts$.subscribe((fact) => facts.push({ ...fact, at: performance.now() }))
  const fact = <Type extends FactType>(type: Type, from = 0): Promise<FactOf<Type> & { at: number }> => {
    const isWanted = (candidate: Fact & { at: number }) => candidate.type === type && candidate.at >= from
    const told = facts.find(isWanted)
    if (told) return Promise.resolve(told as never)
    const seen$ = cluster.facts$.pipe(
      filter((candidate) => candidate.type === type && performance.now() >= from),
      timeout(4000),
    )
    return firstValueFrom(seen$).then(() => facts.findLast(isWanted) as never)
  }
  const types = () => facts.map(({ type }) => type)
  const book = () =>
    cluster.book
      .entries()
      .map(({ nodeId, host, port }) => `${nodeId}@${host}:${port}`)
      .join(' ')
  return { cluster, facts, fact, types, book }
}

/** An answer that was asked for after now: the clock has to tick first. */
async function laterAnswer(cluster: Cluster) {
  const now = Date.now()
  while (Date.now() === now) await setImmediate()
  return cluster.snapshotSince(now + 1)
}

const old = '1@a:1 2@b:1 3@c:1'
const elsewhere = '1@a:9 2@b:9 3@c:9'
const endpoints = (places: string) => places.split(' ').map((place) => place.split('@')[1] ?? '')

function ours(places = old) {
  const network = new FakeNetwork()
  const view = { clusterId: 'ours', places }
  network.cluster(view)
  return { network, view }
}

test('the first answer is accepted and told once', async () => {
  const { network } = ours()
  const { cluster, types, book, fact } = watch(network, ['a:1'])
  await cluster.ready()
  expect(await fact('cluster.reached')).toMatchObject({ clusterId: 'ours', brokers: { 1: 'a:1', 2: 'b:1', 3: 'c:1' } })
  expect(book()).toBe(old)
  expect(cluster.clusterId).toBe('ours')
  expect(cluster.book.entryOf(2)).toMatchObject({ host: 'b', port: 1 })
  await laterAnswer(cluster)
  expect(types()).toEqual(['cluster.reached'])
})

test.each(['close', 'silence'] as const)('all brokers move at once and the old endpoints %s', async (how) => {
  const { network, view } = ours()
  let list = endpoints(old)
  // An end is noticed at once, a silence by the next poll: both far within these bounds, and the first far before a poll.
  const pollIntervalMs = how === 'close' ? 60_000 : 300
  const { cluster, facts, fact, book } = watch(network, () => list, { pollIntervalMs })
  await cluster.ready()
  await laterAnswer(cluster)
  view.places = elsewhere
  network.cluster(view)
  list = endpoints(elsewhere)
  const movedAt = performance.now()
  network[how](...endpoints(old))
  const { moves, reason, at } = await fact('cluster.moved')
  expect(at - movedAt).toBeLessThan(3000)
  expect(reason).toBe('moved')
  expect(moves.map(({ nodeId, from, to }) => `${nodeId} ${from} ${to}`)).toEqual([
    '1 a:1 a:9',
    '2 b:1 b:9',
    '3 c:1 c:9',
  ])
  expect(book()).toBe(elsewhere)
  await laterAnswer(cluster)
  expect(facts.filter(({ type }) => type === 'cluster.moved')).toHaveLength(1)
})

test('one broker that moves is followed without the source, in a moment after the first answer', async () => {
  const { network, view } = ours()
  const { cluster, fact, book } = watch(network, endpoints(old), { pollIntervalMs: 60_000 })
  await cluster.ready()
  view.places = '1@a:9 2@b:1 3@c:1'
  network.cluster(view)
  const movedAt = performance.now()
  network.close('a:1')
  const { at, moves } = await fact('cluster.moved')
  expect(moves).toEqual([{ nodeId: 1, from: 'a:1', to: 'a:9' }])
  expect(at - movedAt).toBeLessThan(3000)
  expect(book()).toBe('1@a:9 2@b:1 3@c:1')
})

test('a move to an endpoint that opens late is accepted when it opens', async () => {
  const { network, view } = ours('1@a:1')
  const { cluster, fact } = watch(network, ['a:1', 'a:9'], { pollIntervalMs: 200 })
  await cluster.ready()
  network.close('a:1')
  await new Promise((resolve) => setTimeout(resolve, 300))
  view.places = '1@a:9'
  network.cluster(view)
  const openedAt = performance.now()
  const { at } = await fact('cluster.moved')
  expect(at - openedAt).toBeLessThan(3000)
})

test('two brokers that swap their addresses are judged by node id', async () => {
  const { network, view } = ours()
  const { cluster, fact, book } = watch(network, endpoints(old))
  await cluster.ready()
  const swapped = '1@b:1 2@a:1 3@c:1'
  network.close('a:1', 'b:1')
  view.places = swapped
  network.cluster(view)
  await fact('cluster.moved')
  expect(book()).toBe(swapped)
})

test('a move there and back is followed each time', async () => {
  const { network, view } = ours()
  let list = endpoints(old)
  const { cluster, fact, book } = watch(network, () => list)
  await cluster.ready()
  for (const [from, to] of [
    [old, elsewhere],
    [elsewhere, old],
    [old, elsewhere],
  ] as const) {
    const startedAt = performance.now()
    view.places = to
    network.cluster(view)
    list = endpoints(to)
    network.close(...endpoints(from))
    await fact('cluster.moved', startedAt)
    await expect.poll(book).toBe(to)
  }
})

test('an unchanged name that resolves to another address is a move', async () => {
  const { network, view } = ours('1@broker:1')
  network.names.set('broker', '10.0.0.1')
  network.listen('10.0.0.1:1', { view: () => view })
  const { cluster, fact } = watch(network, ['broker:1'])
  await cluster.ready()
  network.names.set('broker', '10.0.9.1')
  network.listen('10.0.9.1:1', { view: () => view })
  network.silence('10.0.0.1:1')
  const { reason, moves } = await fact('cluster.moved')
  expect({ reason, moves }).toEqual({
    reason: 'resolved-anew',
    moves: [{ nodeId: 1, from: 'broker:1', to: 'broker:1' }],
  })
  expect(cluster.book.entryOf(1)?.addresses).toEqual(['10.0.9.1'])
})

test('brokers that come and go are told and move nothing', async () => {
  const { network, view } = ours()
  const { cluster, fact, types } = watch(network, endpoints(old))
  await cluster.ready()
  view.places = '1@a:1 2@b:1'
  expect(await fact('cluster.membership-changed')).toMatchObject({ joined: [], left: [3] })
  expect(cluster.book.names(3)).toBe(false)
  expect(cluster.book.entryOf(3)).toMatchObject({ host: 'c', port: 1 })
  const leftAt = performance.now()
  view.places = old
  expect(await fact('cluster.membership-changed', leftAt)).toMatchObject({ joined: [3], left: [] })
  expect(types()).not.toContain('cluster.moved')
})

test('a failing poll changes nothing; the silence is told once and its end once', async () => {
  const { network, view } = ours()
  const { cluster, fact, types, book } = watch(network, endpoints(old))
  await cluster.ready()
  const closedAt = performance.now()
  network.close(...endpoints(old))
  const { at, sinceMs, failure } = await fact('cluster.unreachable')
  expect(at - closedAt).toBeGreaterThanOrEqual(990)
  expect(sinceMs).toBeGreaterThanOrEqual(990)
  expect(failure.code).toBe('ECONNREFUSED')
  expect(book()).toBe(old)
  network.cluster(view)
  await fact('cluster.reached', at)
  expect(types()).toEqual(['cluster.reached', 'cluster.unreachable', 'cluster.reached'])
})

test('while nobody answers each endpoint is dialled ever more slowly', async () => {
  const { network } = ours()
  network.close(...endpoints(old))
  const { fact } = watch(network, ['a:1'], { random: () => 0.99 })
  await fact('cluster.unreachable')
  expect(network.dials.length).toBeGreaterThan(1)
  expect(network.dials.length).toBeLessThan(8)
})

test('another cluster on the old addresses is refused once per endpoint, and ours heals it', async () => {
  const { network, view } = ours()
  let list = endpoints(old)
  const { cluster, fact, facts, book } = watch(network, () => list)
  /** What whoever subscribes now is told at once. */
  const reachedNow = () => {
    const told: string[] = []
    cluster.facts$.subscribe(({ type }) => told.push(type)).unsubscribe()
    return told
  }
  await cluster.ready()
  network.close(...endpoints(old))
  network.cluster({ clusterId: 'theirs', places: old })
  const refusal = await fact('cluster.refused')
  expect(refusal).toMatchObject({ expected: 'ours', got: 'theirs' })
  const { at, failure } = await fact('cluster.unreachable')
  expect(failure.kind).toBe('foreign-cluster')
  expect(reachedNow()).toEqual([])
  expect(book()).toBe(old)
  expect(network.openLines).toEqual([])
  view.places = elsewhere
  network.cluster(view)
  list = endpoints(elsewhere)
  await fact('cluster.reached', at)
  await expect.poll(book).toBe(elsewhere)
  expect(reachedNow()).toEqual(['cluster.reached'])
  const refused = facts.filter((told) => told.type === 'cluster.refused')
  expect(new Set(refused.map(({ endpoint }) => endpoint)).size).toBe(refused.length)
})

test('brokers that are too old leave the cluster unreached, for the reason they were turned down, and are dialled slowly', async () => {
  const network = new FakeNetwork()
  for (const place of endpoints(old)) network.listen(place, { refuses: 'version-too-old' })
  const { fact, facts } = watch(network, endpoints(old))
  expect((await fact('cluster.unreachable')).failure.kind).toBe('version-too-old')
  expect(facts.map(({ type }) => type)).toEqual(['cluster.unreachable'])
  expect(network.dials.length).toBe(endpoints(old).length)
})

test('an endpoint refused for its identity is told once and healed once', async () => {
  const { network, view } = ours()
  const { cluster, fact, facts } = watch(network, endpoints(old))
  await cluster.ready()
  network.close('b:1')
  network.listen('b:1', { refuses: 'identity-refused' })
  const refusal = await fact('endpoint.refused')
  expect(refusal).toMatchObject({ nodeId: 2, endpoint: 'b:1', failure: { kind: 'identity-refused' } })
  cluster.refuse(2, endpointOf('b:1'), refusal.failure)
  network.listen('b:1', { view: () => view })
  expect(await fact('endpoint.healed')).toMatchObject({ nodeId: 2, endpoint: 'b:1' })
  cluster.heal(2)
  expect(facts.filter(({ type }) => type.startsWith('endpoint.'))).toHaveLength(2)
})

test('a source that fails is told once, its last list is used on, and its recovery is told', async () => {
  const { network } = ours()
  let isBroken = false
  const brokers = () => {
    if (isBroken) throw new Error('discovery is down')
    return endpoints(old)
  }
  const { cluster, fact, types } = watch(network, brokers)
  await cluster.ready()
  isBroken = true
  const { at, failure } = await fact('source.failed')
  expect(failure.message).toContain('discovery is down')
  await laterAnswer(cluster)
  isBroken = false
  await fact('source.recovered', at)
  expect(types()).toEqual(['cluster.reached', 'source.failed', 'source.recovered'])
})

test('a source that hangs keeps nobody from following a move', async () => {
  const { network, view } = ours()
  let calls = 0
  const brokers = () => (++calls === 1 ? endpoints(old) : new Promise<string[]>(() => {}))
  const { cluster, fact } = watch(network, brokers)
  await cluster.ready()
  await expect.poll(() => calls).toBe(2)
  view.places = '1@a:9 2@b:1 3@c:1'
  network.cluster(view)
  network.close('a:1')
  expect((await fact('cluster.moved')).moves).toHaveLength(1)
  await laterAnswer(cluster)
  expect(calls).toBe(2)
})

test('a question for any broker goes to the next one when the first is gone or silent', async () => {
  const { network } = ours()
  const { cluster } = watch(network, endpoints(old))
  await cluster.ready()
  const frame = Buffer.from('who coordinates?')
  expect((await cluster.ask(frame)).toString()).toBe('answer to who coordinates?')
  network.silence('a:1')
  network.close('b:1')
  expect((await cluster.ask(frame)).toString()).toBe('answer to who coordinates?')
  expect(network.frames.at(-1)).toBe('c:1 who coordinates?')
})

test('a question that nobody answers fails by its deadline, or as soon as it is not wanted', async () => {
  const { network } = ours()
  const { cluster } = watch(network, endpoints(old))
  await cluster.ready()
  network.close(...endpoints(old))
  const startedAt = performance.now()
  await expect(cluster.ask(Buffer.from('anybody?'))).rejects.toMatchObject({ failure: { kind: 'unreachable' } })
  expect(performance.now() - startedAt).toBeLessThan(2500)
  const reason = new Error('not wanted')
  const aborted = new AbortController()
  const asked = cluster.ask(Buffer.from('anybody?'), aborted.signal)
  aborted.abort(reason)
  await expect(asked).rejects.toBe(reason)
})

test('updates requested in a row are few polls, and one after a break asks anew', async () => {
  const { network } = ours()
  const { cluster } = watch(network, endpoints(old), { pollIntervalMs: 60_000 })
  await cluster.ready()
  const askedBefore = network.questions
  const brokeAt = Date.now()
  for (let request = 0; request < 100; request++) cluster.requestUpdate()
  const snapshot = await laterAnswer(cluster)
  expect(snapshot.at).toBeGreaterThan(brokeAt)
  expect(cluster.newest()).toBe(snapshot)
  expect(network.questions - askedBefore).toBeLessThan(6)
})

test('answers that others see count as snapshots', async () => {
  const { network, view } = ours()
  const { cluster, book } = watch(network, endpoints(old), { pollIntervalMs: 60_000 })
  await cluster.ready()
  const moved = { ...view, places: '1@a:9 2@b:1 3@c:1' }
  network.cluster(moved, '1@a:9')
  const seen = await network.dial(endpointOf('a:9'))
  cluster.observe(seen.snapshot)
  seen.close()
  cluster.report(endpointOf('a:1'))
  expect(book()).toBe(moved.places)
})

test('holders of one key share one cluster, and the last one out closes it', async () => {
  const { network } = ours()
  const one = watch(network, endpoints(old))
  await one.cluster.ready()
  const other = watch(network, endpoints(old))
  expect(other.cluster.book).toBe(one.cluster.book)
  expect(other.types()).toEqual(['cluster.reached'])
  one.cluster.release()
  one.cluster.release()
  await laterAnswer(other.cluster)
  network.silence(...endpoints(old))
  const waiting = laterAnswer(other.cluster)
  other.cluster.release()
  await expect(waiting).rejects.toMatchObject({ failure: { kind: 'unreachable' } })
  expect(network.openLines).toEqual([])
})

test('a service whose list went obsolete finds its cluster by what a journal remembers', async () => {
  const { network } = ours()
  const { cluster, book } = watch(network, ['gone:1'], { remembered: remembered() })
  expect(book()).toBe(old)
  await cluster.ready()
  expect(book()).toBe(old)
})

test('what a journal remembers of another cluster than the one that is expected is left out', async () => {
  const { network } = ours(elsewhere)
  const { cluster, book } = watch(network, endpoints(elsewhere), {
    remembered: { ...remembered(), clusterId: 'theirs' },
    clusterId: 'ours',
  })
  expect(book()).toBe('')
  await cluster.ready()
  expect(book()).toBe(elsewhere)
})

const remembered = () => ({
  clusterId: 'ours',
  endpoints: new Map(endpoints(old).map((endpoint, index) => [index + 1, endpointOf(endpoint)])),
})

test('after a hundred moves few connections are open and none of them to an old endpoint', async () => {
  const { network, view } = ours()
  let list = endpoints(old)
  const { cluster, book } = watch(network, () => list, { pollIntervalMs: 1000 })
  await cluster.ready()
  for (let round = 0; round < 100; round++) {
    const before = view.places
    view.places = `1@a:${100 + round} 2@b:${100 + round} 3@c:${100 + round}`
    network.cluster(view)
    list = endpoints(view.places)
    network.close(...endpoints(before))
    await expect.poll(book, { interval: 5, timeout: 3000 }).toBe(view.places)
  }
  await laterAnswer(cluster)
  expect(network.openLines.length).toBeLessThanOrEqual(4)
  expect(endpoints(view.places)).toEqual(expect.arrayContaining(network.openLines))
}, 60_000)
