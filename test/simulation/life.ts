// A life: one run of the simulated service, from its start to its stop or its crash. All it does to the world goes through ports, and a
// crash may strike before or after any use of one. What a dead life still computes reaches nothing.

import type { Owner } from './clock.ts'

/** What a port throws into code of a life that has just ended; nobody is left to see it. */
export class Dead extends Error {
  override readonly name = 'Dead'
}

export class Life implements Owner {
  readonly name: string
  alive = true
  pending = 0
  /** Uses of ports so far. */
  steps = 0
  /** Its event loop stands still until then: no timer fires and nothing is read. */
  blockedUntil = 0
  /** The crash comes with the step of this number; undefined: none is planned. */
  crashAt: number | undefined
  private readonly farewells = new Set<() => void>()
  private readonly onCrash: (life: Life, port: string) => void

  constructor(name: string, onCrash: (life: Life, port: string) => void) {
    this.name = name
    this.onCrash = onCrash
  }

  /** A port is about to be used, or has just been: the places where a crash strikes. */
  step(port: string): void {
    if (!this.alive) throw new Dead(port)
    this.steps++
    if (this.crashAt === undefined || this.steps < this.crashAt) return
    this.onCrash(this, port)
    throw new Dead(port)
  }

  /** Like `step`, where nothing may be thrown. */
  survives(port: string): boolean {
    if (!this.alive) return false
    try {
      this.step(port)
      return true
    } catch (error) {
      if (error instanceof Dead) return false
      throw error
    }
  }

  /** Calls `farewell` when it ends. Returns what takes it away again. */
  onEnd(farewell: () => void): () => void {
    this.farewells.add(farewell)
    return () => this.farewells.delete(farewell)
  }

  end(): void {
    if (!this.alive) return
    this.alive = false
    for (const farewell of this.farewells) farewell()
    this.farewells.clear()
  }
}
