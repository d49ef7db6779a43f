/**
 * Watches the event loop by the lateness of a timer: one that comes late tells how long the loop stood still. That can't be known earlier, as
 * nothing runs meanwhile. One timer per process, started with the first watcher and ended with the last.
 */

/** A loop that stands still for longer counts as starved, in milliseconds. */
const starvedAfterMs = 1000
const beatMs = 250
/** A beat that comes later than this is a standstill to whoever judges a silence, in milliseconds. */
const lateAfterMs = 100
/** Standstills that are remembered: those of the last ten seconds at least. */
const standstillsKept = 100

const watchers = new Set<(forMs: number) => void>()
let stop: (() => void) | undefined
let lastBeat: number | undefined
const standstills: { readonly endedAt: number; readonly forMs: number }[] = []

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

/**
 * For how long the loop stood still since `instant` on the clock of `performance.now()`, in milliseconds; 0 while nobody watches it.
 * Whoever measures a silence takes this off: in that time nothing was read. It counts a standstill as up to 250 ms shorter than it was,
 * so a silence still grows in a loop that is always late. When a standstill ends, timers run before what waits in the kernel is
 * read; a judge that runs in a timer looks once more in `setImmediate`, which comes after the reading.
 */
export function standstillSince(instant: number): number {
  const now = performance.now()
  let ms = overlap(instant, now, lateness(now))
  for (let index = standstills.length - 1; index >= 0; index--) {
    const standstill = standstills[index]
    if (!standstill || standstill.endedAt <= instant) break
    ms += overlap(instant, standstill.endedAt, standstill.forMs)
  }
  return ms
}

const overlap = (instant: number, endedAt: number, forMs: number): number =>
  Math.max(0, Math.min(forMs, endedAt - instant))

/** By how much the next beat is late at `now`. */
function lateness(now: number): number {
  const lateMs = lastBeat === undefined ? 0 : now - lastBeat - beatMs
  return lateMs > lateAfterMs ? lateMs : 0
}

function start(): () => void {
  const timer = setInterval(() => {
    // Not the clock of the day: one that is set forward has starved nobody.
    const now = performance.now()
    const forMs = lastBeat === undefined ? 0 : Math.round(now - lastBeat)
    const lateMs = lateness(now)
    lastBeat = now
    if (lateMs > 0) standstills.push({ endedAt: now, forMs: lateMs })
    if (standstills.length > standstillsKept) standstills.shift()
    if (forMs <= starvedAfterMs) return
    for (const watcher of watchers) watcher(forMs)
  }, beatMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    lastBeat = undefined
    standstills.length = 0
  }
}
