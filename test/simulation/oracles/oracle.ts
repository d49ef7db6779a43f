// An oracle: one invariant, judged by what is sighted. It knows nothing of how the library works.

import type { Sighting } from '../sighting.ts'

export interface Oracle {
  /** The invariant, as SPEC.md and the notes number it. */
  readonly id: string
  /** Says what is wrong; undefined when nothing is. `at` is the time in milliseconds. */
  see(sighting: Sighting, at: number): string | undefined
}

/** A value per key, made when it is first asked for. */
export class Table<Value> {
  private readonly values = new Map<string, Value>()
  private readonly make: () => Value

  constructor(make: () => Value) {
    this.make = make
  }

  of(...key: (string | number)[]): Value {
    const name = key.join(' ')
    const known = this.values.get(name)
    if (known !== undefined) return known
    const value = this.make()
    this.values.set(name, value)
    return value
  }

  set(value: Value, ...key: (string | number)[]): void {
    this.values.set(key.join(' '), value)
  }

  [Symbol.iterator](): IterableIterator<[string, Value]> {
    return this.values.entries()
  }
}

/** A log that was cut, or a topic made anew, is known to a consumer this long after it has read of it: until then it commits what it knew. */
const cutKnownWithinMs = 5000

/** Which logs were cut, or made anew, and who can know it: nobody who has not read of them since, and a leader may be out of reach for as long as it likes. */
export class Cuts {
  private readonly cutAt = new Map<number, number>()
  private readonly readAt = new Map<string, number>()

  see(sighting: Sighting, at: number): void {
    if (sighting.type === 'removed' && sighting.how !== 'trimmed') {
      this.cutAt.set(sighting.partition, at)
      for (const key of this.readAt.keys()) if (key.endsWith(` ${sighting.partition}`)) this.readAt.delete(key)
    }
    if (sighting.type === 'read') {
      const key = `${sighting.life} ${sighting.partition}`
      this.readAt.set(key, this.readAt.get(key) ?? at)
    }
  }

  /** Whether this life knows of all that was cut off this log. */
  isKnown(life: string, partition: number, at: number): boolean {
    if (!this.cutAt.has(partition)) return true
    return at > (this.readAt.get(`${life} ${partition}`) ?? Number.POSITIVE_INFINITY) + cutKnownWithinMs
  }

  /** Whether it was so long ago that everybody who is in reach of the leader knows of it. */
  isOld(partition: number, at: number): boolean {
    return at > (this.cutAt.get(partition) ?? Number.NEGATIVE_INFINITY) + cutKnownWithinMs
  }
}

/**
 * A partition's messages as they were written, taken away and handled by the whole group.
 *
 * A user who seeks names a number. Ahead of all that the group was handed nobody can tell which log it is a number of: where that log is cut
 * below it, what is written below it anew was sought past, as what was there before. A process that has read from there on can tell, and whoever
 * follows it once a place behind the sought one is committed: from then on the cut shows.
 */
export class Messages {
  /** The end of the log. */
  end = 0
  /** Behind all that was handed out: no leader epoch is known from here on. */
  private unknownFrom = 0
  /** What was sought there, while nothing behind it is committed. */
  private sought = 0
  /** Below this, what comes after a cut was sought past. */
  private soughtPast = 0
  private readonly there = new Set<number>()
  private readonly unhandled = new Set<number>()
  private low = 0

  note(sighting: Sighting): void {
    if (sighting.type === 'appended') {
      this.end = Math.max(this.end, sighting.offset + 1)
      if (!sighting.isMessage) return
      this.there.add(sighting.offset)
      if (sighting.offset >= this.soughtPast) this.lack(sighting.offset)
    }
    if (sighting.type === 'sought') this.sought = sighting.offset > this.unknownFrom ? sighting.offset : 0
    if (sighting.type === 'started' && sighting.isCurrent)
      this.unknownFrom = Math.max(this.unknownFrom, sighting.offset + 1)
    if (sighting.type === 'committed' && sighting.offset > this.sought) this.sought = this.soughtPast = 0
    if (sighting.type === 'handled' && sighting.isCurrent) this.unhandled.delete(sighting.offset)
    if (sighting.type === 'excused') {
      for (let offset = sighting.from; offset < sighting.to; offset++) this.unhandled.delete(offset)
    }
    if (sighting.type === 'removed') {
      for (let offset = sighting.from; offset < sighting.to; offset++) {
        this.there.delete(offset)
        this.unhandled.delete(offset)
      }
      if (sighting.how === 'trimmed') return
      this.end = sighting.from
      this.unknownFrom = Math.min(this.unknownFrom, sighting.from)
      if (sighting.how === 'deleted') this.sought = this.soughtPast = 0
      else if (this.sought > sighting.from) this.soughtPast = this.sought
    }
  }

  /** This one has to be handled, also if it was before. */
  lack(offset: number): void {
    this.unhandled.add(offset)
    this.low = Math.min(this.low, offset)
  }

  /** The first message that was not handled; undefined when all were. */
  get firstUnhandled(): number | undefined {
    if (this.unhandled.size === 0) return undefined
    while (!this.unhandled.has(this.low)) this.low++
    return this.low
  }

  get lacking(): readonly number[] {
    return [...this.unhandled].sort((one, other) => one - other)
  }

  /** The first message at or behind an offset; undefined when none is there. */
  next(offset: number): number | undefined {
    for (let at = offset; at < this.end; at++) if (this.there.has(at)) return at
    return undefined
  }
}

/** The messages of each partition. */
export class Logs {
  private readonly partitions = new Table(() => new Messages())

  see(sighting: Sighting): void {
    if (concerning.has(sighting.type)) this.of((sighting as { partition: number }).partition).note(sighting)
  }

  of(partition: number): Messages {
    return this.partitions.of(partition)
  }

  [Symbol.iterator](): IterableIterator<[string, Messages]> {
    return this.partitions[Symbol.iterator]()
  }
}

const concerning: ReadonlySet<string> = new Set([
  ...['appended', 'removed', 'excused', 'started', 'handled', 'sought', 'committed'],
])
