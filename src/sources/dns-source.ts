/** A source that is a name in the DNS: the addresses of a host, or the targets of an SRV record. */

import { NODATA, NOTFOUND } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import fs from 'node:fs'
import { isIP } from 'node:net'
import type { BrokerSource } from '../../actors/cluster/source.ts'
import { deadline } from '../../actors/time/deadline.ts'
import { parseEndpoint } from '../../machines/endpoint.ts'
import { codeOf, messageOf } from '../../machines/failure.ts'
import { checkName } from '../options/suggestion.ts'
import { expected, isPlain } from '../options/value.ts'
import { searchedNames } from './search-list.ts'

/** What is asked of a resolver: that of `node:dns/promises`, or one like it. */
export type DnsResolver = Pick<Resolver, 'resolve4' | 'resolve6' | 'resolveSrv'>

/** Options of `dnsSource`. A wrong one throws `invalid-option`. */
export interface DnsSourceOptions {
  /**
   * Time between two lookups; polls in between are given the list of the last one.
   * @defaultValue `2000`
   * @bounds 100–600000 ms
   */
  readonly intervalMs?: number | undefined
  /**
   * Asked in place of the system's name servers, as in Consul's DNS at a port of its own. The name is asked as it is, without the search list of `/etc/resolv.conf`.
   * @defaultValue the name servers in `/etc/resolv.conf`
   */
  readonly resolver?: DnsResolver | undefined
}

/** A lookup has this time, in milliseconds: less than a source has for its answer, so that what did come in is used. */
const timeoutMs = 2500

/** What is asked, and how; empty where there is no such name or record. */
interface Question {
  readonly name: string
  ask(resolver: DnsResolver, name: string, untilMs: number): Promise<readonly string[]>
}

/**
 * A source for the option `brokers`: all addresses of a host (`kafka.ns.svc:9092`, A and AAAA, each with the port), or all targets of an SRV record
 * (`_kafka._tcp.kafka.ns.svc`, with their ports, the preferred ones first). Looked up at a poll, at most each `intervalMs`, within 2.5 s. A name that does
 * not exist, has no such record or is not resolved in time is `source.failed`, and the last good list is used on. Short names are completed by the
 * search list of `/etc/resolv.conf`; the hosts file is not read. With TLS, addresses are in few certificates: use SRV, or set
 * `expectedIdentity`. Throws `invalid-option`.
 */
export function dnsSource(name: string, options: DnsSourceOptions = {}): BrokerSource {
  const question = questionFor(name)
  const { intervalMs, resolver } = checked(options)
  let list: Promise<readonly string[]> | undefined
  /** Of the lookup before; infinite while one is under way, which ends by its deadline. */
  let dueAt = Number.POSITIVE_INFINITY
  return {
    current() {
      if (list && performance.now() < dueAt) return list
      dueAt = Number.POSITIVE_INFINITY
      list = lookUp(question, resolver).finally(() => {
        dueAt = performance.now() + intervalMs
      })
      return list
    },
  }
}

async function lookUp(question: Question, given: DnsResolver | undefined): Promise<readonly string[]> {
  if (given) return firstOf([question.name], question, given)
  const resolvConf = await fs.promises.readFile('/etc/resolv.conf', 'utf8').catch(() => '')
  // A new one knows the name servers of now, where the host has changed its network.
  const resolver = new Resolver({ timeout: 1000, tries: 2 })
  try {
    return await firstOf(searchedNames(question.name, resolvConf), question, resolver)
  } finally {
    resolver.cancel()
  }
}

async function firstOf(names: readonly string[], { name, ask }: Question, resolver: DnsResolver) {
  const untilMs = performance.now() + timeoutMs
  let failure: unknown
  for (const each of names) {
    try {
      const list = await ask(resolver, each, untilMs)
      if (list.length > 0) return list
    } catch (error) {
      // Another name may exist all the same.
      failure ??= error
    }
  }
  const why = failure === undefined ? 'it has no such record in the DNS' : messageOf(failure)
  throw new Error(`${name} was not resolved: ${why}`)
}

