// A cluster whose brokers move: each kind of move is accepted once, and followed in time.
import { expect, test } from 'vitest'
import { elsewhere, endpoints, laterAnswer, old, ours, watch } from './cluster-stage.ts'

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
