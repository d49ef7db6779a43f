// Delivery: nothing lost, nothing committed that was not handled, in order, twice only within the bound, by one owner at a time.

import { Cuts, Logs, type Oracle, Table } from './oracle.ts'

/** S1: every message of the log is handled, as it was written. */
export function noLoss(): Oracle {
  const logs = new Logs()
  return {
    id: 'S1',
    see(sighting) {
      if (sighting.type === 'started' && !sighting.isGenuine) {
        return `${sighting.partition}/${sighting.offset} came to the handler with another key or value than the log has`
      }
      logs.see(sighting)
      if (sighting.type !== 'over') return undefined
      const lost = [...logs].flatMap(([partition, { lacking }]) => lacking.map((offset) => `${partition}/${offset}`))
      return lost.length > 0 ? `${lost.length} messages were never handled: ${lost.slice(0, 5).join(', ')}` : undefined
    },
  }
}

/** S2: at each commit, every message below it was handled, of the log that its sender knows. */
export function onlyHandledIsCommitted(): Oracle {
  const logs = new Logs()
  const cuts = new Cuts()
  return {
    id: 'S2',
    see(sighting, at) {
      logs.see(sighting)
      cuts.see(sighting, at)
      if (sighting.type !== 'committed') return undefined
      const { partition, offset, life, sentAt } = sighting
      if (!cuts.isKnown(life, partition, sentAt)) return undefined
      const { firstUnhandled = offset, end } = logs.of(partition)
      if (offset > end) return `${life} committed ${partition}/${offset}, but the log ends at ${end}`
      return offset > firstUnhandled
        ? `${life} committed ${partition}/${offset}, but only those below ${firstUnhandled} were handled`
        : undefined
    },
  }
}

/**
 * S3: a partition's messages are handled in the order of their offsets; back only after an assignment, a seek or a throw, never ahead. The
 * message that was at work when the user sought is tried again until it succeeds, and a batch handler that asks nobody goes on in order to the
 * end of what it was handed before.
 */
export function inOrder(): Oracle {
  const logs = new Logs()
  const next = new Table(() => ({
    ...{ offset: undefined as number | undefined, again: -1, atWork: -1, leftOver: -1 },
    /** Where the call at work began, the one at work when the user sought, and the newest message. */
    ...{ call: -1, leftOverCall: -1, reached: -1 },
  }))
  return {
    id: 'S3',
    see(sighting) {
      logs.see(sighting)
      if (sighting.type === 'removed' && sighting.how !== 'trimmed') {
        for (const [key, queue] of next) if (key.endsWith(` ${sighting.partition}`)) queue.offset = undefined
      }
      if (sighting.type === 'handled') {
        const queue = next.of(sighting.life, sighting.partition)
        queue.again = -1
        queue.atWork = -1
        if (queue.leftOver === sighting.offset) queue.leftOver = -1
      }
      if (sighting.type === 'threw') next.of(sighting.life, sighting.partition).again = sighting.from
      if (sighting.type === 'sought') {
        const queue = next.of(sighting.life, sighting.partition)
        queue.offset = undefined
        queue.leftOver = queue.atWork
        queue.leftOverCall = queue.atWork < 0 ? -1 : queue.call
      }
      if (sighting.type === 'assigned') {
        for (const partition of sighting.partitions) {
          const queue = next.of(sighting.life, partition)
          queue.offset = undefined
          // A batch handler that asks nobody goes on with the call of an assignment before.
          queue.leftOverCall = queue.atWork < 0 ? -1 : queue.call
        }
      }
      if (sighting.type !== 'started') return undefined
      const { life, partition, offset } = sighting
      const queue = next.of(life, partition)
      const { reached } = queue
      const goesOn = offset !== sighting.from && sighting.from === queue.leftOverCall
      if (!goesOn) queue.leftOverCall = -1
      queue.call = sighting.from
      queue.atWork = offset
      queue.reached = offset
      // What a consumer fetched before it was taken away.
      if (!sighting.isCurrent) return undefined
      if (goesOn) {
        return offset === logs.of(partition).next(reached + 1)
          ? undefined
          : `${life} goes on to ${partition}/${offset} after ${reached}`
      }
      const { firstUnhandled = offset } = logs.of(partition)
      // The message that was tried again may also be the next one, behind offsets that hold none.
      const isNext = queue.offset !== undefined && offset === logs.of(partition).next(queue.offset)
      if (offset === queue.leftOver && !isNext) return undefined
      const expected = queue.offset
      const isAgain = expected !== undefined && offset === queue.again
      queue.offset = offset + 1
      if (offset > firstUnhandled)
        return `${life} was handed ${partition}/${offset}, although ${firstUnhandled} was not handled yet`
      if (expected === undefined || offset === expected || isAgain) return undefined
      if (offset === logs.of(partition).next(expected)) return undefined
      return `${life} was handed ${partition}/${offset}, expected ${expected}`
    },
  }
}

