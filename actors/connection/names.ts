/**
 * Names: what hosts resolve to, shared by everything in a process that uses the same `lookup`. Only a dial ever waits for a name.
 *
 * Lookups under way are shared, and at most two run at once: Node resolves names in the few threads that also read files, and a name server
 * that hangs must not take all of them. Names that were slow or failed last time are looked up one at a time.
 */

import dns, { type LookupAddress } from 'node:dns'
import net, { type LookupFunction } from 'node:net'
import { backoffMs } from '../../machines/backoff.ts'
import { canonicalHost } from '../../machines/endpoint.ts'
import { codeOf, messageOf } from '../../machines/failure.ts'
import type { BrokerEntry, Snapshot } from '../../machines/snapshot.ts'
import { deadline } from '../time/deadline.ts'

/** All in milliseconds. An answer is used again for this time: a poll each second sees a fresh one. */
const freshMs = 500
/** A dial that knows earlier addresses waits this long for fresh ones. */
const patienceMs = 250
const slowMs = 1000
/** A lookup that takes longer is given up; it may go on in its thread. */
const longestMs = 10_000
const pace = { floorMs: 1000, baseMs: 1000, capMs: 10_000 }
const atOnce = 2
/** Beyond this number names are forgotten, the longest unused first. */
const maxNames = 2000

interface Name {
  /** The last good answer, in the resolver's order. */
  found: readonly LookupAddress[]
  foundAt: number
  underway: Promise<readonly LookupAddress[]> | undefined
  /** Lookups in a row that failed or were slow, and when the next one that no dial waits for may begin. */
  failures: number
  nextAt: number
}

interface Turn {
  readonly name: Name
  readonly go: () => void
}

export class Names {
  private readonly resolver: LookupFunction
  private readonly known = new Map<string, Name>()
  private readonly urgent: Turn[] = []
  private readonly others: Turn[] = []
  private readonly running = new Set<Name>()
  private readonly listeners = new Set<(host: string) => void>()

  constructor(resolver: LookupFunction) {
    this.resolver = resolver
  }

