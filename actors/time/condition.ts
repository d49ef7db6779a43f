/** A condition variable: many wait for a change, and whoever makes the change wakes them up. */

export class Condition {
  private readonly waiting = new Set<() => void>()

  /** Whether anybody waits now. */
  get isAwaited(): boolean {
    return this.waiting.size > 0
  }

  /** Resolves with true when woken up, with false after `ms` milliseconds or as soon as the signal aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve(false)
      const end = (isWoken: boolean) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', cut)
        this.waiting.delete(wake)
        resolve(isWoken)
      }
      const cut = () => end(false)
      const wake = () => end(true)
      const timer = setTimeout(end, ms, false)
      signal?.addEventListener('abort', cut)
      this.waiting.add(wake)
    })
  }

  /** Wakes up everybody who waits now. */
  wakeup(): void {
    for (const wake of this.waiting) wake()
  }
}
