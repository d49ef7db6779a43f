/**
 * A silence: the time since the last byte. After a process stood still, its timers are due before it has read the bytes that wait
 * in the kernel. So a silence is judged one turn of the event loop after its timer, when they have been read.
 */

export interface SilenceOptions {
  /** How long nothing may be heard, in milliseconds. */
  readonly forMs: number
  /** When something was last heard, on the clock of `performance.now()`. Default: now. */
  readonly heardAt?: () => number
  /** It is over after this time, in milliseconds, whatever is heard. Default: never. */
  readonly atMostMs?: number
}

/** Calls `judge` once, when nothing was heard for too long. Returns a function that cancels it. */
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
