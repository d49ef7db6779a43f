import { Resolver } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Brokers, dnsSource, fileSource } from '../../src/index.ts'
import { type Front, startFront } from '../cluster/front.ts'
import { createConfigMap } from '../src/sources/config-map.ts'
import { startNameServer } from '../src/sources/name-server.ts'
import { setAfter } from './harness/address-sets.ts'
import type { Client } from './harness/member.ts'
import { type RelistenMember, relistenMember } from './harness/relisten-member.ts'
import { report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { backAfter } from './harness/silence.ts'

const cluster = sharedCluster({ bindFixed: true })

type Mood = 'right' | 'late' | 'hangs' | 'fails' | 'nonsense' | 'nothing'

test('a source that is late, hangs, fails, or returns nonsense or nothing, at a move and before it', async () => {
  await using front = await startFront(cluster())
  const source = moodySource(() => front.endpoints())
  await using run = await startRun({
    scenario: 'the source is late, hangs, fails, returns nonsense or nothing',
    cluster: cluster(),
    client: relistenMember,
    brokers: source.brokers,
  })
  const backMs: number[] = []
  const moods: Mood[] = ['late', 'hangs', 'fails', 'nonsense', 'nothing']
  for (const mood of moods) {
    source.become(mood)
    // as long as the brokers stay, a sick source is nobody's trouble
    await run.pass(1500)
    await run.move(
      async () => {
        await front.move(setAfter(front))
        await pause(3000)
        source.become('right')
        const knownAt = Date.now()
        await run.pass(0)
        backMs.push(backAfter(run.ledger, run.workload.partitions, knownAt))
      },
      { windowMs: 500 },
    )
  }
  const figures = moods.map((mood, index) => ({
    name: `ms after a source that ${mood === 'late' ? 'is late' : mood} knows`,
    value: backMs[index] ?? Number.POSITIVE_INFINITY,
    most: 500,
  }))
  expect(report(await run.finish(), { rebalances: 0, figures })).toEqual([])
})

test('an unchanged host name resolves to new addresses while the old ones are silent', async () => {
  await using front = await startFront(cluster())
  front.names(true)
  const lookup = ((host: string, options: { all?: boolean }, done: (...answer: unknown[]) => void) => {
    const nodeId = cluster().nodeIds.find((id) => front.endpoint(id).startsWith(`${host}:`))
    if (nodeId === undefined) return done(Object.assign(new Error(`${host} is unknown`), { code: 'ENOTFOUND' }))
    const address = front.address(nodeId)
    return options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)
  }) as LookupFunction
  await using run = await startRun({
    scenario: 'unchanged names resolve to new addresses',
    cluster: cluster(),
    client: relistenMember,
    brokers: front.endpoints(),
    options: { lookup },
  })
  for (let move = 0; move < 3; move += 1) {
    await run.move(() => front.move(setAfter(front), { close: 'silent' }))
    await run.pass(500)
  }
  expect(report(await run.finish(), { rebalances: 0, worstMs: 1500 })).toEqual([])
})

test('a file, the addresses of a host and an SRV record, of one member each, are followed while all listeners move', async () => {
  await using front = await startFront(cluster())
  await using names = await startNames(front)
  await using config = await createConfigMap(front.endpoints().join('\n'))
  const sources: Record<string, Brokers> = {
    'member-1': fileSource(config.file),
    'member-2': dnsSource(`kafka.test:${cluster().port}`, { resolver: names.resolver, intervalMs: 200 }),
    'member-3': dnsSource('_kafka._tcp.kafka.test', { resolver: names.resolver, intervalMs: 200 }),
  }
  const client: Client<RelistenMember> = (task) =>
    relistenMember({ ...task, brokers: sources[task.name] ?? task.brokers })
  await using run = await startRun({
    ...{ scenario: 'a ConfigMap, a host and an SRV record name the brokers', cluster: cluster(), client, brokers: [] },
    options: { lookup: names.lookup },
  })
  const backMs: number[] = []
  for (let move = 0; move < 3; move += 1) {
    await run.move(
      async () => {
        await front.move(setAfter(front))
        // Later than the brokers move, as the kubelet is; until then nobody knows where they are.
        await pause(500)
        names.know()
        await config.swap(front.endpoints().join('\n'))
        const knownAt = Date.now()
        await run.pass(0)
        backMs.push(backAfter(run.ledger, run.workload.partitions, knownAt))
      },
      { windowMs: 500 },
    )
  }
  const figures = [{ name: 'ms after the sources know', value: Math.max(...backMs), most: 1000 }]
  expect(report(await run.finish(), { rebalances: 0, figures })).toEqual([])
})

/** A name server that knows the brokers as they were when it was last told to look. */
async function startNames(front: Front) {
  const addresses = () => new Map(cluster().nodeIds.map((id) => [`broker-${id}.kafka.test`, front.address(id)]))
  let known = addresses()
  const server = await startNameServer((name) => {
    const address = known.get(name)
    if (address !== undefined) return { addresses: [address] }
    if (name === 'kafka.test') return { addresses: [...known.values()] }
    const targets = [...known.keys()].map((target) => ({ name: target, port: cluster().port }))
    return name === '_kafka._tcp.kafka.test' ? { targets } : undefined
  })
  const resolver = new Resolver()
  resolver.setServers([server.address])
  const lookup = ((host: string, _: unknown, done: (error: unknown, found?: unknown) => void) => {
    const found = (list: readonly string[]) => list.map((address) => ({ address, family: 4 }))
    resolver.resolve4(host).then((list) => done(null, found(list)), done)
  }) as LookupFunction
  return {
    resolver,
    lookup,
    know() {
      known = addresses()
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function moodySource(now: () => string[]) {
  let mood: Mood = 'right'
  let known = now()
  const hanging = new Set<(answer: string[]) => void>()
  const answers: Record<Mood, () => string[] | Promise<string[]>> = {
    right: now,
    late: () => known,
    hangs: () => new Promise((resolve) => hanging.add(resolve)),
    fails: () => Promise.reject(new Error('The service registry is down')),
    nonsense: () => ['', 'no port:', 'a b:1', '127.0.0.1:99999', 42 as unknown as string],
    nothing: () => [],
  }
  return {
    brokers: () => answers[mood](),
    become(next: Mood) {
      mood = next
      known = now()
      if (next !== 'right') return
      for (const resolve of hanging) resolve(now())
      hanging.clear()
    },
  }
}
