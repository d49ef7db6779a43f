// Brokers with two listeners, each of which announces its own addresses, as the shared cluster sees them.
import { afterEach, expect, test, vi } from 'vitest'
import { acquireCluster, type Cluster } from '../../../actors/cluster/cluster.ts'
import { type Brokers, createSource } from '../../../actors/cluster/source.ts'
import type { FactOf } from '../../../machines/fact.ts'
import { FakeNetwork } from '../fake-network.ts'

const one = '1@a:1 2@b:1 3@c:1'
const other = '1@a:9 2@b:9 3@c:9'
const endpoints = (places: string) => places.split(' ').map((place) => place.split('@')[1] ?? '')

vi.setConfig({ testTimeout: 30_000 })
/** How long a busy machine may take. */
const soon = { timeout: 8000 }

let cluster: Cluster | undefined
afterEach(() => cluster?.release())

function watch(brokers: Brokers) {
  const network = new FakeNetwork()
  for (const places of [one, other]) network.cluster({ clusterId: 'ours', places })
  const held = acquireCluster({ brokers: createSource(brokers), dial: network.dial, pollIntervalMs: 100, key: network })
  cluster = held
  const moves: FactOf<'cluster.moved'>['moves'][] = []
  held.facts$.subscribe((fact) => fact.type === 'cluster.moved' && moves.push(fact.moves))
  const book = () =>
    held.book
      .entries()
      .map(({ nodeId, host, port }) => `${nodeId}@${host}:${port}`)
      .join(' ')
  /** So many questions were asked since. */
  const settled = async (questions: number) => {
    const from = network.questions
    await expect.poll(() => network.questions, soon).toBeGreaterThan(from + questions)
  }
  const bothKnown = () => expect.poll(() => held.book.others().length, soon).toBe(3)
  return { network, moves, book, settled, bothKnown, cluster: held }
}

test('two live listeners in one list move nothing, and make no connections once both are known', async () => {
  const { network, moves, settled, bothKnown, cluster } = watch([...endpoints(one), ...endpoints(other)])
  await bothKnown()
  await settled(10)
  const dials = network.dials.length
  await settled(20)
  expect(moves).toEqual([])
  expect(network.dials.length).toBe(dials)
  expect(cluster.book.claims).toEqual([])
})

test('when the listener in use closes, the brokers are followed to the other one as one move', async () => {
  const { network, moves, book, settled, bothKnown } = watch([...endpoints(one), ...endpoints(other)])
  await bothKnown()
  const before = book()
  const after = before === one ? other : one
  network.close(...endpoints(before))
  await expect.poll(book, soon).toBe(after)
  await settled(10)
  expect(moves.flat()).toHaveLength(3)
})

test('one node whose listener in use is closed is followed alone', async () => {
  const { network, moves, book, settled, bothKnown } = watch([...endpoints(one), ...endpoints(other)])
  await bothKnown()
  const [first = ''] = endpoints(book())
  network.close(first)
  const there = first === 'a:1' ? 'a:9' : 'a:1'
  await expect.poll(book, soon).toContain(there)
  await settled(10)
  expect(moves).toEqual([[{ nodeId: 1, from: first, to: there }]])
})

test('a source that goes from one live listener to the other is followed once', async () => {
  let list = endpoints(one)
  const { moves, book, settled } = watch(() => list)
  await expect.poll(book, soon).toBe(one)
  list = endpoints(other)
  await expect.poll(book, soon).toBe(other)
  await settled(20)
  expect(moves).toHaveLength(1)
  expect(moves[0]).toHaveLength(3)
})

test('a source that names now one and now the other is followed once at most', async () => {
  let turn = 0
  const { moves, settled } = watch(() => endpoints(turn++ % 2 === 0 ? one : other))
  await settled(30)
  expect(moves.flat().length).toBeLessThanOrEqual(3)
})

test('a listener in use that goes silent is left for the other one', async () => {
  const { network, book, bothKnown } = watch([...endpoints(one), ...endpoints(other)])
  await bothKnown()
  const before = book()
  network.silence(...endpoints(before))
  await expect.poll(book, soon).toBe(before === one ? other : one)
})
