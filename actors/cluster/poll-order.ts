/** The order of a poll: which endpoints a round asks, and which of them first. */

import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { AddressBook } from './address-book.ts'
import type { EndpointPool } from './endpoint-pool.ts'

/** Every 5th round asks endpoints first that only the source knows. */
const sourceFirstEvery = 5

/**
 * Connected endpoints of the book first, those that the source lists in between; each round begins with another one. Endpoints of another
 * listener come last, unless the source names nothing else. Those that must wait for their next dial are left out.
 */
export function pollOrder(
  book: AddressBook,
  pool: EndpointPool,
  listed: readonly Endpoint[],
  round: number,
): Endpoint[] {
  const entries = book.entries()
  const isOpen = (endpoint: Endpoint) => pool.at(endpoint).isOpen
  const present = rotate(
    entries.filter((entry) => entry.present),
    round,
  )
  const mine = [
    ...present.filter(isOpen),
    ...present.filter((entry) => !isOpen(entry)),
    ...entries.filter((entry) => !entry.present),
  ]
  const elsewhere = without(book.others(), entries)
  const onlyListed = without(listed, entries)
  const unknown = without(onlyListed, elsewhere)
  // Where the source names nothing but endpoints of another listener, those are asked as well.
  const hasLeft = unknown.length === 0 && onlyListed.length === listed.length
  const others = rotate(hasLeft ? onlyListed : unknown, round)
  const isSourceFirst = round % sourceFirstEvery === 0 || (hasLeft && onlyListed.length > 0)
  const mixed = isSourceFirst ? interleave<Endpoint>(others, mine) : interleave<Endpoint>(mine, others)
  return [...mixed, ...without(elsewhere, mixed)].filter((endpoint) => pool.isDue(endpoint))
}

function without<Item extends Endpoint>(endpoints: readonly Item[], others: readonly Endpoint[]): Item[] {
  const names = new Set(others.map(formatEndpoint))
  return endpoints.filter((endpoint) => !names.has(formatEndpoint(endpoint)))
}

const rotate = <Item>(items: readonly Item[], by: number): Item[] => {
  const start = items.length > 0 ? by % items.length : 0
  return [...items.slice(start), ...items.slice(0, start)]
}

function interleave<Item>(one: readonly Item[], other: readonly Item[]): Item[] {
  const pairs = Array.from({ length: Math.max(one.length, other.length) }, (_, index) => [one[index], other[index]])
  return pairs.flat().filter((item) => item !== undefined)
}
