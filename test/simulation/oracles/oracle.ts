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

/** What the whole group has handled of one partition. */
export class Handled {
  /** Every offset below it was handled. */
  prefix = 0
  private readonly beyond = new Set<number>()

  add(offset: number): void {
    if (offset >= this.prefix) this.beyond.add(offset)
    while (this.beyond.delete(this.prefix)) this.prefix++
  }

  has(offset: number): boolean {
    return offset < this.prefix || this.beyond.has(offset)
  }
}