  /** Calls `listener` when a host resolves to other addresses than before. Returns a function that removes it. */
  onChange(listener: (host: string) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Fills in the addresses known now where the entry has none. Where they are not fresh, a lookup begins that nobody waits for. */
  fill<Entry extends BrokerEntry>(entry: Entry): Entry {
    if (entry.addresses.length > 0) return entry
    if (net.isIP(entry.host)) return { ...entry, addresses: [entry.host] }
    const name = this.nameOf(entry.host)
    const now = performance.now()
    if (!name.underway && now - name.foundAt > freshMs && now >= name.nextAt) {
      this.lookUp(entry.host, name, this.others).catch(() => {})
    }
    return { ...entry, addresses: addressesOf(name) }
  }

  /** The answer with the addresses known now; see `fill`. */
  complete(snapshot: Snapshot): Snapshot {
    return { ...snapshot, brokers: snapshot.brokers.map((broker) => this.fill(broker)) }
  }

  /** A `lookup` for sockets: fresh addresses, or the last good ones where those come late or not at all. */
  readonly lookup: LookupFunction = (host, { all, family }, done) => {
    const wanted = family === 4 || family === 'IPv4' ? 4 : family === 6 || family === 'IPv6' ? 6 : 0
    const answer = (error: unknown, found: readonly LookupAddress[]) =>
      setImmediate(() => {
        const list = wanted === 0 ? [...found] : found.filter((each) => each.family === wanted)
        const [first] = list
        if (!first) done((error as NodeJS.ErrnoException) ?? notFound(host), '')
        else if (all) done(null, list)
        else done(null, first.address, first.family)
      })
    this.resolve(host).then(
      (found) => answer(undefined, found),
      (error) => answer(error ?? notFound(host), []),
    )
  }

  private async resolve(host: string): Promise<readonly LookupAddress[]> {
    const name = this.nameOf(host)
    const { found, foundAt } = name
    if (performance.now() - foundAt <= freshMs) return found
    const fresh = name.underway ?? this.lookUp(host, name, this.urgent)
    this.prioritise(name)
    if (found.length === 0) return fresh
    return deadline(
      fresh.catch(() => found),
      patienceMs,
      () => found,
    )
  }

  private nameOf(host: string): Name {
    const name: Name = this.known.get(host) ?? {
      found: [],
      foundAt: Number.NEGATIVE_INFINITY,
      underway: undefined,
      failures: 0,
      nextAt: 0,
    }
    this.known.delete(host)
    this.known.set(host, name)
    if (this.known.size > maxNames) this.known.delete(this.known.keys().next().value as string)
    return name
  }

  private lookUp(host: string, name: Name, queue: Turn[]): Promise<readonly LookupAddress[]> {
    const work = async () => {
      await new Promise<void>((go) => {
        queue.push({ name, go })
        this.admit()
      })
      const startedAt = performance.now()
      try {
        const found = await this.ask(host)
        this.resolved(host, name, found, performance.now() - startedAt > slowMs)
        return found
      } catch (error) {
        this.missed(name)
        throw error
      } finally {
        name.underway = undefined
        this.running.delete(name)
        this.admit()
      }
    }
    name.underway = work()
    return name.underway
  }

  /** Asks the resolver. The user's own may throw or return anything, and what Node can't read there would end the process. */
  private async ask(host: string): Promise<readonly LookupAddress[]> {
    let timer: NodeJS.Timeout | undefined
    try {
      const found = await new Promise<unknown>((resolve, reject) => {
        const late = Object.assign(new Error(`${host} was not resolved within ${longestMs} ms`), { code: 'ETIMEDOUT' })
        timer = setTimeout(() => reject(late), longestMs).unref()
        const hear = (error: unknown, list: unknown) => (error ? reject(error) : resolve(list))
        this.resolver(host, { all: true }, hear as never)
      })
      const list = (Array.isArray(found) ? found : [{ address: found }]).flatMap(addressIn)
      if (list.length === 0) throw notFound(host)
      return list
    } catch (thrown) {
      throw Object.assign(new Error(messageOf(thrown)), { code: codeOf(thrown) ?? 'ENOTFOUND' })
    } finally {
      clearTimeout(timer)
    }
  }

  private resolved(host: string, name: Name, found: readonly LookupAddress[], isSlow: boolean): void {
    const before = addressesOf(name).join()
    name.found = found
    name.foundAt = performance.now()
    if (isSlow) this.missed(name)
    else name.failures = 0
    if (addressesOf(name).join() === before) return
    for (const listener of [...this.listeners]) listener(host)
  }

  private missed(name: Name): void {
    name.failures++
    name.nextAt = performance.now() + backoffMs(name.failures, pace, Math.random())
  }

  /** A dial waits for this lookup now. */
  private prioritise(name: Name): void {
    const index = this.others.findIndex((turn) => turn.name === name)
    this.urgent.push(...(index < 0 ? [] : this.others.splice(index, 1)))
    this.admit()
  }

  private admit(): void {
    while (this.running.size < atOnce) {
      const isSlowOne = [...this.running].some(({ failures }) => failures > 0)
      const mayRun = ({ name }: Turn) => name.failures === 0 || !isSlowOne
      const queue = [this.urgent, this.others].find((waiting) => waiting.some(mayRun))
      const [turn] = queue?.splice(queue.findIndex(mayRun), 1) ?? []
      if (!turn) return
      this.running.add(turn.name)
      turn.go()
    }
  }
}

const system = new Names((host, how, done) => dns.lookup(host, how as never, done as never))
const given = new WeakMap<LookupFunction, Names>()

/** The names of this process as `lookup` resolves them. Default: `dns.lookup`. */
export function namesOf(lookup: LookupFunction | undefined): Names {
  if (!lookup) return system
  const names = given.get(lookup) ?? new Names(lookup)
  given.set(lookup, names)
  return names
}

const addressesOf = ({ found }: Name): readonly string[] =>
  [...new Set(found.map(({ address }) => canonicalHost(address)))].sort()

function addressIn(given: unknown): LookupAddress[] {
  try {
    const { address } = given as LookupAddress
    const family = typeof address === 'string' ? net.isIP(address) : 0
    return family === 0 ? [] : [{ address, family }]
  } catch {
    return []
  }
}

const notFound = (host: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' })
