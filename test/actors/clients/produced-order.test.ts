// The turns of producers' requests: one after the other for a partition, and bounded in bytes for all.
import { beforeEach, expect, test, vi } from 'vitest'
import { ProducedOrder } from '../../../actors/clients/produced-order.ts'

let order: ProducedOrder
let entered: string[]
const stop = new AbortController()

beforeEach(() => {
  order = new ProducedOrder(100)
  entered = []
})

const partition = (number: number) => ({ topic: 'orders', partition: number })
/** Enters, and says so; returns what ends the turn, once it has come. */
const enter = (name: string, numbers: readonly number[], bytes: number, withinMs = 5000, signal = stop.signal) => {
  const turn = order.enter(numbers.map(partition), bytes)
  const come = order.comes(turn, withinMs, signal).then((isThere) => {
    entered.push(isThere ? name : `${name} is late`)
    if (!isThere) turn.leave()
    return isThere
  })
  return async () => (await come) && turn.leave()
}

test('a request waits for all those before it to any of its partitions', async () => {
  const one = enter('one', [0], 1)
  const two = enter('two', [1], 1)
  enter('both', [0, 1], 1)
  await one()
  expect(entered).toEqual(['one', 'two'])
  await two()
  await vi.waitFor(() => expect(entered).toEqual(['one', 'two', 'both']))
})

test('with more bytes than the bound they wait in the order in which they came, small ones behind a large one', async () => {
  const first = enter('first', [0], 60)
  const large = enter('large', [1], 90)
  const small = enter('small', [2], 10)
  expect(order.hasRoom(1)).toBe(false)
  await first()
  await large()
  expect(entered).toEqual(['first', 'large', 'small'])
  await small()
  expect(order.hasRoom(100)).toBe(true)
})

test('a request that is larger than the bound goes alone', async () => {
  const huge = enter('huge', [0], 1000)
  const next = enter('next', [1], 1)
  await huge()
  await next()
  expect(entered).toEqual(['huge', 'next'])
  expect(order.hasRoom(100)).toBe(true)
})

test.each([
  ['partition', [0], 1],
  ['bytes', [1], 50],
] as const)(
  'one whose turn comes too late for want of its %s leaves, and those behind it still wait',
  async (_, numbers, bytes) => {
    const first = enter('first', [0], 90)
    enter('hasty', numbers, bytes, 20)
    const behind = enter('behind', numbers, bytes)
    await vi.waitFor(() => expect(entered).toEqual(['first', 'hasty is late']))
    await first()
    await behind()
    expect(entered).toEqual(['first', 'hasty is late', 'behind'])
    await vi.waitFor(() => expect(order.hasRoom(100)).toBe(true))
  },
)

test('a wire that ends gives up the turns it waits for', async () => {
  enter('first', [0], 1)
  const wire = new AbortController()
  enter('second', [0], 1, 60_000, wire.signal)
  wire.abort()
  await vi.waitFor(() => expect(entered).toEqual(['first', 'second is late']))
})
