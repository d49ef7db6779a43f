// What the consumer tells its user: that it is ready, what the log lost, and no more facts than there is to tell.

import type { SightingOf } from '../sighting.ts'
import { Cuts, Logs, type Oracle, Table } from './oracle.ts'
import { Retries } from './retries.ts'

/** While it is ready, a partition with something to read is not silent for longer than this. */
const readyWithinMs = 15_000
/** What a node holds no longer is asked for, and handed out, within this. */
const nextFetchMs = 5000

/**
 * T1: ready tells the truth: every partition it was assigned, in which there is something to read, moves. A broker that has less than `minBytes`
 * holds the fetch for as long as its user wants, so what there is comes as much later. And a broker that has nothing of what it was asked for holds
 * that fetch to its end, also when it becomes the leader of another partition, or somebody seeks: nobody can ask it for more over that connection
 * before, whatever client he uses. So where `maxWaitTimeInMs` alone is nearly as long as this oracle waits, it waits for the next fetch as well.
 */
export function readyIsTrue({ maxWaitTimeInMs = 0, minBytes = 1 } = {}): Oracle {
  const heldMs = minBytes > 1 ? readyWithinMs + maxWaitTimeInMs : maxWaitTimeInMs + nextFetchMs
  const withinMs = Math.max(readyWithinMs, heldMs)
  const logs = new Logs()
  const owned = new Map<string, readonly number[]>()
  const paused = new Set<string>()
  const atWork = new Table(() => new Set<string>())
  const moved = new Table(() => ({ at: 0 }))
  /** A handler that has failed is ready for its next call. */
  const retries = new Retries()
  return {
    id: 'T1',
    see(sighting, at) {
      logs.see(sighting)
      retries.see(sighting, at)
      if (sighting.type === 'paused') paused.add(`${sighting.life} ${sighting.partition}`)
      if (sighting.type === 'resumed' && paused.delete(`${sighting.life} ${sighting.partition}`))
        moved.of(sighting.life, sighting.partition).at = at
      if (sighting.type === 'join-sent') owned.delete(sighting.life)
      if (sighting.type === 'assigned') {
        owned.set(sighting.life, sighting.partitions)
        for (const partition of sighting.partitions) moved.of(sighting.life, partition).at = at
      }
      if (sighting.type === 'started' || sighting.type === 'handled' || sighting.type === 'threw') {
        const { life, partition } = sighting
        moved.of(life, partition).at = at
        if (sighting.type === 'started') atWork.of(life).add(`message ${partition}`)
        else atWork.of(life).delete(`message ${partition}`)
      }
      if (sighting.type === 'called') atWork.of(sighting.life).add(`batch ${sighting.partition}`)
      if (sighting.type === 'returned') atWork.of(sighting.life).delete(`batch ${sighting.partition}`)
      if (sighting.type !== 'ready') return undefined
      const { life, isReady } = sighting
      for (const partition of owned.get(life) ?? []) {
        const mark = moved.of(life, partition)
        // A handler at work may hold its places for as long as it likes.
        const hasNothing = logs.of(partition).firstUnhandled === undefined
        if (!isReady || hasNothing || paused.has(`${life} ${partition}`) || atWork.of(life).size > 0) mark.at = at
        if (at < retries.at(life, partition)) mark.at = at
        if (at - mark.at <= withinMs) continue
        mark.at = at
        return `${life} says it is ready, and nothing of partition ${partition} was handed out for ${withinMs} ms`
      }
      return undefined
    },
  }
}