/**
 * S4: what is handled twice. A process is never handed what the group had committed when it asked, unless its user sought back; nor what it
 * has handled itself, unless the commit it was told then was somebody else's, or an old one that the network has brought late. So after a crash or a loss of partitions the group sees
 * again at most what was handled and not committed at that moment. Where users commit, a process begins anew with each assignment as well.
 */
export function twiceOnlyUncommitted(autoCommit: boolean): Oracle {
  const floor = new Table<{ placed: number; sought: number }>(() => ({ placed: 0, sought: Number.POSITIVE_INFINITY }))
  const own = new Table(() => new Set<number>())
  /** Handed out, and then sought back over: it may come again, with all that its call goes on to. */
  const running = new Table<{ offset: number; isForgiven: boolean }>(() => ({ offset: -1, isForgiven: false }))
  const newest = new Map<number, number>()
  const highest = new Map<number, number>()
  /** Who has committed last in each partition. */
  const committers = new Map<number, string>()
  const logs = new Logs()
  const cuts = new Cuts()
  /** Where a log was cut, the lowest place since the group's last commit by somebody who knew of it. */
  const cutTo = new Map<number, number>()
  return {
    id: 'S4',
    see(sighting, at) {
      logs.see(sighting)
      cuts.see(sighting, at)
      if (sighting.type === 'removed' && sighting.how !== 'trimmed') {
        const { partition, from } = sighting
        cutTo.set(partition, Math.min(from, cutTo.get(partition) ?? from))
        newest.delete(partition)
        highest.delete(partition)
        for (const [key, queue] of floor) if (key.endsWith(` ${partition}`)) queue.placed = Math.min(queue.placed, from)
        for (const [key, done] of own) {
          if (key.endsWith(` ${partition}`)) for (const handled of done) if (handled >= from) done.delete(handled)
        }
      }
      if (sighting.type === 'placed') {
        const { life, partition, offset } = sighting
        // A commit of before the log was cut says nothing of what it holds now: also where somebody has handled that since and never committed
        // it, however long ago, the group stands where the log was cut.
        const { firstUnhandled = offset, end } = logs.of(partition)
        const stands = Math.min(offset, cutTo.get(partition) ?? offset)
        floor.of(life, partition).placed = cuts.isOld(partition, at) ? Math.min(stands, firstUnhandled, end) : 0
        const isSetBack = (newest.get(partition) ?? 0) < (highest.get(partition) ?? 0)
        const done = own.of(life, partition)
        if (!autoCommit || isSetBack || (committers.get(partition) ?? life) !== life) {
          for (const handled of done) if (handled >= stands) done.delete(handled)
        }
        // What is still at work says nothing either.
        if (!autoCommit) running.of(life, partition).isForgiven = true
      }
      if (sighting.type === 'sought') {
        const queue = floor.of(sighting.life, sighting.partition)
        queue.sought = Math.min(queue.sought, sighting.offset)
        const done = own.of(sighting.life, sighting.partition)
        for (const offset of done) if (offset >= sighting.offset) done.delete(offset)
        running.of(sighting.life, sighting.partition).isForgiven = true
      }
      if (sighting.type === 'threw') {
        const done = own.of(sighting.life, sighting.partition)
        for (const offset of done) if (offset >= sighting.from) done.delete(offset)
      }
      if (sighting.type === 'committed') {
        const { partition, offset, life, sentAt } = sighting
        // One that was sent in ignorance of the cut speaks of the log before it.
        if (cuts.isKnown(life, partition, sentAt)) cutTo.delete(partition)
        newest.set(partition, offset)
        highest.set(partition, Math.max(offset, highest.get(partition) ?? 0))
        committers.set(partition, life)
      }
      if (sighting.type === 'handled') {
        const atWork = running.of(sighting.life, sighting.partition)
        const isForgiven = atWork.offset === sighting.offset && atWork.isForgiven
        atWork.offset = -1
        if (isForgiven) return undefined
        if (sighting.isCurrent) own.of(sighting.life, sighting.partition).add(sighting.offset)
      }
      if (sighting.type !== 'started' || !sighting.isCurrent) return undefined
      const { life, partition, offset } = sighting
      const atWork = running.of(life, partition)
      atWork.isForgiven &&= atWork.offset === offset || offset !== sighting.from
      atWork.offset = offset
      const { placed, sought } = floor.of(life, partition)
      // What a batch handler goes on with by itself was handed out when its call began.
      if (offset === sighting.from && offset < Math.min(placed, sought)) {
        return `${life} was handed ${partition}/${offset}, although the group stood at ${placed} when it asked`
      }
      if (!own.of(life, partition).has(offset)) return undefined
      return `${life} was handed ${partition}/${offset} although it had handled it, and the group's commit is its own`
    },
  }
}

/**
 * S5: one owner. A life hands out only what it was assigned last, nothing while it joins, and one message of a partition at a time. What is
 * handed out is a call: a batch handler that goes through its batch without asking cannot be held back when the partition is taken away.
 */
