import { sleep } from './sleep.ts'

/** Runs `call` one at a time: all who call while it runs share the next run, at its end, at least `apartMs` (default 0) after its begin. */
export function coalesced(call: () => Promise<void>, apartMs = 0): () => Promise<void> {
  let running: Promise<void> | undefined
  let queued: Promise<void> | undefined
  let beganAt = Number.NEGATIVE_INFINITY
  const tooSoonMs = () => beganAt + apartMs - performance.now()
  const begin = (): Promise<void> => {
    queued = undefined
    beganAt = performance.now()
    const mine = call().finally(() => {
      if (running === mine) running = undefined
    })
    running = mine
    return mine
  }
  const beginInTime = async (): Promise<void> => {
    if (tooSoonMs() > 0) await sleep(tooSoonMs())
    return begin()
  }
  return () => {
    if (!running && !queued && tooSoonMs() <= 0) return begin()
    queued ??= running ? running.then(beginInTime, beginInTime) : beginInTime()
    return queued
  }
}
