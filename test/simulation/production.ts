// Messages for the partitions that the plain world does not have.

import type { Random } from './random.ts'
import type { World } from './world.ts'

const plainPartitions = 4
/** Messages come at this distance, on average. */
const messageEachMs = 60

export function produceMore(world: World, random: Random, untilMs: number): void {
  const { clock, kafka } = world
  const others = kafka.partitions().filter(({ number }) => number >= plainPartitions)
  if (others.length > 0) {
    const isPacked = world.dimensions.has('batches are packed') && random.chance(0.5)
    world.append(random.pick(others).number, world.messages(random, random.between(1, 3)), isPacked)
  }
  const waitMs = messageEachMs * (0.2 + 1.6 * random.next())
  if (clock.now + waitMs < untilMs) clock.plan(waitMs, () => produceMore(world, random, untilMs))
}
