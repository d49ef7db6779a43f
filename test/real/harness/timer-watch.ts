/** The timer watch: a 100 ms timer of this process, and by how much it was late at worst. */

export interface TimerWatch {
  /** Milliseconds by which the timer was late at worst from the start until the stop. */
  readonly worstMs: number
  stop(): void
}

export function watchTimer(intervalMs = 100): TimerWatch {
  let worstMs = 0
  let due = performance.now() + intervalMs
  const look = () => {
    const now = performance.now()
    worstMs = Math.max(worstMs, now - due)
    due = now + intervalMs
  }
  let timer: NodeJS.Timeout | undefined = setInterval(look, intervalMs)
  return {
    get worstMs() {
      return Math.round(worstMs)
    },
    stop() {
      // the timer that is late just now counts as well
      if (timer !== undefined) look()
      clearInterval(timer)
      timer = undefined
    },
  }
}
