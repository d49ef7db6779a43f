// A cluster of which nobody moves, or moves are beside the point: answers, silences, refusals, sources, questions, and who holds it.
import { expect, test } from 'vitest'
import { endpointOf, FakeNetwork } from '../fake-network.ts'
import { elsewhere, endpoints, laterAnswer, old, ours, watch } from './cluster-stage.ts'

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
  for (let request = 0; request < 100; request++) cluster.requestUpdate('outdated')
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
