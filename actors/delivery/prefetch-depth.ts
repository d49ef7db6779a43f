/**
 * The prefetch depth: how many batches of one partition wait for its handler. KafkaJS fetches on while there is room; a fetch that brings one
 * batch more waits for room, and when none comes in time its partition is paused.
 */

/** Batches that may wait in a queue beside the one at work. */
export const prefetchDepth = 2
/** How long a fetch waits for room before its partition is paused instead, in milliseconds. */
export const roomWithinMs = 200
