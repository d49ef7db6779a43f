// Faults of what producers send: refused or in doubt, cut on its way there or back, queued at a broker.

import type { Random } from '../random.ts'
import { answers, somePartitions } from './answers.ts'
import { brokers } from './brokers.ts'
import type { FaultKind } from './fault-kind.ts'
import { moves } from './moves.ts'
import { paths } from './paths.ts'
import { topics } from './topics.ts'

function flawed(code: number): FaultKind {
  const name = `Produce is answered with error ${code}`
  return {
    name,
    proofs: [name],
    weight: 0.5,
    apply(world, random) {
      const { flaws } = world.kafka.trouble
      const flaw = { asked: 'produce', partitions: somePartitions(world, random), code, proof: name } as const
      flaws.add(flaw)
      return () => flaws.delete(flaw)
    },
  }
}

function cutting(what: 'request' | 'answer'): FaultKind {
  const name = `the ${what} of a Produce is cut`
  return {
    name,
    proofs: [name],
    weight: 2,
    apply(world, random) {
      const { trouble } = world.kafka
      const nodes = someNodes(random)
      const share = random.pick([0.3, 1])
      const own = (nodeId: number) => (nodes.includes(nodeId) && random.chance(share) ? what : undefined)
      trouble.cutOf = own
      return () => {
        if (trouble.cutOf === own) trouble.cutOf = () => undefined
      }
    },
  }
}

const produceKey = 0

const answersLate: FaultKind = {
  name: 'Produce is answered late',
  proofs: ['Produce is answered late'],
  weight: 2,
  apply(world, random) {
    const { trouble } = world.kafka
    const nodes = someNodes(random)
    const lateMs = random.pick([200, 700, 1500, 4000])
    const own = (nodeId: number, apiKey: number) => {
      if (apiKey !== produceKey || !nodes.includes(nodeId)) return 0
      world.reached('Produce is answered late')
      return lateMs * (0.5 + random.next())
    }
    trouble.lateMs = own
    return () => {
      if (trouble.lateMs === own) trouble.lateMs = () => 0
    }
  },
}

/** A broker that is busy takes what it was sent long ago, also from a client that has given it up and sent it elsewhere. */
const queued: FaultKind = {
  name: 'Produce is queued',
  proofs: ['Produce is queued'],
  weight: 2,
  apply(world, random) {
    const { trouble } = world.kafka
    const nodes = someNodes(random)
    const queuedMs = random.pick([100, 600, 1500, 4000])
    const own = (nodeId: number) => {
      if (!nodes.includes(nodeId)) return 0
      world.reached('Produce is queued')
      return queuedMs * (0.5 + random.next())
    }
    trouble.queuedMs = own
    return () => {
      if (trouble.queuedMs === own) trouble.queuedMs = () => 0
    }
  },
}

const throttled: FaultKind = {
  name: 'a quota throttles the producer',
  proofs: ['a quota throttles the producer'],
  weight: 1,
  apply(world, random) {
    const { trouble } = world.kafka
    const throttleMs = random.pick([100, 700])
    const own = (_nodeId: number, apiKey: number) => {
      if (apiKey !== produceKey) return 0
      world.reached('a quota throttles the producer')
      return throttleMs
    }
    trouble.throttleMs = own
    return () => {
      if (trouble.throttleMs === own) trouble.throttleMs = () => 0
    }
  },
}

const electionsGoOn: FaultKind = {
  name: 'leaders move again and again',
  proofs: ['leaders move again and again'],
  weight: 2,
  apply(world, random, { lastsMs }) {
    const until = world.clock.now + lastsMs
    const elect = () => {
      if (world.clock.now > until) return
      const up = [...world.kafka.nodes.values()].filter(({ isUp }) => isUp)
      for (const partition of world.kafka.partitions())
        if (up.length > 0 && random.chance(0.4)) partition.lead(random.pick(up).nodeId)
      world.reached('leaders move again and again')
      world.clock.plan(random.between(40, 400), elect)
    }
    elect()
    return undefined
  },
}

const someNodes = (random: Random): readonly number[] => (random.chance(0.4) ? [1, 2, 3] : [random.pick([1, 2, 3])])

/** Kinds that happen to consumers as well, by name. */
const shared: ReadonlySet<string> = new Set([
  ...['a node goes down', 'leaders move', 'answers to metadata have errors', 'partitions have no leader'],
  ...['partitions are added'],
])

/** All that happens to producers. */
export const producerKinds: readonly FaultKind[] = [
  ...moves,
  ...paths,
  ...brokers.filter(({ name }) => name.startsWith('metadata ')),
  ...[...brokers, ...answers, ...topics].filter(({ name }) => shared.has(name)),
  // The last two are of the topic and its user: rights that are missing for a while, and a message that is too large.
  ...[3, 5, 6, 7, 13, 19, 20, 56, 74, 29, 10].map(flawed),
  cutting('request'),
  cutting('answer'),
  ...[answersLate, queued, throttled, electionsGoOn],
]

export const producerProofs: readonly string[] = [...new Set(producerKinds.flatMap(({ proofs }) => proofs))]
