// What a simulation puts in the place of Node's own: timers, time, random numbers, dials, the file system below one folder, and worker threads.
// KafkaJS and the library are loaded as they are, and find these where they look for Node's.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net, { type LookupFunction } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import { watchEventLoop } from '../../actors/time/event-loop.ts'
import type { Clock } from './clock.ts'
import { Timer } from './clock.ts'
import type { Disk } from './disk.ts'
import type { Life } from './life.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'

export interface Replacements {
  readonly clock: Clock
  readonly network: Network
  /** For `Math.random`. */
  readonly random: Random
  /** The disk of a life. */
  readonly diskOf: (life: Life) => Disk
  /** Milliseconds since the epoch at the beginning. */
  readonly epochMs: number
  /**
   * What a timer with a delay below zero takes, in milliseconds: KafkaJS looks so at each queue of requests, in which nothing waits, once a
   * millisecond, and that would be nearly all that happens. Left out: 1, as Node has it.
   */
  readonly overdueTimerMs?: number
}

// All services of a simulation live in one process, which would share one watch over its event loop: it is begun here, with a timer that
// never fires.
const withoutTimer = replaceAll(globalThis, { setInterval: () => ({ unref: () => {} }) })
watchEventLoop(() => {})
withoutTimer()

// KafkaJS unpacks in a thread of Node's, which takes as long as it takes: an answer would be read at another event each time.
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) => gzipSync(buffer),
  decompress: async (buffer: Buffer) => gunzipSync(buffer),
})

/** Paths below this belong to the disk of the life that is running: `/simulated/NAME/journal`. */
export const root = '/simulated/'

/** Replaces all of it until the function it returns is called. */
export function replaceGlobals(replacements: Replacements): () => void {
  const { clock, random, epochMs, overdueTimerMs = 1 } = replacements
  const restores = [
    replaceAll(globalThis, timersOf(clock, overdueTimerMs)),
    replaceAll(Date, { now: () => epochMs + clock.now + clockShift.ms }),
    replaceAll(performance, { now: () => clock.now }),
    replaceAll(Math, { random: () => random.next() }),
    replaceAll(net, { connect: dialOf(replacements) }),
    replaceAll(fs, filesOf(replacements)),
  ]
  syncBuiltinESMExports()
  return () => {
    for (const restore of restores) restore()
    syncBuiltinESMExports()
  }
}

/** How far the wall clock is off; `performance.now()` never is. */
export const clockShift = { ms: 0 }

function replaceAll(holder: object, replacements: object): () => void {
  const target = holder as Record<string, unknown>
  const before = Object.keys(replacements).map((name) => [name, target[name]] as const)
  for (const [name, value] of Object.entries(replacements)) target[name] = value
  return () => {
    for (const [name, value] of before) target[name] = value
  }
}

function timersOf(clock: Clock, overdueTimerMs: number): object {
  const plan =
    (every: boolean) =>
    (work: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) => {
      const life = clock.current as Life | undefined
      const fire = () => {
        if (!life || life.survives('timer')) work(...args)
      }
      // Node has no timer below a millisecond.
      const delay = Number(delayMs) < 0 ? overdueTimerMs : Math.max(1, Math.trunc(Number(delayMs)) || 1)
      return clock.plan(delay, fire, life, every)
    }
  const clear = (timer: unknown) => {
    if (timer instanceof Timer) clock.cancel(timer)
  }
  return {
    setTimeout: plan(false),
    setInterval: plan(true),
    setImmediate: (work: (...args: unknown[]) => void, ...args: unknown[]) =>
      clock.plan(0, () => work(...args), clock.current),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  }
}

function dialOf({ clock, network }: Replacements): object {
  return ({ host, port, lookup }: { host: string; port: number; lookup?: LookupFunction }) => {
    const life = clock.current as Life | undefined
    if (!life) throw new Error('Only a life dials')
    return network.connect(host, port, life, lookup)
  }
}

function filesOf({ clock, diskOf }: Replacements): object {
  const real = { ...fs }
  const life = () => clock.current as Life
  const isOurs = (path: unknown): path is string => typeof path === 'string' && path.startsWith(root.slice(0, -1))
  /** `/simulated/NAME/journal/1.jsonl` is `/journal/1.jsonl` on the disk of the life. */
  const inside = (path: string) => path.split('/').slice(3).join('/').replace(/^/, '/')
  const isDescriptor = (descriptor: unknown) => typeof descriptor === 'number' && descriptor >= 1_000_000
  const disk = () => diskOf(life())
  const byPath =
    (name: keyof typeof fs, ours: (path: string, ...rest: never[]) => unknown) =>
    (path: unknown, ...rest: never[]) =>
      isOurs(path) ? ours(inside(path), ...rest) : (real[name] as (...args: unknown[]) => unknown)(path, ...rest)
  const byDescriptor =
    (name: keyof typeof fs, ours: (descriptor: number, ...rest: never[]) => unknown) =>
    (descriptor: unknown, ...rest: never[]) =>
      isDescriptor(descriptor)
        ? ours(descriptor as number, ...rest)
        : (real[name] as (...args: unknown[]) => unknown)(descriptor, ...rest)
  return {
    existsSync: byPath('existsSync', (path) => disk().existsSync(path)),
    mkdirSync: byPath('mkdirSync', () => disk().mkdirSync()),
    statSync: byPath('statSync', (path) => disk().statSync(path)),
    readdirSync: byPath('readdirSync', () => disk().readdirSync()),
    readFileSync: (path: unknown, ...rest: never[]) => {
      // Who holds a lock is asked of the kernel.
      if (life() && typeof path === 'string' && path.startsWith('/proc/')) return path.endsWith('stat') ? '' : 'boot'
      if (isOurs(path)) return disk().readFileSync(inside(path), rest[0])
      return (real.readFileSync as (...args: unknown[]) => unknown)(path, ...rest)
    },
    writeFileSync: byPath('writeFileSync', (path, text: never, options: never) =>
      disk().writeFileSync(life(), path, text, (options as { flag?: string }).flag === 'wx'),
    ),
    renameSync: byPath('renameSync', (path, to: never) => disk().renameSync(life(), path, inside(to))),
    rmSync: byPath('rmSync', (path, options: never) =>
      disk().rmSync(life(), path, (options as { force?: boolean } | undefined)?.force === true),
    ),
    openSync: byPath('openSync', (path, flags: never) => disk().openSync(life(), path, flags)),
    fstatSync: byDescriptor('fstatSync', (descriptor) => disk().fstatSync(descriptor)),
    writeSync: byDescriptor('writeSync', (descriptor, bytes: never, from: never) =>
      disk().writeSync(descriptor, bytes, from),
    ),
    fdatasyncSync: byDescriptor('fdatasyncSync', (descriptor) => disk().syncSync(descriptor)),
    fsyncSync: byDescriptor('fsyncSync', (descriptor) => disk().syncSync(descriptor)),
    ftruncateSync: byDescriptor('ftruncateSync', (descriptor, length: never) =>
      disk().ftruncateSync(descriptor, length),
    ),
    closeSync: byDescriptor('closeSync', (descriptor) => disk().closeSync(descriptor)),
  }
}
