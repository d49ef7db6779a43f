// What is special about a name: which records, how often, and what no record means.
import { Resolver } from 'node:dns/promises'
import fs from 'node:fs'
import { afterEach, expect, test, vi } from 'vitest'
import { type DnsResolver, type DnsSourceOptions, dnsSource } from '../../../src/sources/dns-source.ts'
import { startNameServer } from './name-server.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const failing = (code: string) => Promise.reject(Object.assign(new Error(`query ${code}`), { code }))
/** A resolver that has nothing but these. */
const resolverWith = (calls: Partial<DnsResolver>): DnsResolver =>
  ({
    resolve4: () => failing('ENODATA'),
    resolve6: () => failing('ENODATA'),
    resolveSrv: () => failing('ENOTFOUND'),
    ...calls,
  }) as DnsResolver

const never = () => new Promise<never>(() => {})

test('a host gives all its addresses with the port, IPv6 in brackets', async () => {
  const resolver = resolverWith({
    resolve4: (async () => ['10.0.0.1', '10.0.0.2']) as never,
    resolve6: (async () => ['fd00::1']) as never,
  })
  expect(await dnsSource('kafka.ns.svc:9093', { resolver }).current()).toEqual([
    ...['10.0.0.1:9093', '10.0.0.2:9093', '[fd00::1]:9093'],
  ])
})

test('a host without a port has the port of Kafka', async () => {
  const resolver = resolverWith({ resolve4: (async () => ['10.0.0.1']) as never })
  expect(await dnsSource('kafka', { resolver }).current()).toEqual(['10.0.0.1:9092'])
})

test('an SRV record gives the names of its targets with their ports, the preferred ones first', async () => {
  const resolver = resolverWith({
    resolveSrv: async () => [
      { name: 'far.example', port: 9094, priority: 20, weight: 90 },
      { name: 'light.example', port: 9093, priority: 10, weight: 1 },
      { name: 'heavy.example.', port: 9092, priority: 10, weight: 60 },
      { name: '.', port: 0, priority: 0, weight: 0 },
    ],
  })
  expect(await dnsSource('_kafka._tcp.kafka.ns.svc', { resolver }).current()).toEqual([
    ...['heavy.example:9092', 'light.example:9093', 'far.example:9094'],
  ])
})

test.each<[string, Partial<DnsResolver>, string]>([
  ['does not exist', { resolve4: () => failing('ENOTFOUND'), resolve6: () => failing('ENOTFOUND') }, 'no such record'],
  ['has no address', {}, 'no such record'],
  ['has lists that are empty', { resolve4: async () => [], resolve6: async () => [] } as never, 'no such record'],
  ['is refused', { resolve4: () => failing('EREFUSED') }, 'query EREFUSED'],
])('a host that %s fails with its name', async (_, calls, why) => {
  const source = dnsSource('kafka.ns.svc:9092', { resolver: resolverWith(calls) })
  await expect(source.current()).rejects.toThrow(`kafka.ns.svc was not resolved: `)
  await expect(source.current()).rejects.toThrow(why)
})

test('a family that fails or hangs does not hide the other', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  for (const resolve6 of [() => failing('ESERVFAIL'), never]) {
    const resolver = resolverWith({ resolve4: (async () => ['10.0.0.1']) as never, resolve6 })
    const list = dnsSource('kafka:9092', { resolver }).current()
    await vi.advanceTimersByTimeAsync(2500)
    expect(await list).toEqual(['10.0.0.1:9092'])
  }
})

test('a resolver that hangs fails after 2.5 s and is asked again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const resolveSrv = vi.fn(never)
  const source = dnsSource('_kafka._tcp.kafka', { resolver: resolverWith({ resolveSrv }), intervalMs: 100 })
  for (const times of [1, 2]) {
    const failure = expect(source.current()).rejects.toThrow('no response within 2500 ms')
    await vi.advanceTimersByTimeAsync(2499)
    // Who asks meanwhile waits for the same lookup.
    const same = expect(source.current()).rejects.toThrow('no response')
    await vi.advanceTimersByTimeAsync(1)
    await Promise.all([failure, same])
    expect(resolveSrv).toHaveBeenCalledTimes(times)
    await vi.advanceTimersByTimeAsync(100)
  }
})

