/** Runs `call` one at a time: everybody who calls while it runs shares the next run, which begins when this one ends. */
export function coalesced(call: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  let queued: Promise<void> | undefined
  const begin = (): Promise<void> => {
    queued = undefined
    const mine = call().finally(() => {
      if (running === mine) running = undefined
    })
    running = mine
    return mine
  }
  return () => {
    if (!running) return begin()
    queued ??= running.then(begin, begin)
    return queued
  }
}
