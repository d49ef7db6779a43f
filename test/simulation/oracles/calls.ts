// What the user called for: a sought message comes next, and a paused partition rests.

import { Cuts, Logs, type Oracle, Table } from './oracle.ts'

/**
 * K1: after a seek in a partition that is assigned, the next message handed out is the sought one, or the first that is there behind it;
 * the message at work at that moment may be tried again before, and a batch handler that asks nobody goes on in what it was handed. A
 * rebalance that brings the partition back to the same process, without a commit of anybody else's between, changes nothing about it. Where users
 * commit, a seek ends with the assignment.
 */
export function soughtComesNext(autoCommit: boolean): Oracle {
  const logs = new Logs()
  const owned = new Map<string, Set<number>>()
  const cuts = new Cuts()
  const atWork = new Table(() => ({ offset: -1 }))
  const sought = new Map<string, { offset: number; leftOver: number }>()
  const drop = (partition: number, but?: string) => {
    for (const key of sought.keys()) if (key.endsWith(` ${partition}`) && key !== but) sought.delete(key)
  }
  return {
    id: 'K1',
    see(sighting, at) {
      logs.see(sighting)
      cuts.see(sighting, at)
      if (sighting.type === 'assigned') {
        // The group may have given it to another member before who had it has asked to join again: what its user seeks meanwhile comes behind what
        // the other has committed.
        for (const theirs of owned.values()) for (const partition of sighting.partitions) theirs.delete(partition)
        owned.set(sighting.life, new Set(sighting.partitions))
        for (const partition of sighting.partitions)
          drop(partition, autoCommit ? `${sighting.life} ${partition}` : undefined)
        // Meanwhile it is somebody else's, who begins where the group stands.
        for (const key of sought.keys()) {
          const [life, partition] = key.split(' ')
          if (life === sighting.life && !sighting.partitions.includes(Number(partition))) sought.delete(key)
        }
      }
      if (sighting.type === 'join-sent') owned.delete(sighting.life)
      if (sighting.type === 'removed') drop(sighting.partition)
      if (sighting.type === 'committed') drop(sighting.partition, `${sighting.life} ${sighting.partition}`)
      if (sighting.type === 'handled' || sighting.type === 'threw') {
        const queue = atWork.of(sighting.life, sighting.partition)
        if (sighting.type === 'handled') queue.offset = -1
      }
      if (sighting.type === 'sought') {
        const { life, partition, offset } = sighting
        const key = `${life} ${partition}`
        // Where the log was cut below what is sought, what came there since is read first.
        if (cuts.isOld(partition, at) && owned.get(life)?.has(partition))
          sought.set(key, { offset, leftOver: atWork.of(life, partition).offset })
        else sought.delete(key)
      }
      if (sighting.type !== 'started') return undefined
      const { life, partition, offset } = sighting
      atWork.of(life, partition).offset = offset
      const key = `${life} ${partition}`
      const wish = sought.get(key)
      if (!wish || offset !== sighting.from) return undefined
      const expected = logs.of(partition).next(wish.offset)
      if (offset === wish.leftOver && offset !== expected) return undefined
      sought.delete(key)
      if (offset === expected) return undefined
      return `${life} was handed ${partition}/${offset}, although its user had sought ${wish.offset}`
    },
  }
}

/** K2: nothing of a paused partition is handed out, but the message that was at work may be tried again. */
export function pausedRests(isBatched: boolean): Oracle {
  const paused = new Map<string, number>()
  const atWork = new Table(() => ({ offset: -1 }))
  return {
    id: 'K2',
    see(sighting) {
      if (sighting.type === 'paused') {
        const { life, partition } = sighting
        paused.set(`${life} ${partition}`, atWork.of(life, partition).offset)
      }
      if (sighting.type === 'resumed') paused.delete(`${sighting.life} ${sighting.partition}`)
      if (sighting.type === 'handled') atWork.of(sighting.life, sighting.partition).offset = -1
      if (sighting.type !== 'started') return undefined
      const { life, partition, offset } = sighting
      atWork.of(life, partition).offset = offset
      const leftOver = paused.get(`${life} ${partition}`)
      // A batch at work is the handler's own.
      if (leftOver === undefined || leftOver === offset || isBatched) return undefined
      return `${life} was handed ${partition}/${offset}, although its user had paused the partition`
    },
  }
}

/** A commit of what was handled leaves the consumer within so many milliseconds, or not at all. */
const marksWithinMs = 4000

/** K4: where users commit, nothing leaves the consumer that they have not asked for; and what they are told is committed, is. */
export function onlyNamedIsCommitted(autoCommit: boolean): Oracle {
  const named = new Set<string>()
  const askedAt = new Map<string, number>()
  const highest = new Table(() => ({ offset: -1 }))
  return {
    id: 'K4',
    see(sighting, at) {
      if (sighting.type === 'named') {
        const { life, partition, offset } = sighting
        named.add(`${life} ${partition} ${offset}`)
        highest.of(life, partition, offset)
      }
      if (sighting.type === 'commit-asked') askedAt.set(sighting.life, at)
      if (sighting.type === 'committed') {
        const { life, partition, offset } = sighting
        for (const [key, known] of highest) {
          const [by, where, wish] = key.split(' ')
          if (by === life && where === `${partition}` && offset >= Number(wish)) known.offset = offset
        }
      }
      if (sighting.type === 'acknowledged') {
        const { life, partition, offset } = sighting
        if (highest.of(life, partition, offset).offset >= offset) return undefined
        return `${life} was told that ${partition}/${offset} is committed, and the group never had it`
      }
      if (sighting.type !== 'commit-sent' || autoCommit) return undefined
      const { life, offsets } = sighting
      if (at - (askedAt.get(life) ?? Number.NEGATIVE_INFINITY) < marksWithinMs) return undefined
      const own = offsets.find(({ partition, offset }) => !named.has(`${life} ${partition} ${offset}`))
      return own && `${life} commits ${own.partition}/${own.offset}, which its user has not named`
    },
  }
}
