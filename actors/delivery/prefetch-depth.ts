/**
 * The prefetch depth: how many batches of one partition wait for its handler. KafkaJS fetches on while there is room; a fetch that brings one
 * batch more waits for room, and when none comes in time its partition is paused.
 */

/** Batches that may wait in a queue beside the one at work. */
export const prefetchDepth = 2
/** How long a fetch waits for room before its partition is paused instead, in milliseconds. */
const roomWithinMs = 200

/** The fetch that waits for room in one queue. */
export class WaitingFetch {
  private end: ((hasRoom: boolean) => void) | undefined

  /** Resolves with true when the fetch may go on, with false when there is no room in time. */
  wait(): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (hasRoom: boolean) => {
        clearTimeout(timer)
        this.end = undefined
        resolve(hasRoom)
      }
      const timer = setTimeout(() => end(false), roomWithinMs)
      this.end = end
    })
  }

  /** There is room, or the queue is not filled any more. */
  goOn(): void {
    this.end?.(true)
  }
}
