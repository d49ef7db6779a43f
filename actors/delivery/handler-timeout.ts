/** The time-out of a handler: past `handlerTimeoutMs` it gets its signal, others may have its slot, and the partition is told as stalled until it ends. */

import type { Fact } from '../../machines/fact.ts'
import { byTopic } from '../../machines/topic-partition.ts'
import { onSilence } from '../connection/silence.ts'
import type { PartitionQueue, QueuedBatch } from './partition-queue.ts'

export interface HandlerTimeoutOptions {
  readonly handlerTimeoutMs: number | undefined
  readonly emit: (fact: Fact) => void
  /** What it waits for may take long: others may have its slot. */
  readonly releaseSlot: (queue: PartitionQueue) => void
}

/** Runs the user's function; never rejects for the time-out, as nobody can end the function from outside. */
export async function timed(
  { handlerTimeoutMs, emit, releaseSlot }: HandlerTimeoutOptions,
  queue: PartitionQueue,
  { assignment: { signal } }: QueuedBatch,
  offset: string,
  work: (signal: AbortSignal) => void | Promise<void>,
): Promise<void> {
  queue.noteHandOut()
  if (handlerTimeoutMs === undefined) return work(signal)
  // Not AbortSignal.any: on Node 20 the assignment's signal would remember each of these for as long as it lives.
  const either = new AbortController()
  const follow = () => either.abort(signal.reason)
  signal.addEventListener('abort', follow)
  let isLate = false
  const { topic, partition } = queue
  const overdue = () => {
    isLate = true
    emit({ type: 'handler.timed-out', topic, partition, offset, afterMs: handlerTimeoutMs })
    emit({
      type: 'partition.stalled',
      partitions: byTopic([queue]),
      reason: `its handler has been at work for ${handlerTimeoutMs} ms`,
    })
    either.abort(new Error(`the handler is past its handlerTimeoutMs of ${handlerTimeoutMs} ms`))
    releaseSlot(queue)
  }
  // Where another handler held up the loop, what this one waits for may have come already, and is read first.
  const cancel = onSilence({ forMs: handlerTimeoutMs }, overdue)
  try {
    await work(either.signal)
  } finally {
    cancel()
    signal.removeEventListener('abort', follow)
    if (isLate) emit({ type: 'partition.resumed', partitions: byTopic([queue]) })
  }
}
