// Histories that oracles judge: sightings in the words of a test.

import { allOracles } from './oracles/all.ts'
import type { Sighting } from './sighting.ts'

export const life = 'a1'
export const handedOut = (offset: number, by = life, partition = 0, isGenuine = true, from = offset): Sighting => ({
  ...{ type: 'started', life: by, partition, offset, from, isGenuine, isCurrent: isGenuine },
})
export const handled = (offset: number, by = life): Sighting => ({
  ...{ type: 'handled', life: by, partition: 0, offset, isCurrent: true },
})
/** So many messages are in the log. */
export const written = (count: number, from = 0): Sighting[] =>
  Array.from({ length: count }, (_, index) => ({
    ...{ type: 'appended', partition: 0, offset: from + index, isMessage: true },
  }))
export const removed = (from: number, to: number, how: 'trimmed' | 'cut' | 'deleted'): Sighting => ({
  ...{ type: 'removed', partition: 0, from, to, how },
})
export const assigned = (...partitions: number[]): Sighting => ({ type: 'assigned', life, partitions })
export const placed = (offset: number): Sighting => ({ type: 'placed', life, partition: 0, offset })
export const sought = (offset: number): Sighting => ({ type: 'sought', life, partition: 0, offset })
export const excused = (from: number, to: number): Sighting => ({ type: 'excused', partition: 0, from, to })
export const committed = (offset: number, by = life, sentAt = 1_000_000): Sighting => ({
  ...{ type: 'committed', life: by, partition: 0, offset, memberId: 'one', generation: 1, sentAt },
})
export const joined = (generation: number): Sighting => ({ type: 'joined', life, memberId: 'one', generation })
export const commitSent = (offset: number, generation = 1): Sighting => ({
  ...{ type: 'commit-sent', life, memberId: 'one', generation, offsets: [{ partition: 0, offset }] },
})
export const confirmed = (offset: number): Sighting => ({
  ...{ type: 'commit-confirmed', life, offsets: [{ partition: 0, offset }] },
})
export const wrote = (what: Partial<Extract<Sighting, { type: 'wrote' }>>): Sighting => ({
  ...{ type: 'wrote', life, place: '10.0.0.1:9092', connection: 1, apiKey: 1 },
  ...{ isAllowed: true, isForeign: false, isSynced: true },
  ...what,
})
export const read = (lines: string[], isTorn = false): Sighting => ({
  ...{ type: 'journal-read', life, lines, isTorn, isSpoilt: false, isFinal: false },
})
export const told = (seq: number, to: string, actor = 'consumer'): Sighting => ({ type: 'told', life, actor, seq, to })
export const over = (end: number, reached: number): Sighting => ({
  ...{ type: 'over', partitions: [{ partition: 0, end, committed: reached }] },
})
export const tick = (isTroubled: boolean): Sighting => ({ type: 'tick', isTroubled })
export const expired: Sighting = { type: 'expired', life, memberId: 'one', silentMs: 2000 }
export const released = (timers: number): Sighting => ({
  ...{ type: 'released', life, timers, sockets: 0, descriptors: 0, listeners: 0 },
})
export const stopAsked: Sighting = { type: 'stop-asked', life, withinMs: 4000, drainWithinMs: 1000 }
export const dialled = (isAllowed: boolean): Sighting => ({ type: 'dialled', life, place: '10.0.0.1:9092', isAllowed })
export const joinSent = (memberId: string): Sighting => ({ type: 'join-sent', life, memberId })
export const refusedLogin: Sighting = { type: 'refusal-heard', life, place: '10.0.0.1:9092' }
export const dark: Sighting = { type: 'went-dark', life, connection: 1, waits: true, isHeld: false }

export const darkWhileHeld: Sighting = { ...dark, isHeld: true }

export const paused: Sighting = { type: 'paused', life, partition: 0 }
export const ready: Sighting = { type: 'ready', life, isReady: true }
export const lost = (from: number, to: number): Sighting => ({
  ...{ type: 'fact', life, fact: 'offsets.lost', partition: 0, data: { from: `${from}`, to: `${to}` } },
})
/** The machine was in this state when it was told. */
export const ended = (fact: string, from: unknown): Sighting => ({ type: 'fact', life, fact, data: {}, from })
export const sent = (isAtWork: boolean): Sighting => ({
  ...{ type: 'sent', life, fact: 'drain.completed', task: 'drain', isAtWork },
})
export const timedOut: Sighting = { type: 'fact', life, fact: 'handler.timed-out', data: {} }
export const failed: Sighting = { type: 'fact', life, fact: 'handler.failed', data: {} }
export const threw: Sighting = { type: 'threw', life, partition: 0, offset: 0, from: 0 }
export const times = (count: number, ...sightings: Sighting[]): Sighting[] =>
  Array.from({ length: count }, () => sightings).flat()
const place = '10.0.0.1:9092'
export const dialFailed: Sighting = { type: 'dial-failed', life, place }
export const loginRefused: Sighting = { type: 'login-refused', life, place }
export const lookedUp: Sighting = { type: 'looked-up', life, name: 'one.example' }
export const cut: Sighting = { type: 'cut', life, place, apiKey: 11, memberId: 'one', waitedMs: 3000 }

/** This life has read the log as it is now. */
export const readAnew = (by = life): Sighting => ({ type: 'read', life: by, partition: 0 })
/** Its batch handler goes on by itself, in a call that began at `from`. */
export const goesOn = (offset: number, from: number): Sighting => handedOut(offset, life, 0, true, from)

/** A sighting, or the time in milliseconds of those that follow. */
export type Moment = Sighting | number

/** Which oracles speak, in the order in which they do. */
export function judged(history: readonly Moment[], options?: Parameters<typeof allOracles>[1]): string[] {
  const oracles = allOracles(['secret-word'], options)
  const found = new Set<string>()
  let at = 0
  for (const moment of history) {
    if (typeof moment === 'number') at = moment
    else for (const oracle of oracles) if (oracle.see(moment, at) !== undefined) found.add(oracle.id)
  }
  return [...found]
}

export const record = (seq: number, previous: string, checksum: string): string =>
  JSON.stringify({ seq, type: 'test', previous, checksum })
export const first = record(1, '', '6184ad624d4335e8')
