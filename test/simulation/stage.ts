// Where a world is put on: Node's own is replaced, the plan's faults happen, and events come one after the other until it is over.

import { kinds, type Plan } from './faults/plan.ts'
import { producerKinds } from './faults/produces.ts'
import { clockShift, replaceGlobals } from './globals.ts'
import type { Life } from './life.ts'
import { Random } from './random.ts'
import type { World } from './world.ts'

/** 2026-01-01. */
const epochMs = 1_767_225_600_000
/** More events than this in one run are a loop. */
const mostEvents = 400_000

const known = new Map([...producerKinds.map((kind) => [kind.name, kind] as const), ...kinds])

export interface Play {
  /** Plans what is to come first. */
  begin(): void
  isDone(): boolean
  /** Looks at what is left, with nothing running any more. */
  end(): void
}

/** `isTold`: errors have their stacks, which cost half of the time. */
export async function stage(world: World, plan: Plan, isTold: boolean, play: Play): Promise<void> {
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
    random: new Random(world.seed, 'library'),
    ...(plan.isOfProducers ? { overdueTimerMs: 50 } : {}),
    diskOf: (life) => {
      const service = world.lives.get(life.name)
      if (!service) throw new Error(`${life.name} has no disk`)
      return service.disk
    },
  })
  try {
    play.begin()
    schedule(world, plan)
    const isOver = () => {
      if (clock.events > mostEvents) world.see({ type: 'escaped', life: 'any', message: 'events come without an end' })
      return play.isDone() || world.violation !== undefined || clock.events > mostEvents
    }
    await clock.run(isOver, escaped)
    clock.current = undefined
    play.end()
  } finally {
    restore()
    Error.stackTraceLimit = stackTraceLimit
    process.off('unhandledRejection', escaped)
  }
}

function schedule(world: World, plan: Plan): void {
  for (const fault of plan.faults) {
    const kind = known.get(fault.kind)
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
