// One run: a seed, its plan, and what came of it.

import { dimensionNamed } from './dimensions.ts'
import { kinds, lastAtMs, type Plan, planOf } from './faults/plan.ts'
import { furnish } from './furnishing.ts'
import { clockShift, replaceGlobals } from './globals.ts'
import type { Life } from './life.ts'
import { recoversWithinMs } from './oracles/liveness.ts'
import { produceMore } from './production.ts'
import { Random } from './random.ts'
import { Service } from './service.ts'
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
/** 2026-01-01. */
const epochMs = 1_767_225_600_000
/** More events than this in one run are a loop. */
const mostEvents = 400_000

/** Runs a seed, with its own plan or another one. */
export async function run(seed: number, { plan = planOf(seed), isTold = false } = {}): Promise<Outcome> {
  const world = new World(seed, isTold, plan.dimensions)
  const rests = plan.dimensions.some((name) => dimensionNamed(name).rests)
  const calmAtMs = lastAtMs * plan.stretch + 2500
  furnish(world)
  const { clock } = world
  clockShift.ms = 0
  // Most errors of a run are expected ones, and half of their cost is the stack.
  const { stackTraceLimit } = Error
  if (!isTold) Error.stackTraceLimit = 0
  const escaped = (error: unknown) => {
    const life = clock.current as Life | undefined
    if (life && !life.alive) return
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (!life) throw error
    world.see({ type: 'escaped', life: life.name, message: what })
  }
  process.on('unhandledRejection', escaped)
  const restore = replaceGlobals({
    ...{ clock, network: world.network, epochMs },
    random: new Random(seed, 'library'),
    diskOf: (life) => {
      const service = world.lives.get(life.name)
      if (!service) throw new Error(`${life.name} has no disk`)
      return service.disk
    },
  })
  try {
    for (let index = 0; index < plan.serviceCount; index++) {
      const service = new Service(world, 'ab'[index] ?? 'a')
      world.services.push(service)
      clock.plan(index * 200, () => service.start())
    }
    clock.plan(0, () => world.produce(calmAtMs + (rests ? restMs / 2 : 0)))
    if (plan.dimensions.length > 0) clock.plan(0, () => produceMore(world, new Random(seed, 'more messages'), calmAtMs))
    schedule(world, plan)
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
    tick()
    const isOver = () => {
      if (clock.events > mostEvents) world.see({ type: 'escaped', life: 'any', message: 'events come without an end' })
      return state === 'done' || world.violation !== undefined || clock.events > mostEvents
    }
    await clock.run(isOver, escaped)
    clock.current = undefined
    for (const service of world.services) world.readJournal(service, true)
    for (const service of world.services) {
      service.life?.end()
      clock.as(service.life, () => service.forget())
    }
  } finally {
    restore()
    Error.stackTraceLimit = stackTraceLimit
    process.off('unhandledRejection', escaped)
  }
  const journals = new Map(
    world.services.map(({ name, disk }) => [
      name,
      disk
        .journal()
        .map(({ bytes }) => bytes.toString('utf8'))
        .join(''),
    ]),
  )
  return {
    ...{ seed, plan, violation: world.violation, hash: world.hash, virtualMs: clock.now, events: clock.events },
    messages: world.kafka.partitions().reduce((sum, { log }) => sum + log.end, 0),
    ...{ counts: world.counts, journals, story: world.story },
  }
}

function schedule(world: World, plan: Plan): void {
  for (const fault of plan.faults) {
    const kind = kinds.get(fault.kind)
    if (!kind) throw new Error(`There is no kind of fault named ${fault.kind}`)
    world.clock.plan(fault.atMs, () => {
      world.begin(fault)
      const isOver = world.trouble()
      const end = kind.apply(world, new Random(fault.dice), fault)
      world.clock.plan(fault.lastsMs, () => {
        end?.()
        isOver()
      })
    })
  }
}