/** T2: what the log lost is told exactly: each message that went before it was handled, and none that is or was not there. */
export function lossIsTold(): Oracle {
  const logs = new Logs()
  const cuts = new Cuts()
  const committed = new Map<number, number>()
  /** Messages that went unread, of partitions in which the group had a place at or below them. */
  const missing = new Table(() => new Set<number>())
  const gone = new Table(() => new Set<number>())
  const wanted = new Table(() => ({ isWatched: true }))
  return {
    id: 'T2',
    see(sighting, at) {
      cuts.see(sighting, at)
      // One that was sent in ignorance of the topic as it is now is no place in it.
      if (sighting.type === 'committed' && cuts.isKnown(sighting.life, sighting.partition, sighting.sentAt))
        committed.set(sighting.partition, sighting.offset)
      if (sighting.type === 'sought') wanted.of(sighting.partition).isWatched = false
      if (sighting.type === 'removed') {
        const { partition, from, to, how } = sighting
        const first = committed.get(partition)
        for (let offset = from; offset < to; offset++) gone.of(partition).add(offset)
        if (how === 'trimmed' && first !== undefined) {
          for (const offset of logs.of(partition).lacking) {
            if (offset >= first && offset < to) missing.of(partition).add(offset)
          }
        }
        if (how !== 'trimmed') {
          missing.of(partition).clear()
          committed.delete(partition)
        }
      }
      // It had been fetched before it went.
      if (sighting.type === 'handled') missing.of(sighting.partition).delete(sighting.offset)
      logs.see(sighting)
      if (sighting.type === 'fact' && sighting.fact === 'offsets.lost') {
        const { partition = -1, from, to } = told(sighting)
        const [least, most] = [Math.min(from, to), Math.max(from, to)]
        for (let offset = least; offset < most; offset++) {
          missing.of(partition).delete(offset)
          if (gone.of(partition).has(offset) || logs.of(partition).next(offset) !== offset) continue
          return `${sighting.life} told ${partition}/${least} to ${most} as lost, but ${offset} is in the log`
        }
      }
      if (sighting.type !== 'over') return undefined
      for (const [partition, offsets] of missing) {
        if (offsets.size === 0 || !wanted.of(partition).isWatched) continue
        return `${offsets.size} messages of partition ${partition} were gone before they were read, and nobody was told: ${[...offsets].slice(0, 5).join(', ')}`
      }
      return undefined
    },
  }
}

const told = ({ partition, data }: SightingOf<'fact'>) => {
  const { from, to } = data as { from: string; to: string }
  return { partition, from: Number(from), to: Number(to) }
}

type Counts = Table<{ count: number }>

/** Facts of one kind that a life may tell at once beside one for each partition, and how many come to it with each second and each fault. */
const burst = 60
const perSecond = 2
const perFault = 8

/** Told for each handler that is past its deadline, which may be every one. */
const ofDeadlines: ReadonlySet<string> = new Set(['handler.timed-out', 'partition.stalled', 'partition.resumed'])

/**
 * T3: no storm of facts: each kind stays below what time and faults explain. A message that is handed out explains one deadline that passed,
 * and that one a partition that stalls and resumes; a handler that throws explains one failure, and a policy that can't decide another.
 */
export function noStorm(): Oracle {
  let faults = 0
  let partitions = 0
  let removed = 0
  const counts = new Table(() => ({ count: 0, since: undefined as number | undefined }))
  const [calls, failures, undecided] = [0, 1, 2].map(() => new Table(() => ({ count: 0 }))) as [Counts, Counts, Counts]
  const explained = (life: string, fact: string): number => {
    if (fact === 'handler.timed-out') return calls.of(life).count
    if (fact === 'handler.failed') return failures.of(life).count
    if (fact === 'policy.failed') return undecided.of(life).count
    return ofDeadlines.has(fact) ? counts.of(life, 'handler.timed-out').count : 0
  }
  return {
    id: 'T3',
    see(sighting, at) {
      if (sighting.type === 'fault') faults++
      // A partition that is made again is told of again.
      if (sighting.type === 'removed') removed++
      if (sighting.type === 'assigned') partitions = Math.max(partitions, sighting.partitions.length)
      if (sighting.type === 'started') calls.of(sighting.life).count++
      if (sighting.type === 'threw') failures.of(sighting.life).count++
      if (sighting.type === 'undecided') undecided.of(sighting.life).count++
      if (sighting.type !== 'fact') return undefined
      const { life, fact } = sighting
      const seen = counts.of(life, fact)
      seen.since ??= at
      seen.count++
      const allowed =
        burst +
        partitions +
        removed +
        (perSecond * (at - seen.since)) / 1000 +
        perFault * faults +
        explained(life, fact)
      return seen.count > allowed
        ? `${life} has told ${fact} ${seen.count} times in ${Math.round(at - seen.since)} ms`
        : undefined
    },
  }
}
