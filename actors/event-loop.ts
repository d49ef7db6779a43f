/**
 * The event loop as seen from outside: a worker thread notices when this thread's loop stands still, which no timer in
 * it can. One worker per process, started with the first watcher and ended with the last.
 */

import { Worker } from 'node:worker_threads'

/** How long the loop may stand still before it counts as starved, in milliseconds. */
const starvedAfterMs = 1000
const beatMs = 100

// The worker waits for beats with a timeout. It reports once the loop moves again: only then can anybody hear it.
const source = `
const { workerData, parentPort } = require('node:worker_threads')
const cell = new Int32Array(workerData.memory)
let last = Date.now()
let seen = Atomics.load(cell, 0)
for (;;) {
  Atomics.wait(cell, 0, seen, ${beatMs * 5})
  const now = Date.now()
  const beat = Atomics.load(cell, 0)
  if (beat < 0) break
  if (beat !== seen) {
    if (now - last > ${starvedAfterMs}) parentPort.postMessage(now - last)
    last = now
    seen = beat
  }
}
`

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
  const memory = new SharedArrayBuffer(4)
  const cell = new Int32Array(memory)
  const worker = new Worker(source, {
    eval: true,
    workerData: { memory },
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 },
    execArgv: [],
  })
  worker.unref()
  worker.on('message', (forMs: number) => {
    for (const watcher of watchers) watcher(forMs)
  })
  worker.on('error', () => {}) // without the worker nothing is reported; consuming does not depend on it
  let beat = 0
  const timer = setInterval(() => {
    beat = (beat + 1) & 0x3fffffff
    Atomics.store(cell, 0, beat)
    Atomics.notify(cell, 0)
  }, beatMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    Atomics.store(cell, 0, -1)
    Atomics.notify(cell, 0)
  }
}
