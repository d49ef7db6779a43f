/** A cleanup: what has to be ended when a run ends, the last thing first. One that fails keeps no other from being ended. */

export interface Cleanup extends AsyncDisposable {
  defer(end: () => unknown): void
}

export function createCleanup(): Cleanup {
  const ends: (() => unknown)[] = []
  return {
    defer: (end) => void ends.push(end),
    async [Symbol.asyncDispose]() {
      for (const end of ends.toReversed()) {
        try {
          await end()
        } catch {
          // The figures are known by now, and the watchdog ends what is left.
        }
      }
    },
  }
}
