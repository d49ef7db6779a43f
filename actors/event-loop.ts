/**
 * The event loop, seen by its own lateness: a timer that comes late says for how long the loop stood still. Nobody could hear of it
 * earlier, as nothing runs in a loop that stands still. One timer per process, started with the first watcher and ended with the last.
 */

/** How long the loop may stand still before it counts as starved, in milliseconds. */
const starvedAfterMs = 1000
const beatMs = 250

const watchers = new Set<(forMs: number) => void>()
let stop: (() => void) | undefined

/** Calls `onStarved` with the time the loop stood still, after each such time. Returns what ends it. */
export function watchEventLoop(onStarved: (forMs: number) => void): () => void {
  watchers.add(onStarved)
  stop ??= start()
  return () => {
    watchers.delete(onStarved)
    if (watchers.size > 0) return
    stop?.()
    stop = undefined
  }
}

function start(): () => void {
  // Not the clock of the day: one that is set forward has starved nobody.
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const forMs = Math.round(now - last)
    last = now
    if (forMs <= starvedAfterMs) return
    for (const watcher of watchers) watcher(forMs)
  }, beatMs)
  timer.unref()
  return () => clearInterval(timer)
}
