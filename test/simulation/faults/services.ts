// Faults of the service and its surroundings: handlers, source, disk, clock, crashes, and what its user calls.

import { clockShift } from '../globals.ts'
import type { Handling } from '../handler.ts'
import type { Random } from '../random.ts'
import type { Service, Sourcing } from '../service.ts'
import type { World } from '../world.ts'
import type { FaultKind } from './fault-kind.ts'
import { users } from './users.ts'

const anyService = (world: World, random: Random): Service => random.pick(world.services)

function handling(
  name: string,
  proof: string,
  weight: number,
  how: (random: Random, lastsMs: number) => Handling,
): FaultKind {
  return {
    name,
    proofs: [proof],
    weight,
    apply(world, random, { lastsMs }) {
      const service = anyService(world, random)
      const behaviour = how(random, lastsMs)
      service.handling = behaviour
      return () => {
        if (service.handling === behaviour) service.handling = { kind: 'works', ms: 0 }
      }
    },
  }
}

const handlers: readonly FaultKind[] = [
  handling('handlers are slow', 'handler is slow', 2, (random) => ({ kind: 'works', ms: random.pick([20, 100, 400]) })),
  handling('handlers throw', 'handler throws', 1, () => ({ kind: 'throws', isLate: false })),
  handling('handlers reject', 'handler rejects', 1, () => ({ kind: 'throws', isLate: true })),
  handling('handlers hang until their signal', 'handler hangs until its signal', 1, (_, lastsMs) => ({
    ...{ kind: 'hangs', heeds: true },
    ms: lastsMs + 2000,
  })),
  handling('handlers hang', 'handler hangs', 1, (_, lastsMs) => ({ kind: 'hangs', heeds: false, ms: lastsMs + 2000 })),
]

/** What user code throws that is no error, or not what an error should be. */
const oddities: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => Object.create(null),
  () => Object.assign(new Error('odd'), { message: { an: 'object' } }),
  () => Object.freeze(new Error('frozen')),
  () => 'a text',
  () => 17n,
  () => Symbol('odd'),
  () =>
    Object.defineProperty({}, 'message', {
      get: () => {
        throw new Error('no message for you')
      },
    }),
  () =>
    new Proxy(new Error('proxy'), {
      get: () => {
        throw new Error('no property for you')
      },
    }),
]

const odd: FaultKind = {
  name: 'handlers throw anything',
  dimension: 'handlers throw anything',
  proofs: ['handlers throw anything'],
  weight: 1,
  apply(world, random) {
    const service = anyService(world, random)
    const behaviour: Handling = { kind: 'throws', isLate: random.chance(0.5), what: random.pick(oddities) }
    service.handling = behaviour
    return () => {
      if (service.handling === behaviour) service.handling = { kind: 'works', ms: 0 }
    }
  },
}

const blocked: FaultKind = {
  name: 'the event loop stands still',
  dimension: 'the event loop stands still',
  proofs: ['the event loop stands still'],
  weight: 1,
  apply(world, random) {
    const { life } = anyService(world, random)
    if (!life?.alive) return undefined
    // Below the session's end, which would be another story.
    const until = world.clock.now + random.pick([300, 1000, 1500])
    const forMs = until - Math.max(world.clock.now, life.blockedUntil)
    if (forMs <= 0) return undefined
    life.blockedUntil = until
    world.see({ type: 'stands-still', life: life.name, forMs })
    world.reached('the event loop stands still')
    return undefined
  },
}

const decided: FaultKind = {
  ...handling('handlers throw for a policy', 'policies decide', 1, () => ({ kind: 'throws', isLate: true })),
  dimension: 'policies decide',
}

function sourcing(kind: Sourcing): FaultKind {
  return {
    name: `the source ${kind}`,
    proofs: [`source ${kind}`],
    weight: 0.7,
    apply(world, random) {
      const service = anyService(world, random)
      service.sourcing = kind
      return () => {
        if (service.sourcing === kind) service.sourcing = 'tells'
      }
    },
  }
}

const disks: readonly FaultKind[] = [
  {
    name: 'the disk is full',
    proofs: ['full disk'],
    weight: 1,
    apply(world, random) {
      const { trouble } = anyService(world, random).disk
      trouble.roomBytes = random.below(600)
      return () => {
        trouble.roomBytes = undefined
      }
    },
  },
  {
    name: 'a sync fails',
    proofs: ['sync error'],
    weight: 0.7,
    apply(world, random) {
      const { trouble } = anyService(world, random).disk
      trouble.failingSyncs = 1
      return () => {
        trouble.failingSyncs = 0
      }
    },
  },
  {
    name: 'writes are short',
    proofs: ['short write'],
    weight: 0.5,
    apply(world, random) {
      const { trouble } = anyService(world, random).disk
      trouble.shortWrites = random.between(1, 4)
      return () => {
        trouble.shortWrites = 0
      }
    },
  },
]

const crash: FaultKind = {
  name: 'the process crashes at some instruction',
  proofs: ['crash'],
  weight: 3,
  apply(world, random) {
    const { life } = anyService(world, random)
    if (life?.alive) life.crashAt = life.steps + random.between(1, 40)
    return undefined
  },
}

const powerLoss: FaultKind = {
  name: 'the power goes',
  proofs: ['power goes'],
  weight: 1,
  apply(world, random) {
    const service = anyService(world, random)
    if (!service.life?.alive) return undefined
    world.reached('power goes')
    service.crash(service.life, 'power', true)
    return undefined
  },
}

const rot: FaultKind = {
  name: 'a bit of the journal flips while the process is down',
  proofs: ['damage set aside'],
  weight: 0.4,
  apply(world, random) {
    const service = anyService(world, random)
    if (!service.life?.alive) return undefined
    service.crash(service.life, 'kill')
    if (service.disk.rot()) service.isSpoilt = true
    return undefined
  },
}

const stop: FaultKind = {
  name: 'the user stops it and starts anew',
  proofs: ['stop and start anew'],
  weight: 1,
  apply(world, random) {
    anyService(world, random).stop()
    return undefined
  },
}

const clockBack: FaultKind = {
  name: 'the wall clock is set back',
  proofs: ['clock set back'],
  weight: 0.7,
  apply(world, random) {
    clockShift.ms -= random.pick([500, 5000, 3_600_000])
    world.reached('clock set back')
    return undefined
  },
}

export const services: readonly FaultKind[] = [
  ...handlers,
  odd,
  decided,
  blocked,
  ...(['late', 'hangs', 'throws', 'nonsense', 'empty', 'stale'] as const).map(sourcing),
  ...disks,
  crash,
  powerLoss,
  rot,
  stop,
  ...users,
  clockBack,
]
