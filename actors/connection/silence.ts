/**
 * A silence: the time since the last byte. It is judged by a timer, and a process that stood still finds its timers due before it
 * has read what waits in the kernel; so each judgement comes one turn of the event loop after its timer, when that has been read.
 */

export interface SilenceOptions {
  /** So long nothing may be heard, in milliseconds. */
  readonly forMs: number
  /** Since when nothing was heard, on the clock of `performance.now()`. Default: since now. */
  readonly heardAt?: () => number
  /** Whatever is heard, it is over after this time, in milliseconds. Default: never. */
  readonly atMostMs?: number
}

/** Calls `judge` once, when nothing was heard for too long. Returns what ends the wait. */
export function onSilence(options: SilenceOptions, judge: () => void): () => void {
  const startedAt = performance.now()
  const { forMs, heardAt = () => startedAt, atMostMs = Number.POSITIVE_INFINITY } = options
  const dueAt = () => Math.min(heardAt() + forMs, startedAt + atMostMs)
  let timer: NodeJS.Timeout
  let turn: NodeJS.Immediate | undefined
  const arm = (due: number): void => {
    timer = setTimeout(
      () => {
        turn = setImmediate(() => {
          const newer = dueAt()
          if (newer > due) arm(newer)
          else judge()
        })
      },
      Math.ceil(due - performance.now()),
    )
  }
  arm(dueAt())
  return () => {
    clearTimeout(timer)
    clearImmediate(turn)
  }
}