function questionFor(name: unknown): Question {
  const written =
    "write `dnsSource('kafka.ns.svc:9092')` for a host, or `dnsSource('_kafka._tcp.kafka.ns.svc')` for an SRV record."
  const wrong = () => expected('name', 'of `dnsSource` to be `host:port` or the name of an SRV record', name, written)
  if (typeof name !== 'string') throw wrong()
  if (name.startsWith('_')) {
    if (!/^[\w.-]+$/.test(name)) throw wrong()
    return { name, ask: targetsOf }
  }
  const endpoint = parseEndpoint(name)
  if (endpoint === undefined || !/^[\w.-]+$/.test(endpoint.host)) throw wrong()
  if (isIP(endpoint.host) !== 0)
    throw expected('name', 'of `dnsSource` to be a name', name, 'write the address as `brokers: […]`.')
  const { host, port } = endpoint
  return {
    name: host,
    ask: async (resolver, each, untilMs) =>
      (await addressesOf(resolver, each, untilMs)).map((address) => entryOf(address, port)),
  }
}

/** All that came in time: one family that fails does not hide the other. */
async function addressesOf(resolver: DnsResolver, name: string, untilMs: number): Promise<string[]> {
  const answers = await Promise.allSettled([
    inTime(() => resolver.resolve4(name), untilMs),
    inTime(() => resolver.resolve6(name), untilMs),
  ])
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  const [failure] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
  if (addresses.length === 0 && failure !== undefined) throw failure
  return addresses
}

async function targetsOf(resolver: DnsResolver, name: string, untilMs: number): Promise<string[]> {
  const targets = await inTime(() => resolver.resolveSrv(name), untilMs)
  return targets
    .toSorted((one, other) => one.priority - other.priority || other.weight - one.weight)
    .filter((target) => !/^\.?$/.test(target.name)) // RFC 2782: the service is not there
    .map((target) => entryOf(target.name.replace(/\.$/, ''), target.port))
}

/** What is no host stays as it is, and is named as one of the entries that are not `host:port`. */
const entryOf = (host: string, port: number): string => (isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`)

/** Empty where the name does not exist or has no such record. */
async function inTime<Answer>(ask: () => Promise<Answer[]>, untilMs: number): Promise<Answer[]> {
  try {
    return await deadline(ask(), Math.max(0, untilMs - performance.now()), () => {
      throw new Error(`no response within ${timeoutMs} ms`)
    })
  } catch (error) {
    if (nothing.has(codeOf(error) ?? '')) return []
    throw error
  }
}

const nothing: ReadonlySet<string> = new Set([NOTFOUND, NODATA])

const known = ['intervalMs', 'resolver']

function checked(options: DnsSourceOptions) {
  if (!isPlain(options))
    throw expected(
      'options',
      'of `dnsSource` to be an object',
      options,
      'write `{ intervalMs, resolver }`, or leave it out.',
    )
  for (const name of Object.keys(options))
    checkName(name, { known, elsewhere: {}, nextStep: 'correct the name or leave it out.' })
  const { intervalMs = 2000, resolver } = options
  if (!Number.isInteger(intervalMs) || intervalMs < 100 || intervalMs > 600_000)
    throw expected(
      'intervalMs',
      'to be a whole number from 100 to 600000',
      intervalMs,
      'write a number like `intervalMs: 2000`, or leave it out.',
    )
  for (const call of ['resolve4', 'resolve6', 'resolveSrv'] as const)
    if (resolver !== undefined && typeof resolver?.[call] !== 'function')
      throw expected(
        'resolver',
        `to have a function \`${call}\``,
        resolver,
        'pass a `Resolver` of `node:dns/promises`, or leave it out.',
      )
  return { intervalMs, resolver }
}
