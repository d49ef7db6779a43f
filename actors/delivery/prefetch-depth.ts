/** The prefetch depth: how many batches of one partition wait for its handler. A fetch that brings one more waits, or its partition is paused. */

/** Batches that may wait in a queue beside the one at work. */
export const prefetchDepth = 2
/** How long a fetch waits for room before its partition is paused instead, in milliseconds. */
export const roomWithinMs = 200
