// Faults of topics: partitions come, topics go and come back, logs lose their start or their end.

import type { Partition, Topic } from '../kafka/topic.ts'
import { tellsTopicIds } from '../kafka/versions.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'
import type { FaultKind } from './fault-kind.ts'

const added: FaultKind = {
  name: 'partitions are added',
  dimension: 'partitions are added',
  proofs: ['partitions are added'],
  weight: 1,
  apply(world, random) {
    const topic = random.pick(world.kafka.topics)
    if (!topic.isThere) return undefined
    const isWritten = random.chance(0.5)
    // Before the group has its first assignment nobody need have seen the topic without them: they may be there from the start.
    const isOriginal = world.services.length > 0 && world.kafka.group.generation === 0
    for (const { number } of topic.grow(random.between(1, 2), isOriginal)) {
      world.log(`partition ${number} is added`)
      if (isWritten) world.append(number, world.messages(random, random.between(1, 4)))
    }
    return undefined
  },
}

const made: FaultKind = {
  name: 'a topic is deleted and made again',
  dimension: 'topics are deleted',
  proofs: ['topics are deleted'],
  weight: 1,
  apply(world, random) {
    const topic = random.pick(world.kafka.topics)
    // Without topic ids nobody can tell the new one from the old one before an offset is out of range: a limit that the README names.
    if (!topic.isThere || !tellsTopicIds(world.kafka.release)) return undefined
    remove(world, topic)
    return () => {
      topic.make()
      for (const { number } of topic.partitions)
        world.see({ type: 'removed', partition: number, from: 0, to: 0, how: 'deleted' })
      world.log(`${topic.name} is made again`)
      world.kafka.changed()
    }
  },
}

function remove(world: World, topic: Topic): void {
  const { group } = world.kafka
  topic.remove()
  for (const { number, log } of topic.partitions) {
    if (log.end > 0) world.reached('topics are deleted')
    world.see({ type: 'removed', partition: number, from: 0, to: log.end, how: 'deleted' })
    // The coordinator forgets what was committed in it.
    group.offsets.delete(number)
    group.metadata.delete(number)
  }
  world.log(`${topic.name} is deleted`)
  world.kafka.changed()
}

const anyLog = (world: World, random: Random): Partition | undefined => {
  const all = world.kafka.partitions().filter(({ log }) => log.end > log.start)
  return all.length > 0 ? random.pick(all) : undefined
}

const trimmed: FaultKind = {
  name: 'the start of a log is deleted',
  dimension: 'logs are trimmed',
  proofs: ['logs are trimmed'],
  weight: 1,
  apply(world, random) {
    const partition = anyLog(world, random)
    if (!partition) return undefined
    const { log, number } = partition
    const committed = world.kafka.group.offsets.get(number) ?? 0
    // Below what is committed it hurts nobody; beyond it does.
    const to = random.chance(0.3) ? Math.min(committed, log.end) : random.between(log.start + 1, log.end)
    if (to <= log.start) return undefined
    world.see({ type: 'removed', partition: number, from: log.start, to, how: 'trimmed' })
    log.trim(to)
    world.log(`partition ${number} begins at ${to} now`)
    if (to > committed) world.reached('logs are trimmed')
    world.kafka.changed()
    return undefined
  },
}

const cut: FaultKind = {
  name: 'a leader that lagged behind cuts the log',
  dimension: 'logs are cut',
  proofs: ['logs are cut'],
  weight: 1,
  apply(world, random) {
    const partition = anyLog(world, random)
    if (!partition) return undefined
    const { log, number, leader } = partition
    const before = log.end
    const { end, reopened } = log.cut(Math.max(log.start, log.end - random.between(1, 8)))
    if (end === before) return undefined
    // A partition without a leader gets one by it as well.
    partition.lead((Math.max(leader, 0) % 3) + 1)
    world.log(`partition ${number} is cut from ${before} to ${end}`)
    world.see({ type: 'removed', partition: number, from: end, to: before, how: 'cut' })
    if ((world.kafka.group.offsets.get(number) ?? 0) > end) world.reached('logs are cut')
    // The coordinator of transactions ends again what it knows to be aborted.
    for (const producerId of reopened) endTransaction(world, partition, producerId, false)
    // Often it grows past the old end before anybody has looked.
    if (random.chance(0.5)) world.append(number, world.messages(random, random.between(1, 12)))
    world.kafka.changed()
    return undefined
  },
}

function endTransaction(
  world: World,
  { log, number, epoch }: Partition,
  producerId: number,
  isCommitted: boolean,
): void {
  world.see({ type: 'appended', partition: number, offset: log.end, isMessage: false })
  log.endTransaction(producerId, isCommitted, epoch)
}

const transaction: FaultKind = {
  name: 'a transaction',
  dimension: 'transactions',
  proofs: ['transactions'],
  weight: 1,
  apply(world, random, { lastsMs, dice: producerId }) {
    const all = world.kafka.partitions()
    if (all.length === 0) return undefined
    const partition = random.pick(all)
    const { number, log } = partition
    const isDoomed = random.chance(0.6)
    const write = () => {
      const messages = world.messages(random, random.between(1, 4))
      for (let index = 0; index < messages.length; index++)
        world.see({ type: 'appended', partition: number, offset: log.end + index, isMessage: !isDoomed })
      partition.append(messages, { producerId, isDoomed })
      world.kafka.changed()
    }
    write()
    world.clock.plan(lastsMs / 2, () => {
      if (world.kafka.partition(number) === partition && log.isOpen(producerId)) write()
    })
    return () => {
      if (world.kafka.partition(number) !== partition || !log.isOpen(producerId)) return
      endTransaction(world, partition, producerId, !isDoomed)
      world.reached('transactions')
      world.kafka.changed()
    }
  },
}

export const topics: readonly FaultKind[] = [added, made, trimmed, cut, transaction]
