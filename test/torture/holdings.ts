/** Holdings: the sockets, timers, listeners and heap of this process. */
import { setTimeout as pause } from 'node:timers/promises'

/** Fewest alive at any moment of a second: a timer that fires just now, or a socket that is being replaced, is no leak. */
export interface Holdings {
  readonly sockets: number
  readonly timers: number
  /** Listeners on sockets and on the process. */
  readonly listeners: number
  /** Heap in use after a collection, in bytes. */
  readonly heapBytes: number
}

const SAMPLES = 20

/** Needs `--expose-gc` for the heap to be comparable. */
export async function holdings(): Promise<Holdings> {
  const sockets: number[] = []
  const timers: number[] = []
  const listeners: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    await pause(50)
    const active = process.getActiveResourcesInfo()
    sockets.push(active.filter((kind) => kind === 'TCPSocketWrap').length)
    timers.push(active.filter((kind) => kind === 'Timeout').length)
    listeners.push(countListeners())
  }
  globalThis.gc?.()
  await pause(50)
  globalThis.gc?.()
  return {
    sockets: Math.min(...sockets),
    timers: Math.min(...timers),
    listeners: Math.min(...listeners),
    heapBytes: process.memoryUsage().heapUsed,
  }
}

function countListeners(): number {
  // undocumented, but the only way to the sockets of others
  const handles = (process as unknown as { _getActiveHandles(): NodeJS.EventEmitter[] })._getActiveHandles()
  const emitters = [process, ...handles].filter((one) => typeof one.eventNames === 'function')
  return emitters.reduce(
    (sum, emitter) => sum + emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0),
    0,
  )
}
