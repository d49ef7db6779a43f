/** Holdings: the resources, listeners and heap of this process. */
import { setTimeout as pause } from 'node:timers/promises'

/** Fewest alive at any moment of two seconds: a timer that fires just now, or a socket that is being replaced, is no leak. */
export interface Holdings {
  /** By kind, such as `TCPSocketWrap` and `Timeout`. */
  readonly active: Readonly<Record<string, number>>
  /** Listeners on sockets and on the process itself. */
  readonly listeners: number
  /** Heap in use after a collection, in bytes. */
  readonly heapBytes: number
}

const samples = 40
const sampleMs = 50

/** Needs `--expose-gc` for the heap to be comparable. */
export async function holdings(): Promise<Holdings> {
  const active = new Map<string, number[]>()
  const listeners: number[] = []
  for (let sample = 0; sample < samples; sample += 1) {
    await pause(sampleMs)
    for (const kind of process.getActiveResourcesInfo()) {
      const counts = active.get(kind) ?? Array.from<number>({ length: samples }).fill(0)
      counts[sample] = (counts[sample] ?? 0) + 1
      active.set(kind, counts)
    }
    listeners.push(countListeners())
  }
  globalThis.gc?.()
  await pause(sampleMs)
  globalThis.gc?.()
  const always = [...active].map(([kind, counts]) => [kind, Math.min(...counts)] as const)
  return {
    active: Object.fromEntries(always.filter(([, fewest]) => fewest > 0)),
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
