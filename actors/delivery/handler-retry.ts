/** The retries of a handler, and the policy when it goes on failing. */

import { byTopic, type TopicPartition } from '../../machines/fact.ts'
import { messageOf } from '../../machines/failure.ts'
import type { KafkaMessage } from '../kafkajs/consumer.ts'
import { withoutSecrets } from '../security/secrets.ts'
import { sleep } from '../time/sleep.ts'
import { type HandlerTimeoutOptions, timed } from './handler-timeout.ts'
import type { PartitionQueue, QueuedBatch } from './partition-queue.ts'

/** What `onHandlerError` may decide about a message or batch that failed `handlerRetries` times more. */
export type HandlerDecision = 'pause' | 'stop' | 'skip' | 'retry'

/** What `onHandlerError` is told. For `eachBatch`, `offset` is the first one that was not resolved. */
export interface HandlerErrorContext extends TopicPartition {
  readonly offset: string
  readonly error: unknown
  readonly attempts: number
  /** The message; undefined with `eachBatch`. */
  readonly message: KafkaMessage | undefined
  readonly signal: AbortSignal
}

export interface HandlerRetryOptions extends HandlerTimeoutOptions {
  readonly handlerRetries: number
  readonly onHandlerError:
    | 'pause'
    | 'stop'
    | ((context: HandlerErrorContext) => HandlerDecision | Promise<HandlerDecision>)
}

/** The wait before the first retry; it doubles up to the longest. In milliseconds. */
const firstRetryMs = 100
const longestRetryMs = 5000

/**
 * Calls the user's function until it succeeds, the assignment ends, the partition is paused or sought elsewhere, or the policy
 * decides. `next` is the first offset that is not handled; undefined when none is left, and then an error comes too late to matter.
 * Resolves with undefined where what is left of it was neither handled nor skipped.
 */
export async function attempt(
  options: HandlerRetryOptions,
  queue: PartitionQueue,
  queued: QueuedBatch,
  message: KafkaMessage | undefined,
  next: () => string | undefined,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<'handled' | 'skipped' | undefined> {
  const { emit, handlerRetries, onHandlerError } = options
  const { topic, partition } = queue
  const { assignment } = queued
  const { seeks } = queue.progress
  const goesOn = () => assignment.open && queue.progress.seeks === seeks
  let offset = next()
  for (let attempts = 1; offset !== undefined; attempts++) {
    try {
      await timed(options, queue, queued, offset, work)
      return 'handled'
    } catch (error) {
      const left = next()
      const failure = { kind: 'handler-failed', message: withoutSecrets(messageOf(error)) } as const
      emit({ type: 'handler.failed', topic, partition, offset: left ?? offset, attempt: attempts, failure })
      if (left === undefined || !goesOn()) return undefined
      offset = left
      // A handler that pauses its partition and throws wants the message again when it is resumed, and not before.
      if (attempts > handlerRetries && !queue.held) {
        const context = { topic, partition, offset, error, attempts, message, signal: assignment.signal }
        const decision = typeof onHandlerError === 'string' ? onHandlerError : await decide(onHandlerError, context)
        if (decision !== 'retry') {
          emit({ type: 'handler.gave-up', topic, partition, offset, decision })
          if (decision === 'skip') return 'skipped'
          queue.hold('handler')
          const reason = 'its handler failed and was given up'
          emit({ type: 'partition.stalled', partitions: byTopic([queue]), reason })
          return undefined
        }
      }
      // Also when a policy says retry: without a pause, a handler that throws at once would keep the event loop for itself.
      const waitMs = Math.min(longestRetryMs, firstRetryMs * 2 ** (attempts - 1)) * (0.5 + Math.random() / 2)
      await sleep(waitMs, assignment.closing)
      if (!goesOn() || queue.held) return undefined
    }
  }
  return undefined
}

async function decide(
  onHandlerError: (context: HandlerErrorContext) => HandlerDecision | Promise<HandlerDecision>,
  context: HandlerErrorContext,
): Promise<HandlerDecision> {
  try {
    const decision = await onHandlerError(context)
    return ['stop', 'skip', 'retry'].includes(decision) ? decision : 'pause'
  } catch {
    // A policy that fails has not decided anything: the message must not be lost.
    return 'pause'
  }
}
