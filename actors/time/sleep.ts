/** A sleep that a signal ends. */

/** Resolves with true after `ms` milliseconds, with false as soon as the signal aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(false)
    const end = (isOver: boolean) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cut)
      resolve(isOver)
    }
    const cut = () => end(false)
    const timer = setTimeout(end, ms, true)
    signal?.addEventListener('abort', cut)
  })
}
