/** Throttles of replication: set for the moves of a plan, and restored to exactly what was there. */

import type { Direction, ThrottleRate } from '../../machines/balancer/headroom.ts'
import type { Topology } from '../../machines/balancer/model.ts'
import type { Step } from '../../machines/balancer/plan.ts'
import { type HeldThrottle, throttleKey } from '../../machines/balancer/unfinished.ts'
import type { Fact } from '../../machines/fact.ts'
import { partitionKey } from '../../machines/topic-partition.ts'
import type { ConfigEntry, ConfigResource } from '../kafkajs/change-calls.ts'
import type { Controls } from './controls.ts'

const directions = ['leader', 'follower'] as const
const rateOf = (direction: Direction) => `${direction}.replication.throttled.rate`
const replicasOf = (direction: Direction) => `${direction}.replication.throttled.replicas`
const rates = directions.map(rateOf)
const lists = directions.map(replicasOf)

/** Slower than this a move may never catch up with what is written, in bytes per second. */
const leastRate = 2 ** 20
/** What is set or restored is tried so often. */
const mostTries = 3
/** A rate is changed where the new one differs by more than this share. */
const leastChange = 0.1

export interface ThrottlesOptions {
  readonly controls: Controls
  /** Records a fact before it returns. */
  readonly emit: (fact: Fact) => void
  /** Those of an earlier life that are not restored. */
  readonly held: ReadonlyMap<string, HeldThrottle>
}

export class Throttles {
  private readonly options: ThrottlesOptions
  private readonly held: Map<string, HeldThrottle>
  /** What was in force before ours, wherever it was set. */
  private readonly inForce = new Map<string, string | null>()

  constructor(options: ThrottlesOptions) {
    this.options = options
    this.held = new Map(options.held)
  }

  /** Throttles the moves of these steps, where any broker has a rate. Rejects where that is not possible; what is set by then stays to be restored. */
  async set(steps: readonly Step[], topology: Topology, rate: ThrottleRate): Promise<void> {
    const moves = steps.filter(({ kind }) => kind === 'replica')
    if (ratesOf(moves, topology, rate).size === 0) return
    for (let tries = 1; ; tries++)
      try {
        await this.setLists(moves, topology)
        await this.setRates(moves, topology, rate)
        return
      } catch (error) {
        if (tries === mostTries) throw error
      }
  }

  /** Follows rates that have changed. */
  async setRates(moves: readonly Step[], topology: Topology, rate: ThrottleRate): Promise<void> {
    for (const [id, wanted] of ratesOf(moves, topology, rate)) {
      const resource = { type: 'broker', name: String(id) } as const
      const entries = await this.options.controls.configs([resource], rates)
      for (const [direction, bytes] of wanted)
        await this.put(resource, rateOf(direction), entries, (found) => rateText(bytes, found))
    }
  }

  /** Sets back what is held. What a broker out of reach has stays held. */
  async restore(): Promise<void> {
    // A request may be lost where brokers move.
    for (let tries = 1; tries <= mostTries && this.isHolding; tries++) await this.tryRestore(tries === mostTries)
  }

  private async tryRestore(isLast: boolean): Promise<void> {
    const { controls, emit } = this.options
    const away = new Set<string>()
    for (const [key, { on, name, config, before, values }] of [...this.held]) {
      const resource = { type: on, name } as const
      const throttle = { on, name, config }
      const resourceKey = `${on} ${name}`
      try {
        if (away.has(resourceKey)) throw new Error('It did not respond a moment ago')
        const entries = await controls.configs([resource], [config])
        const now = ownValue(entries, resource, config)
        const isOurs = now !== null && values.includes(now)
        if (isOurs && now !== before) await controls.configure(resource, config, before)
        this.held.delete(key)
        if (isOurs || now === before) emit({ type: 'throttle.restored', ...throttle, value: before })
        else emit({ type: 'throttle.left', ...throttle, reason: 'changed' })
      } catch {
        away.add(resourceKey)
        if (isLast) emit({ type: 'throttle.left', ...throttle, reason: 'unreachable' })
      }
    }
  }

