// A stage for what happens between one consumer and its group: the whole consumer on the simulated cluster, and acts at instants of its clock.

import { apiKeyOf } from '../../actors/protocol/frames.ts'
import type { AnyRecord } from '../../src/journal/journal.ts'
import { clockShift, replaceGlobals } from './globals.ts'
import { placeOf } from './kafka/kafka.ts'
import type { Life } from './life.ts'
import type { SimulatedOptions } from './options.ts'
import { Random } from './random.ts'
import { Service } from './service.ts'
import type { Sighting } from './sighting.ts'
import { World } from './world.ts'

/** Long enough that nothing but the acts is late. */
const calmOptions: Partial<SimulatedOptions> = {
  ...{ sessionTimeout: 30_000, rebalanceTimeout: 60_000, heartbeatInterval: 1000, maxWaitTimeInMs: 250 },
  ...{ pollIntervalMs: 1000, rebuildTimeoutMs: 5000, drainTimeoutMs: 1000, stopTimeoutMs: 15_000 },
  ...{ maxBytesPerPartition: 100_000, isLoginUsed: false, isBatched: false, isInspected: false },
}

const epochMs = 1_767_225_600_000
/** More than these are a loop. */
const mostEvents = 400_000

export interface ToldFact {
  readonly ms: number
  readonly type: AnyRecord['type']
  readonly data: Readonly<Record<string, unknown>>
}

export class GroupStage {
  readonly world = new World(1)
  readonly service: Service
  readonly facts: ToldFact[] = []
  readonly handled: { readonly ms: number; readonly where: string }[] = []
  /** Connections by the instant they were asked for, and where to. */
  readonly dials: { readonly ms: number; readonly place: string }[] = []
  /** What `start()` failed with. */
  failure: unknown
  private readonly escaped: unknown[] = []
  private readonly acts: (readonly [ms: number, work: () => void])[] = []

  constructor(options: Partial<SimulatedOptions> = {}) {
    const { world } = this
    Object.assign(world.options, calmOptions, options)
    this.service = new Service(world, 'a')
    world.services.push(this.service)
    // Nobody starts it anew.
    world.isOver = true
    const see = (sighting: Sighting) => {
      const ms = world.clock.now
      if (sighting.type === 'handled') this.handled.push({ ms, where: `${sighting.partition}/${sighting.offset}` })
      if (sighting.type === 'dialled') this.dials.push({ ms, place: sighting.place })
    }
    // The oracles are for runs from a seed; a scene is judged by its test.
    world.see = see
  }

  /** Does this at an instant of the virtual clock. */
  at(ms: number, work: () => void): this {
    this.acts.push([ms, work])
    return this
  }

  /** Runs until this instant of the virtual clock. Rejects with an error that nobody caught. */
  async run(untilMs: number): Promise<this> {
    const { world, service } = this
    const { clock } = world
    clock.plan(untilMs, () => {})
    clockShift.ms = 0
    const escaped = (error: unknown) => {
      const life = clock.current as Life | undefined
      if (!life || life.alive) this.escaped.push(error)
    }
    process.on('unhandledRejection', escaped)
    const restore = replaceGlobals({
      ...{
        clock,
        network: world.network,
        epochMs,
        random: new Random(1, 'library'),
        diskOf: (life) => world.lives.get(life.name)?.disk ?? service.disk,
      },
    })
    try {
      clock.plan(0, () => service.start())
      clock.plan(1, () => {
        service.consumer?.on('*', (record) => this.note(record))
        service.consumer?.start().catch((error: unknown) => {
          this.failure = error
        })
      })
      for (const [ms, work] of this.acts) clock.plan(ms, work)
      await clock.run(() => clock.now >= untilMs || clock.events > mostEvents, escaped)
      clock.current = undefined
      service.life?.end()
      clock.as(service.life, () => service.forget())
    } finally {
      restore()
      process.off('unhandledRejection', escaped)
    }
    if (this.escaped.length > 0) throw this.escaped[0]
    return this
  }

  /** One message for each partition. */
  produce(): void {
    const { kafka } = this.world
    for (const { number } of kafka.topics.flatMap(({ partitions }) => partitions))
      kafka.append(number, [{ key: 'key', value: 'value' }])
  }

  /** Every broker answers requests of this kind so, from now on; `undefined` leaves one as it is. */
  answer(apiKey: number, body: (frame: Buffer) => Buffer | undefined): void {
    for (const node of this.world.kafka.nodes.values()) {
      const inner = node as unknown as {
        answer(frame: Buffer, connection: unknown, reply: (body: Buffer) => void): void
      }
      const before = inner.answer.bind(node)
      inner.answer = (frame, connection, reply) => {
        const made = apiKeyOf(frame) === apiKey ? body(frame) : undefined
        if (made) reply(made)
        else before(frame, connection, reply)
      }
    }
  }

  /** All brokers are elsewhere from now on, and what was open is reset. */
  move(): void {
    const { kafka, network } = this.world
    for (const [nodeId, node] of kafka.nodes) {
      const before = placeOf(node.entry)
      node.entry = this.world.freshAddress(nodeId)
      network.listeners.set(placeOf(node.entry), node)
      network.listeners.delete(before)
      for (const connection of network.connectionsAt(before)) connection.reset()
    }
  }

  /** Another member joins. Returns what makes the group rebalance, which it then holds up for so long. */
  slowMember(): (holdsMs: number) => void {
    const { group, clock } = this.world.kafka
    const request = { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 60_000, protocols: group.anyMetadata ?? [] }
    let id = ''
    const join = () =>
      group.join({ ...request, memberId: id }, ({ error, generation }) => {
        if (error === 0) group.sync(id, generation, [], () => {})
      })
    group.join({ ...request, memberId: '' }, ({ memberId }) => {
      id = memberId
    })
    join()
    const beat = () => {
      group.heartbeat(id, group.generation)
      clock.plan(1000, beat)
    }
    beat()
    return (holdsMs) => {
      group.shake()
      clock.plan(holdsMs, join)
    }
  }

  /** The facts of these types, `type` alone, from an instant on. */
  types(fromMs: number, ...types: AnyRecord['type'][]): string[] {
    return this.facts.filter(({ ms, type }) => ms >= fromMs && types.includes(type)).map(({ type }) => type)
  }

  private note({ type, data }: AnyRecord): void {
    this.facts.push({ ms: Math.round(this.world.clock.now), type, data: data as ToldFact['data'] })
  }
}
