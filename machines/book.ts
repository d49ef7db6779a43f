/** The book: where each node is taken to be. Its entries, when two of them are one place, and what an answer adds that is no move. */

import { sameEndpoint } from './endpoint.ts'
import type { BrokerEntry, Snapshot } from './snapshot.ts'

/** A broker as it was accepted. `present` is false while the newest snapshot does not name it; its place is kept all the same, for a while. */
export interface BookEntry extends BrokerEntry {
  /** The addresses that its name had lately, and when it last had them: a name whose answers take turns does not move. */
  readonly seen?: Readonly<Record<string, number>> | undefined
  readonly present: boolean
  /** Since when it is not named. */
  readonly absentSince?: number | undefined
}

/** What is accepted: the cluster id (undefined until one is known) and where each node is. */
export interface Book {
  readonly clusterId: string | undefined
  readonly entries: readonly BookEntry[]
}

/** Whether two entries are one place: the same endpoint, and not two disjoint sets of addresses. A name that did not resolve says nothing. */
export const samePlace = (one: BrokerEntry, other: BrokerEntry): boolean =>
  sameEndpoint(one, other) && !disjoint(one.addresses, other.addresses)

/** Whether the name had one of these addresses lately. */
export const wasSeen = (from: BookEntry, to: BrokerEntry): boolean =>
  sameEndpoint(from, to) && to.addresses.some((address) => from.seen?.[address] !== undefined)

/** The entries after an answer: addresses, nodes that came, and nodes that went. Moves are accepted elsewhere; `isNewest`: nothing newer was heard. */
export function mergeEntries(entries: readonly BookEntry[], snapshot: Snapshot, isNewest: boolean): BookEntry[] {
  const named = new Map(snapshot.brokers.map((broker) => [broker.nodeId, broker]))
  const known = new Set(entries.map(({ nodeId }) => nodeId))
  const kept = entries.map((entry) => {
    const broker = named.get(entry.nodeId)
    if (!isNewest) return entry
    if (broker === undefined) return { ...entry, present: false, absentSince: entry.absentSince ?? snapshot.at }
    const isHere = samePlace(entry, broker) || wasSeen(entry, broker)
    if (isHere && entry.present && isFresh(entry, broker, snapshot.at)) return entry
    const addresses = isHere ? withAddresses(entry, broker, snapshot.at) : {}
    return { ...entry, ...addresses, present: true, absentSince: undefined }
  })
  const added = isNewest ? snapshot.brokers.filter(({ nodeId }) => !known.has(nodeId)) : []
  return [
    ...withoutForgotten(kept, added.length, snapshot.at),
    ...added.map((broker) => ({ ...broker, present: true })),
  ]
}

/**
 * Nodes that are gone for good are forgotten, and only when others join: KafkaJS begins its fetches anew whenever its list of nodes
 * changes, and does so then anyway. Where none ever joins there are no more of them than the cluster has had nodes at a time.
 */
function withoutForgotten(entries: readonly BookEntry[], joining: number, now: number): readonly BookEntry[] {
  const absent = entries.filter(({ present }) => !present)
  if (joining === 0 || absent.length === 0) return entries
  const since = ({ absentSince = now }: BookEntry) => absentSince
  const most = Math.max(fewAbsent, entries.length - absent.length + joining)
  const kept = absent
    .filter((entry) => now - since(entry) <= absentMs)
    .toSorted((one, other) => since(other) - since(one))
    .slice(0, most)
  return entries.filter((entry) => entry.present || kept.includes(entry))
}

/** Whether these addresses were noted a moment ago: an answer that says the same again changes nothing. */
const isFresh = ({ addresses, seen = {} }: BookEntry, broker: BrokerEntry, at: number): boolean =>
  broker.addresses.every((address) => {
    const seenAt = seen[address]
    return seenAt === undefined
      ? address === broker.host && addresses.includes(address)
      : Math.abs(at - seenAt) <= addressFreshMs
  })

/** The addresses that a name had lately are all its own. */
function withAddresses(
  entry: BookEntry,
  { host, addresses }: BrokerEntry,
  at: number,
): Pick<BookEntry, 'addresses' | 'seen'> {
  if (addresses.length === 0 || addresses.includes(host)) return entry.addresses.length > 0 ? entry : { addresses }
  const before = entry.seen ?? Object.fromEntries(entry.addresses.map((address) => [address, at]))
  const known = Object.entries(before).filter(([, seenAt]) => at - seenAt <= addressWindowMs)
  const seen = { ...Object.fromEntries(known), ...Object.fromEntries(addresses.map((address) => [address, at])) }
  const kept = entry.addresses.filter((address) => seen[address] !== undefined)
  return { addresses: [...new Set([...kept, ...addresses])].sort(), seen }
}

/** A node is remembered for so long after it was last named, in milliseconds, and so many of them whatever the size of the cluster. */
const absentMs = 600_000
const fewAbsent = 8

/** A name has the addresses that it had within this time, in milliseconds. */
const addressWindowMs = 300_000
/** When it had them is kept as exactly as this, in milliseconds. */
const addressFreshMs = 1000

const disjoint = (one: readonly string[], other: readonly string[]): boolean =>
  one.length > 0 && other.length > 0 && !one.some((address) => other.includes(address))