export function oneOwner(): Oracle {
  const running = new Set<string>()
  const assigned = new Map<string, readonly number[]>()
  return {
    id: 'S5',
    see(sighting) {
      if (sighting.type === 'assigned') assigned.set(sighting.life, sighting.partitions)
      if (sighting.type === 'join-sent') assigned.delete(sighting.life)
      if (sighting.type === 'handled' || sighting.type === 'threw') {
        running.delete(`${sighting.life} ${sighting.partition}`)
      }
      if (sighting.type !== 'started') return undefined
      const { life, partition, offset } = sighting
      const queue = `${life} ${partition}`
      const isRunning = running.has(queue)
      running.add(queue)
      if (isRunning)
        return `${life} was handed ${partition}/${offset} while another message of that partition is handled`
      if (offset !== sighting.from) return undefined
      const owned = assigned.get(life)
      if (!owned) return `${life} was handed ${partition}/${offset} between its join and its assignment`
      return owned.includes(partition)
        ? undefined
        : `${life} was handed ${partition}/${offset}, which is not assigned to it`
    },
  }
}

/** A commit that was begun may be on its way to the coordinator for so long, and is refused there when it comes too late. */
const underWayMs = 2500

/**
 * S6: no commit is sent that is lower than one the coordinator has confirmed, unless the user sought back, and none under an old generation
 * or member. In the coordinator, commits go down after a seek only, or where one was overtaken on its way by a later one.
 */
export function commitsOnlyRise(): Oracle {
  const newest = new Map<number, { offset: number; at: number }>()
  const confirmed = new Table(() => ({ offset: 0 }))
  /** What the user sought and no commit has followed yet, in order. */
  const sought = new Map<string, number[]>()
  /** Takes away the seek that this commit follows, and those before it: one that was under way when the user sought again follows the one before. */
  const follow = (key: string, offset: number): boolean => {
    const wishes = sought.get(key) ?? []
    const followed = wishes.indexOf(Math.max(...wishes.filter((wish) => wish <= offset)))
    if (followed >= 0) sought.set(key, wishes.slice(followed + 1))
    return followed >= 0
  }
  const current = new Map<string, { memberId: string; generation: number; at: number }>()
  const disowned = new Map<string, number>()
  const cuts = new Cuts()
  return {
    id: 'S6',
    see(sighting, at) {
      cuts.see(sighting, at)
      if (sighting.type === 'removed' && sighting.how !== 'trimmed') {
        newest.delete(sighting.partition)
        for (const [key, known] of confirmed) if (key.endsWith(` ${sighting.partition}`)) known.offset = 0
      }
      if (sighting.type === 'sought') {
        const key = `${sighting.life} ${sighting.partition}`
        sought.set(key, [...(sought.get(key) ?? []), sighting.offset])
        confirmed.of(sighting.life, sighting.partition).offset = 0
      }
      if (sighting.type === 'placed') {
        // What the group has now counts, also where an older commit has come late.
        const known = confirmed.of(sighting.life, sighting.partition)
        known.offset = Math.min(known.offset, Math.max(0, sighting.offset))
      }
      if (sighting.type === 'joined') current.set(sighting.life, { ...sighting, at })
      if (sighting.type === 'disowned') disowned.set(`${sighting.life} ${sighting.memberId}`, at)
      if (sighting.type === 'commit-confirmed') {
        for (const { partition, offset } of sighting.offsets) {
          const known = confirmed.of(sighting.life, partition)
          // It is of the log as it was.
          if (!cuts.isKnown(sighting.life, partition, at)) continue
          if (!sought.get(`${sighting.life} ${partition}`)?.length) known.offset = Math.max(known.offset, offset)
        }
      }
      if (sighting.type === 'committed') {
        const { life, partition, offset, sentAt } = sighting
        const before = newest.get(partition) ?? { offset: 0, at: 0 }
        if (cuts.isKnown(life, partition, sentAt)) newest.set(partition, { offset, at })
        else newest.delete(partition)
        const isBack = offset < before.offset && sentAt >= before.at
        if (!isBack || follow(`${life} ${partition}`, offset)) return undefined
        return `${life} took the commit of partition ${partition} back from ${before.offset} to ${offset}`
      }
      if (sighting.type !== 'commit-sent') return undefined
      const { life, memberId, generation, offsets } = sighting
      for (const { partition, offset } of offsets) {
        const known = confirmed.of(life, partition).offset
        if (offset < known) return `${life} sends a commit of ${partition}/${offset}, although ${known} was confirmed`
      }
      const member = current.get(life)
      const name = `${memberId} of generation ${generation}`
      const since = disowned.get(`${life} ${memberId}`)
      if (since !== undefined && at - since > underWayMs) {
        return `${life} commits as ${name}, which it was told is no member`
      }
      if (member?.memberId === memberId && member.generation === generation) return undefined
      if (member && at - member.at <= underWayMs) return undefined
      return `${life} commits as ${name}, but is ${member?.memberId} of generation ${member?.generation}`
    },
  }
}
