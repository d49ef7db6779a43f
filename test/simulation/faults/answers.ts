// Faults in how brokers answer: errors of single partitions as Kafka writes them, answers that come late, quotas, members that are slow to join.

import type { AskedOf } from '../kafka/trouble.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'
import type { FaultKind } from './fault-kind.ts'

/** Codes of Kafka's that pass by themselves, by the request they come with. */
const codes = {
  fetch: [3, 6, 9, 13, 56, 74, 75, 78],
  'list offsets': [3, 5, 6, 56, 74, 78],
  'offset fetch': [3, 29],
  'offset commit': [3, 12, 28],
  metadata: [5, 9],
} as const satisfies Partial<Record<AskedOf, readonly number[]>>

export const somePartitions = (world: World, random: Random): ReadonlySet<number> =>
  new Set(
    world.kafka
      .partitions()
      .filter(() => random.chance(0.4))
      .map(({ number }) => number),
  )

const flawed = (Object.keys(codes) as (keyof typeof codes)[]).map(
  (asked): FaultKind => ({
    name: `answers to ${asked} have errors`,
    dimension: 'errors of partitions',
    proofs: [`errors in answers to ${asked}`],
    weight: 1,
    apply(world, random) {
      const { flaws } = world.kafka.trouble
      const flaw = { asked, partitions: somePartitions(world, random), code: random.pick(codes[asked]) }
      world.log(`error ${flaw.code} for ${[...flaw.partitions].join(', ')}`)
      flaws.add(flaw)
      return () => flaws.delete(flaw)
    },
  }),
)

const leaderless: FaultKind = {
  name: 'partitions have no leader',
  dimension: 'errors of partitions',
  proofs: ['leader is missing'],
  weight: 2,
  apply(world, random) {
    const found = somePartitions(world, random)
    const without = world.kafka.partitions().filter(({ number, leader }) => found.has(number) && leader > 0)
    for (const partition of without) {
      partition.lead(-1)
      world.reached('leader is missing')
      world.reached('errors of partitions')
    }
    world.kafka.changed()
    return () => {
      for (const partition of without) if (partition.leader < 0) partition.lead(random.pick([1, 2, 3]))
    }
  },
}

const throttled: FaultKind = {
  name: 'a quota throttles the consumer',
  dimension: 'throttles',
  proofs: ['throttles'],
  weight: 1,
  apply(world, random) {
    const { trouble } = world.kafka
    const only = random.chance(0.6) ? 1 : undefined
    const throttleMs = random.pick([100, 700, 2500])
    const own = (_nodeId: number, apiKey: number): number => {
      // Versions and logins are not throttled here: their answers begin otherwise.
      if (apiKey === 18 || apiKey === 17 || apiKey === 36 || (only !== undefined && apiKey !== only)) return 0
      world.reached('throttles')
      return throttleMs
    }
    trouble.throttleMs = own
    return () => {
      if (trouble.throttleMs === own) trouble.throttleMs = () => 0
    }
  },
}

/** A member of somebody else's that takes its time whenever the group rebalances. Its partitions rest until it leaves. */
const slowMember: FaultKind = {
  name: 'a slow member joins',
  dimension: 'held joins',
  proofs: ['held joins'],
  weight: 1,
  apply(world, random, { lastsMs }) {
    const { kafka, clock } = world
    const { group } = kafka
    const protocols = group.anyMetadata
    if (!protocols) return undefined
    const request = { sessionTimeoutMs: 20_000, rebalanceTimeoutMs: 10_000, protocols }
    const untilMs = clock.now + lastsMs + 4000
    let isGone = false
    const leave = (memberId: string) => {
      if (!isGone) group.leave(memberId)
      isGone = true
    }
    const join = (memberId: string) => {
      if (isGone) return
      group.join({ ...request, memberId }, ({ error, generation, leader }) => {
        if (error !== 0) return
        if (leader === memberId) return void clock.plan(0, () => leave(memberId))
        group.sync(memberId, generation, [], () => {})
        watch(memberId, generation)
      })
    }
    const watch = (memberId: string, generation: number) => {
      clock.plan(100, () => {
        if (clock.now > untilMs || world.isCalm) return leave(memberId)
        if (group.heartbeat(memberId, generation) === 0) return watch(memberId, generation)
        const slowMs = random.between(1500, 6000)
        world.log(`the slow member takes ${slowMs} ms to join`)
        world.reached('held joins')
        clock.plan(slowMs, () => join(memberId))
      })
    }
    group.join({ ...request, memberId: '' }, ({ memberId }) => join(memberId))
    return undefined
  },
}

export const answers: readonly FaultKind[] = [...flawed, leaderless, throttled, slowMember]
