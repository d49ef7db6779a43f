// A handler of single messages, which works, throws or hangs as the world says.

import type { Clock } from './clock.ts'
import type { Life } from './life.ts'
import type { SimulatedOptions } from './options.ts'
import type { Sighting } from './sighting.ts'

/** What it needs of the world around it. */
interface Around {
  readonly clock: Clock
  readonly options: SimulatedOptions
  /** A message of this partition comes to a handler. */
  touched(partition: number): void
  /** Whether a partition holds this at an offset, or once did. */
  holds(partition: number, offset: number, content: string): 'current' | 'former' | undefined
  see(sighting: Sighting): void
  reached(kind: string): void
}

/** How a handler behaves when it is given a message. */
export type Handling =
  | { readonly kind: 'works'; readonly ms: number }
  | { readonly kind: 'throws'; readonly isLate: boolean; readonly what?: () => unknown }
  /** Until the signal fires, or for ever so long. */
  | { readonly kind: 'hangs'; readonly heeds: boolean; readonly ms: number }

/** A message as it was handed out; `from` is where the call began that brought it. */
export interface HandedOut {
  readonly partition: number
  readonly offset: number
  readonly content: string
  readonly from: number
}

export function handle(
  world: Around,
  life: Life,
  handling: Handling,
  { partition, offset, content, from }: HandedOut,
  signal: AbortSignal,
): Promise<void> {
  if (!life.survives('handler start')) return new Promise(() => {})
  world.touched(partition)
  if (world.options.maxWaitTimeInMs >= 3000) world.reached('long waits')
  const about = { life: life.name, partition, offset }
  const held = () => world.holds(partition, offset, content)
  world.see({ type: 'started', ...about, from, isGenuine: held() !== undefined, isCurrent: held() === 'current' })
  const end = (): boolean => {
    if (!life.survives('handler end')) return false
    world.see({ type: 'handled', ...about, isCurrent: held() === 'current' })
    return true
  }
  if (handling.kind === 'throws') {
    const { what: make, isLate } = handling
    world.reached(make ? 'handlers throw anything' : isLate ? 'handler rejects' : 'handler throws')
    world.see({ type: 'threw', ...about, from })
    const what = make ? make() : new Error('the handler does not like this one')
    if (!isLate) throw what
    return Promise.reject(what)
  }
  if (handling.kind === 'works' && handling.ms === 0) return end() ? Promise.resolve() : new Promise(() => {})
  return new Promise((resolve) => {
    let isOver = false
    const done = () => {
      if (isOver) return
      isOver = true
      world.clock.current = life
      if (end()) resolve()
    }
    const signalled = () => {
      if (!life.alive || isOver) return
      world.see({ type: 'signalled', ...about })
      if (handling.kind === 'hangs' && handling.heeds) world.clock.plan(5, done)
    }
    // A batch handler that went on after it is at work with its signal from the beginning.
    if (signal.aborted) signalled()
    else signal.addEventListener('abort', signalled)
    if (handling.kind === 'hangs') world.reached(handling.heeds ? 'handler hangs until its signal' : 'handler hangs')
    else world.reached('handler is slow')
    world.clock.plan(handling.ms, done)
  })
}