  /** Says which throttles nobody has recorded, and with `takeBack` deletes them. */
  async sweep(topology: Topology, takeBack: boolean): Promise<void> {
    const { controls, emit } = this.options
    const topics = [...new Set(topology.partitions.map(({ topic }) => topic))]
    const brokers = topology.brokers.map(({ id }): ConfigResource => ({ type: 'broker', name: String(id) }))
    const found = [
      ...(await controls.configs(brokers, rates)),
      ...(await controls.configs(
        topics.map((name) => ({ type: 'topic', name })),
        lists,
      )),
    ]
    const told = new Set<string>()
    for (const { type, name, config, value, source } of found) {
      if (value === null || value === '' || !['topic', 'broker', 'all-brokers'].includes(source)) continue
      const throttle = { on: type, name: source === 'all-brokers' ? '' : name, config }
      const key = throttleKey(throttle)
      if (this.held.has(key) || told.has(key)) continue
      told.add(key)
      emit({ type: 'throttle.found', ...throttle, value })
      if (!takeBack) continue
      await controls.configure({ type: throttle.on, name: throttle.name }, config, null)
      emit({ type: 'throttle.restored', ...throttle, value: null })
    }
  }

  get isHolding(): boolean {
    return this.held.size > 0
  }

  /** Those that send are the replicas of before, those that take are the new ones: what is in sync is exempt. */
  private async setLists(moves: readonly Step[], topology: Topology): Promise<void> {
    const places = new Map(topology.partitions.map((place) => [partitionKey(place), place]))
    for (const topic of new Set(moves.map((step) => step.topic))) {
      const own = moves.filter((step) => step.topic === topic)
      const replicas = {
        leader: own.flatMap(
          (step) => places.get(partitionKey(step))?.replicas.map((id) => `${step.partition}:${id}`) ?? [],
        ),
        follower: own.map(({ partition, to }) => `${partition}:${to}`),
      }
      const resource = { type: 'topic', name: topic } as const
      const entries = await this.options.controls.configs([resource], lists)
      for (const direction of directions)
        await this.put(resource, replicasOf(direction), entries, (found) => listText(replicas[direction], found))
    }
  }

  private async put(
    resource: ConfigResource,
    config: string,
    entries: readonly ConfigEntry[],
    textOf: (found: string | null) => string | null,
  ): Promise<void> {
    const { controls, emit } = this.options
    const throttle = { on: resource.type, name: resource.name, config }
    const key = throttleKey(throttle)
    const known = this.held.get(key)
    const now = ownValue(entries, resource, config)
    const before = known ? known.before : now
    // Somebody else has changed it: theirs goes on.
    if (known && now !== before && (now === null || !known.values.includes(now))) return
    // What a user has set, here or for all brokers, is what ours is made of; over one of an earlier life it may be that one.
    if (!known || !this.inForce.has(key))
      this.inForce.set(key, entries.find((entry) => isOf(entry, resource, config))?.value ?? null)
    const value = textOf(this.inForce.get(key) ?? null)
    if (value === null || value === now) return
    if (known && Math.abs(Number(value) / Number(now) - 1) <= leastChange) return
    this.held.set(key, { ...throttle, before, values: [...(known?.values ?? []), value] })
    emit({ type: 'throttle.set', ...throttle, before, value })
    await controls.configure(resource, config, value)
  }
}

/** What each broker that sends or takes is to be throttled to. */
function ratesOf(moves: readonly Step[], { brokers, partitions }: Topology, rate: ThrottleRate) {
  const keys = new Set(moves.map(partitionKey))
  const places = partitions.filter((place) => keys.has(partitionKey(place)))
  const ends: Readonly<Record<Direction, ReadonlySet<number>>> = {
    leader: new Set(places.flatMap(({ replicas }) => replicas)),
    follower: new Set(moves.map(({ to }) => to)),
  }
  const found = new Map<number, readonly (readonly [Direction, number])[]>()
  for (const { id } of brokers) {
    const own = directions.flatMap((direction) => {
      const bytes = ends[direction].has(id) ? rate(id, direction) : null
      return bytes === null ? [] : [[direction, bytes] as const]
    })
    if (own.length > 0) found.set(id, own)
  }
  return found
}

/** Never faster than what is in force already. */
function rateText(wanted: number, found: string | null): string {
  const limit = found === null ? Number.POSITIVE_INFINITY : Number(found)
  return String(Math.min(Math.max(leastRate, Math.round(wanted)), limit))
}

/** Beside those that are listed already; null where all are. */
function listText(replicas: readonly string[], found: string | null): string | null {
  const known = (found ?? '').split(',').filter((each) => each !== '')
  if (known.includes('*')) return null
  return [...new Set([...known, ...replicas])].join(',')
}

const isOf = (entry: ConfigEntry, { type, name }: ConfigResource, config: string): boolean =>
  entry.type === type && entry.name === name && entry.config === config

/** What is set on the thing itself; null where its value comes from elsewhere. */
const ownValue = (entries: readonly ConfigEntry[], resource: ConfigResource, config: string): string | null =>
  entries.find((entry) => isOf(entry, resource, config) && entry.source === resource.type)?.value ?? null