test.each([
  ['found', () => Promise.resolve([{ name: 'b1.example', port: 9092, priority: 0, weight: 0 }])],
  ['failed', () => failing('ESERVFAIL')],
])('what was %s is given again until the interval is over', async (_, answer) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const resolveSrv = vi.fn(answer)
  const source = dnsSource('_kafka._tcp.kafka', { resolver: resolverWith({ resolveSrv }) })
  const ask = async () => Promise.allSettled([source.current(), source.current()])
  await ask()
  await vi.advanceTimersByTimeAsync(1999)
  await ask()
  expect(resolveSrv).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(1)
  await ask()
  expect(resolveSrv).toHaveBeenCalledTimes(2)
})

test("Node's resolver reads a name server's A, AAAA and SRV records", async () => {
  const records = {
    'kafka.test': { addresses: ['127.0.1.1', '127.0.1.2', 'fd00::1'] },
    '_kafka._tcp.kafka.test': { targets: [{ name: 'b1.kafka.test', port: 9093 }] },
  }
  await using server = await startNameServer((name) => records[name as keyof typeof records])
  const resolver = new Resolver()
  resolver.setServers([server.address])
  const addresses = await dnsSource('kafka.test:9092', { resolver }).current()
  expect(addresses.toSorted()).toEqual(['127.0.1.1:9092', '127.0.1.2:9092', '[fd00::1]:9092'])
  expect(await dnsSource('_kafka._tcp.kafka.test', { resolver }).current()).toEqual(['b1.kafka.test:9093'])
  await expect((async () => dnsSource('away.test:9092', { resolver }).current())()).rejects.toThrow('no such record')
})

test.each([
  ['exists', () => undefined, 'kafka.ns.svc.cluster.local'],
  ['exists, after one that fails', () => failing('ESERVFAIL'), 'kafka.ns.svc.cluster.local'],
  ['is the last one', () => undefined, 'kafka.ns.svc'],
])(
  'without a resolver a short name is completed by the search list; the first that %s counts',
  async (_, first, found) => {
    vi.spyOn(fs.promises, 'readFile').mockResolvedValue('search svc.cluster.local cluster.local\noptions ndots:5\n')
    vi.spyOn(Resolver.prototype, 'resolve6').mockImplementation(() => failing('ENODATA'))
    const asked = vi.spyOn(Resolver.prototype, 'resolve4').mockImplementation((async (name: string) => {
      if (name === found) return ['10.0.0.1']
      return (name.endsWith('.svc.cluster.local') && (await first())) || failing('ENOTFOUND')
    }) as never)
    const cancelled = vi.spyOn(Resolver.prototype, 'cancel')
    expect(await dnsSource('kafka.ns.svc:9092').current()).toEqual(['10.0.0.1:9092'])
    const names = ['kafka.ns.svc.svc.cluster.local', 'kafka.ns.svc.cluster.local', 'kafka.ns.svc']
    expect(asked.mock.calls.map(([name]) => name)).toEqual(names.slice(0, names.indexOf(found) + 1))
    expect(cancelled).toHaveBeenCalledOnce()
  },
)

test('without resolv.conf a name is asked as it is', async () => {
  vi.spyOn(fs.promises, 'readFile').mockRejectedValue(new Error('ENOENT'))
  const asked = vi.spyOn(Resolver.prototype, 'resolveSrv').mockResolvedValue([])
  await expect((async () => dnsSource('_kafka._tcp.kafka').current())()).rejects.toThrow('no such record')
  expect(asked.mock.calls).toEqual([['_kafka._tcp.kafka']])
})

test.each<[string, unknown, DnsSourceOptions, string]>([
  ['no name', undefined, {}, '`name`'],
  ['an empty name', '', {}, '`name`'],
  ['an address', '10.0.0.1:9092', {}, '`name`'],
  ['an IPv6 address', '[::1]:9092', {}, '`name`'],
  ['an SRV name with a port', '_kafka._tcp.kafka.ns.svc:9092', {}, '`name`'],
  ['a URL', 'kafka://kafka:9092', {}, '`name`'],
  ['options that are none', 'kafka:9092', 7 as never, '`options`'],
  ['an option of another name', 'kafka:9092', { interval: 7 } as never, '`interval`'],
  ['an interval that is too short', 'kafka:9092', { intervalMs: 99 }, '`intervalMs`'],
  ['an interval that is too long', 'kafka:9092', { intervalMs: 600_001 }, '`intervalMs`'],
  ['a resolver that resolves nothing', 'kafka:9092', { resolver: {} as never }, '`resolver`'],
])('%s is an invalid option', (_, name, options, named) => {
  const call = () => dnsSource(name as string, options)
  expect(call).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  expect(call).toThrow(named)
})
