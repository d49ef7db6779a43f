// The whole consumer where brokers are far, slow, or answer over one connection and not over another, on the virtual clock.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { apiKeyOf, apiKeys } from '../../actors/protocol/frames.ts'
import type { Fault } from './faults/fault.ts'
import { moves } from './faults/moves.ts'
import { clockShift, replaceGlobals } from './globals.ts'
import type { Node } from './kafka/broker.ts'
import { placeOf } from './kafka/kafka.ts'
import type { SimulatedOptions } from './options.ts'
import { Random } from './random.ts'
import { Service } from './service.ts'
import type { Sighting } from './sighting.ts'
import { World } from './world.ts'

/** What a consumer uses that is told nothing. */
const defaults = {
  ...{ sessionTimeout: 30_000, rebalanceTimeout: 60_000, heartbeatInterval: 1000, maxWaitTimeInMs: 250 },
  ...{ pollIntervalMs: 1000, dialTimeoutMs: undefined, requestTimeoutMs: 30_000, rebuildTimeoutMs: 5000 },
  ...{ drainTimeoutMs: 10_000, stopTimeoutMs: 15_000, commitIntervalMs: 1000, maxBytesPerPartition: 1_048_576 },
  ...{ partitionsConsumedConcurrently: 3, isLoginUsed: false, isBatched: false, isInspected: false },
}

// A cut-off test would leave its clock to the next one.
vi.setConfig({ testTimeout: 60_000 })

/** Every fact that is recorded goes through here. */
const records = { told: (_life: unknown, _record: { readonly type: string }): unknown => undefined }
let told = vi.spyOn(records, 'told')
beforeEach(() => {
  told = vi.spyOn(Service.prototype as unknown as typeof records, 'told')
})
afterEach(() => {
  vi.restoreAllMocks()
})
const facts = (name: string): number => told.mock.calls.filter(([, { type }]) => type === name).length

class Scene {
  readonly world = new World(1, true)
  /** When each message was handled, in milliseconds. */
  readonly handledAt: number[] = []
  readonly sightings: Sighting[] = []
  written = 0

  constructor(options: object = {}) {
    Object.assign(this.world.options as SimulatedOptions, defaults, options)
    this.world.see = (sighting) => {
      if (sighting.type === 'handled') this.handledAt.push(this.world.clock.now)
      if (sighting.type === 'joined') this.world.members.set(sighting.life, sighting.memberId)
      this.sightings.push(sighting)
    }
  }

  count(type: Sighting['type']): number {
    return this.sightings.filter((sighting) => sighting.type === type).length
  }

  get nodes(): readonly Node[] {
    return [...this.world.kafka.nodes.values()]
  }

  paths() {
    return this.nodes.map(({ entry }) => this.world.network.pathTo(placeOf(entry)))
  }

  write(bytes = 5): void {
    const partition = this.written % 4
    this.world.kafka.append(partition, [{ key: `k${this.written}`, value: `${this.written}`.padEnd(bytes, '.') }])
    this.written++
  }

  /** One message each so often, from one time to another. */
  writeEach(everyMs: number, fromMs: number, toMs: number): void {
    for (let at = fromMs; at < toMs; at += everyMs) this.world.clock.plan(at, () => this.write())
  }

  /** All nodes move as this fault says, to where the way is as far as it was. */
  move(kind: string): void {
    const [{ latencyMs } = { latencyMs: 1 }] = this.paths()
    moves.find(({ name }) => name === kind)?.apply(this.world, new Random(1, kind), { kind } as Fault)
    for (const path of this.paths()) path.latencyMs = latencyMs
  }

  /** The longest time in which nothing was handled, since then. */
  silenceSince(fromMs: number): number {
    const times = [fromMs, ...this.handledAt.filter((at) => at >= fromMs)]
    return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)))
  }

  async play(untilMs: number, acts: Readonly<Record<number, () => void>> = {}): Promise<void> {
    const { world } = this
    const { clock, network } = world
    clockShift.ms = 0
    const escaped = (error: unknown) => {
      throw error
    }
    const diskOf = ({ name }: { name: string }) => world.lives.get(name)?.disk as never
    const restore = replaceGlobals({ clock, network, epochMs: 1.7e12, random: new Random(1, 'library'), diskOf })
    try {
      const service = new Service(world, 'a')
      world.services.push(service)
      clock.plan(0, () => service.start())
      for (const [at, act] of Object.entries(acts)) clock.plan(Number(at), act)
      const beat = () => clock.plan(100, beat)
      beat()
      await clock.run(() => clock.now >= untilMs, escaped)
      clock.current = undefined
      service.life?.end()
      clock.as(service.life, () => service.forget())
    } finally {
      restore()
    }
  }
}

type Reply = (body: Buffer | undefined) => void

/** Each fetch is answered so much later. */
function slowDown(node: Node, byMs: number, plan: (waitMs: number, work: () => void) => void): void {
  const slow = node as unknown as { answer(frame: Buffer, connection: unknown, reply: Reply): unknown }
  const answer = slow.answer.bind(node)
  slow.answer = (frame, connection, reply) => {
    const isFetch = apiKeyOf(frame) === apiKeys.fetch
    return answer(frame, connection, isFetch ? (body) => plan(byMs, () => reply(body)) : reply)
  }
}

