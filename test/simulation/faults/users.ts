// What users call: pauses, seeks and commits, at instants that suit the consumer and at any other.

import type { Random } from '../random.ts'
import type { Service } from '../service.ts'
import type { LifeName } from '../sighting.ts'
import type { World } from '../world.ts'
import type { FaultKind } from './fault-kind.ts'

const anyService = (world: World, random: Random): Service => random.pick(world.services)

/** Pauses them now and resumes them at the end, if it is still the same process. Undefined: nobody was there to be asked. */
function pauseFor(world: World, service: Service, topic: string, indices?: readonly number[]) {
  const { life } = service
  if (!life?.alive) return undefined
  // Also of one that is away: the pause is of its name, and so is the end of it.
  const found = world.kafka.topics.find(({ name }) => name === topic)
  const numbers = () =>
    (indices ?? (found?.partitions ?? []).map(({ index }) => index)).map(
      (index) => world.kafka.numberOf(topic, index) ?? -1,
    )
  const see = (type: 'paused' | 'resumed') => {
    for (const partition of numbers()) world.see({ type, life: life.name, partition })
  }
  const what = { topic, ...(indices ? { partitions: indices } : {}) }
  const isAsked = service.use((consumer) => {
    consumer.pause([what])
    see('paused')
  })
  if (!isAsked) return undefined
  return (): boolean =>
    service.life === life &&
    service.use((consumer) => {
      see('resumed')
      consumer.resume([what])
    })
}

const pause: FaultKind = {
  name: 'the user pauses partitions',
  proofs: ['pause', 'resume'],
  weight: 1,
  apply(world, random) {
    const service = anyService(world, random)
    const resume = pauseFor(world, service, world.kafka.topic, [random.below(4), random.below(4)])
    if (!resume) return undefined
    world.reached('pause')
    return () => {
      if (resume()) world.reached('resume')
    }
  },
}

const pauseTopic: FaultKind = {
  name: 'the user pauses a topic',
  dimension: 'pauses by topic',
  proofs: ['pauses by topic'],
  weight: 1,
  apply(world, random) {
    const resume = pauseFor(world, anyService(world, random), random.pick(world.kafka.topics).name)
    if (!resume) return undefined
    return () => {
      if (resume()) world.reached('pauses by topic')
    }
  },
}

/**
 * All below the group's place was handled before it was committed, so a seek back leads past nothing. Where the log was cut, or its topic made again,
 * the group may still stand at a place of the log as it was, also by a commit that came late: then a seek leads past what came anew from the cut on, and nobody has to read that. Once somebody has
 * read it and committed, this excuses nothing any more.
 */
function seeSought(world: World, life: LifeName, partition: number, offset: number): void {
  const { cutTo = offset } = world.kafka.partition(partition)?.log ?? {}
  if (cutTo < offset) world.see({ type: 'excused', partition, from: cutTo, to: offset })
  world.see({ type: 'sought', life, partition, offset })
}

const seek: FaultKind = {
  name: 'the user seeks back',
  proofs: ['seek'],
  weight: 1,
  apply(world, random) {
    const service = anyService(world, random)
    const { life } = service
    const partition = random.below(4)
    if (!life?.alive) return undefined
    // Not before the process gets to it: its event loop may stand still.
    service.use((consumer) => {
      const assignment = consumer.status().assignment[world.kafka.topic] ?? []
      const committed = world.kafka.group.offsets.get(partition) ?? 0
      if (!assignment.includes(partition) || committed === 0) return
      const offset = random.below(committed)
      seeSought(world, life.name, partition, offset)
      service.committing?.sought(partition)
      consumer.seek({ topic: world.kafka.topic, partition, offset: `${offset}` })
      world.reached('seek')
    })
    return undefined
  },
}

/** Seeks to anywhere in a log, whatever the consumer is doing; now and then several times in a row. */
function seekAnywhere(world: World, random: Random, service: Service, partition: number): boolean {
  const { life } = service
  const found = world.kafka.partitions().find(({ number }) => number === partition)
  const topic = world.kafka.topics[Math.floor(partition / 1000)]
  if (!life?.alive || !found || !topic || found.log.end === 0) return false
  return service.use((consumer) => {
    const { start, end } = found.log
    const offset = random.between(start, end)
    const committed = world.kafka.group.offsets.get(partition) ?? 0
    // In a topic that was made again the group may stand at a place of the topic before, by a commit that came late.
    if (offset > committed || !found.isOriginal) world.see({ type: 'excused', partition, from: 0, to: offset })
    seeSought(world, life.name, partition, offset)
    service.committing?.sought(partition)
    consumer.seek({ topic: topic.name, partition: found.index, offset: `${offset}` })
    world.reached('seeks at any instant')
  })
}

/** Seeks in some of the partitions it was just assigned: at once, or when a store of the user's own has answered. */
export function seekOnAssignment(
  world: World,
  random: Random,
  service: Service,
  partitions: Readonly<Record<string, readonly number[]>>,
): void {
  for (const [topic, list] of Object.entries(partitions)) {
    for (const index of list) {
      if (random.chance(0.6)) continue
      const number = world.kafka.numberOf(topic, index) ?? -1
      const seek = () => {
        if (seekAnywhere(world, random, service, number)) world.reached('seeks on assignment')
      }
      if (random.chance(0.4)) world.clock.plan(random.between(1, 40), seek)
      else seek()
    }
  }
}

const seeks: FaultKind = {
  name: 'the user seeks at any instant',
  dimension: 'seeks at any instant',
  proofs: ['seeks at any instant'],
  weight: 1,
  apply(world, random, { lastsMs }) {
    const service = anyService(world, random)
    const { life } = service
    const gapMs = random.pick([0, 3, 60, 250])
    const count = random.between(1, 4)
    for (let index = 0; index < count && index * gapMs < lastsMs; index++) {
      world.clock.plan(index * gapMs, () => {
        const there = world.kafka.partitions()
        if (there.length > 0 && service.life === life) seekAnywhere(world, random, service, random.pick(there).number)
      })
    }
    return undefined
  },
}

const commitNow: FaultKind = {
  name: 'the user commits',
  proofs: ['user commit'],
  weight: 0.5,
  apply(world, random) {
    const service = anyService(world, random)
    const { life } = service
    const isAsked = service.use((consumer) => {
      if (life) world.see({ type: 'commit-asked', life: life.name })
      void consumer.commit()
    })
    if (isAsked) world.reached('user commit')
    return undefined
  },
}

export const users: readonly FaultKind[] = [pause, pauseTopic, seek, seeks, commitNow]
