// One run: a seed, its plan, and what came of it.

import { dimensionNamed } from './dimensions.ts'
import { lastAtMs, type Plan, planOf } from './faults/plan.ts'
import { furnish } from './furnishing.ts'
import { recoversWithinMs } from './oracles/liveness.ts'
import { producerOracles } from './oracles/producing.ts'
import { calmAtMs as producersCalmAtMs } from './producers/producing-plan.ts'
import { ProducingProcess } from './producers/producing-process.ts'
import { produceMore } from './production.ts'
import { Random } from './random.ts'
import { Service } from './service.ts'
import { stage } from './stage.ts'
import { type Violation, World } from './world.ts'

export interface Outcome {
  readonly seed: number
  readonly plan: Plan
  readonly violation: Violation | undefined
  readonly hash: string
  readonly virtualMs: number
  readonly events: number
  readonly messages: number
  readonly counts: ReadonlyMap<string, number>
  /** The journals as they were at the end, by service. */
  readonly journals: ReadonlyMap<string, string>
  readonly story: readonly string[]
}

const settleMs = 1000
/** Where what a seed is about shows best in rest, messages come for as long after the last fault, and nothing else. */
const restMs = 12_000
const tickMs = 250

/** Runs a seed, with its own plan or another one. */
export function run(seed: number, { plan = planOf(seed), isTold = false } = {}): Promise<Outcome> {
  return plan.isOfProducers ? producersRun(seed, plan, isTold) : consumersRun(seed, plan, isTold)
}

async function consumersRun(seed: number, plan: Plan, isTold: boolean): Promise<Outcome> {
  const world = new World(seed, isTold, plan.dimensions)
  const rests = plan.dimensions.some((name) => dimensionNamed(name).rests)
  const calmAtMs = lastAtMs * plan.stretch + 2500
  furnish(world)
  const { clock } = world
  let state: 'faulty' | 'calm' | 'stopping' | 'done' = 'faulty'
  let recoversFromMs = calmAtMs
  const tick = () => {
    world.tick()
    clock.plan(tickMs, tick)
    const { now } = clock
    if (state === 'faulty' && now >= calmAtMs) {
      state = 'calm'
      world.calm()
      // A handler that has failed before is called again when its wait is over.
      recoversFromMs = Math.max(calmAtMs, world.retries.latest)
    } else if (state === 'calm') {
      const { maxWaitTimeInMs, commitIntervalMs } = world.options
      const isLate = now >= recoversFromMs + recoversWithinMs + 2 * maxWaitTimeInMs + commitIntervalMs
      if (!isLate && !(world.isCaughtUp && world.isUp && now >= calmAtMs + (rests ? restMs : settleMs))) return
      state = 'stopping'
      world.finish()
    } else if (
      state === 'stopping' &&
      world.services.every(({ isRunning, lingering }) => !isRunning && lingering.size === 0)
    )
      state = 'done'
  }
  await stage(world, plan, isTold, {
    begin: () => {
      for (let index = 0; index < plan.serviceCount; index++) {
        const service = new Service(world, 'ab'[index] ?? 'a')
        world.services.push(service)
        clock.plan(index * 200, () => service.start())
      }
      clock.plan(0, () => world.produce(calmAtMs + (rests ? restMs / 2 : 0)))
      if (plan.dimensions.length > 0)
        clock.plan(0, () => produceMore(world, new Random(seed, 'more messages'), calmAtMs))
      tick()
    },
    isDone: () => state === 'done',
    end: () => {
      for (const service of world.services) world.readJournal(service, true)
      for (const service of world.services) {
        service.life?.end()
        clock.as(service.life, () => service.forget())
      }
    },
  })
  return outcomeOf(world, plan)
}

async function producersRun(seed: number, plan: Plan, isTold: boolean): Promise<Outcome> {
  const world = new World(seed, isTold, [], producerOracles())
  const { clock, kafka } = world
  kafka.hasProducers = true
  const random = new Random(seed, 'topics of producers')
  kafka.topics[0]?.grow(random.between(0, 2), true)
  if (random.chance(0.3)) kafka.addTopic('payments', random.between(1, 3))
  const producing = new ProducingProcess(world)
  const tick = () => {
    world.tick()
    clock.plan(tickMs, tick)
  }
  await stage(world, plan, isTold, {
    begin: () => {
      producing.start()
      clock.plan(producersCalmAtMs, () => {
        world.calm()
        producing.end()
      })
      tick()
    },
    isDone: () => producing.isOver,
    end: () => producing.life.end(),
  })
  return outcomeOf(world, plan)
}

function outcomeOf(world: World, plan: Plan): Outcome {
  const { seed, clock, kafka, services, violation, hash, counts, story } = world
  const journals = new Map(
    services.map(({ name, disk }) => [
      name,
      disk
        .journal()
        .map(({ bytes }) => bytes.toString('utf8'))
        .join(''),
    ]),
  )
  return {
    ...{ seed, plan, violation, hash, virtualMs: clock.now, events: clock.events },
    messages: kafka.partitions().reduce((sum, { log }) => sum + log.end, 0),
    ...{ counts, journals, story },
  }
}