test.each([
  [150, false],
  [300, false],
  [520, false],
  [150, true],
  [300, true],
  [520, true],
])(
  'brokers with a round trip of %i ms (login: %s) are joined, and at rest nobody is dialled',
  async (roundTripMs, isLoginUsed) => {
    const scene = new Scene({ isLoginUsed })
    for (const path of scene.paths()) path.latencyMs = roundTripMs / 2
    let before = 0
    await scene.play(60_000, {
      20000: () => {
        expect(scene.count('joined')).toBe(1)
        before = scene.count('dialled')
      },
    })
    expect(scene.count('dialled') - before).toBe(0)
    expect([facts('session.opened'), facts('cluster.unreachable')]).toEqual([1, 0])
  },
)

test('a process that crashes at a round trip of 520 ms with a login joins again: its former member has the time to leave', async () => {
  const scene = new Scene({ isLoginUsed: true })
  for (const path of scene.paths()) path.latencyMs = 260
  scene.writeEach(200, 5000, 40_000)
  await scene.play(60_000, {
    20000: () => {
      const [service] = scene.world.services
      if (service?.life) service.crash(service.life, 'test')
    },
  })
  expect(facts('member.evicted')).toBe(1)
  expect([facts('session.opened'), facts('session.failed')]).toEqual([2, 0])
  expect(scene.count('joined')).toBe(2)
})

test('a group that takes most of its time to give partitions takes none from the look-up of where to read', async () => {
  const scene = new Scene({ rebalanceTimeout: 8000, drainTimeoutMs: 8000 })
  for (const path of scene.paths()) path.latencyMs = 260
  const { kafka } = scene.world
  kafka.group.initialDelayMs = 20_000
  kafka.trouble.lateMs = (_nodeId, apiKey) => (apiKey === apiKeys.offsetFetch ? 1500 : 0)
  await scene.play(30_000)
  expect([facts('partitions.assigned'), facts('session.joined'), facts('session.failed')]).toEqual([1, 1, 0])
})

test.each([1200, 1800, 3000])(
  'fetches that take %i ms are all handled, over at most one more connection per node',
  async (tookMs) => {
    const scene = new Scene()
    const { clock } = scene.world
    let before = 0
    scene.writeEach(200, 5000, 40_000)
    await scene.play(60_000, {
      4000: () => {
        before = scene.count('dialled')
        for (const node of scene.nodes) slowDown(node, tookMs, (waitMs, work) => clock.plan(waitMs, work))
      },
    })
    expect(scene.handledAt).toHaveLength(scene.written)
    expect(scene.count('dialled') - before).toBeLessThanOrEqual(3)
    expect([facts('session.opened'), facts('link.reconnected')]).toEqual([1, 0])
  },
)

test('an answer that comes at 100 kB/s is never cut off', async () => {
  const scene = new Scene()
  let before = 0
  await scene.play(60_000, {
    4000: () => {
      before = scene.count('dialled')
      for (const path of scene.paths()) path.piece = 100
      for (let count = 0; count < 1200; count++) scene.write(1000)
    },
  })
  expect(scene.handledAt).toHaveLength(scene.written)
  expect([scene.count('dialled') - before, facts('session.opened')]).toEqual([0, 1])
})

test('where the packets of every connection vanish both ways while new ones work, the silence is below two seconds', async () => {
  const scene = new Scene()
  scene.writeEach(50, 3000, 20_000)
  await scene.play(25_000, {
    10000: () => {
      for (const connection of scene.world.network.connections) {
        connection.write = () => {}
        connection.send = () => {}
      }
    },
  })
  expect(scene.silenceSince(9000)).toBeLessThan(2000)
  expect(scene.handledAt).toHaveLength(scene.written)
  expect([facts('session.opened'), facts('group.rebalancing')]).toEqual([1, 0])
})

test.each([
  [50, false],
  [200, false],
  [500, false],
  [50, true],
  [200, true],
  [500, true],
])(
  'a move of all brokers at a round trip of %i ms (login: %s) takes a few round trips, and the session stays',
  async (roundTripMs, isLoginUsed) => {
    const scene = new Scene({ isLoginUsed })
    for (const path of scene.paths()) path.latencyMs = roundTripMs / 2
    scene.writeEach(20, 25_000, 50_000)
    await scene.play(60_000, { 40000: () => scene.move('move of all, closed') })
    expect(scene.silenceSince(39_000)).toBeLessThan((isLoginUsed ? 12 : 7) * roundTripMs + 300)
    expect(scene.handledAt).toHaveLength(scene.written)
    expect([facts('session.opened'), facts('group.rebalancing'), facts('cluster.moved') > 0]).toEqual([1, 0, true])
  },
)

test('old addresses that go dark are left as soon as at loopback', async () => {
  const scene = new Scene()
  scene.writeEach(20, 5000, 20_000)
  await scene.play(25_000, { 10000: () => scene.move('move of all, dark') })
  expect(scene.silenceSince(9000)).toBeLessThan(1500)
  expect(scene.handledAt).toHaveLength(scene.written)
  expect(facts('session.opened')).toBe(1)
})
