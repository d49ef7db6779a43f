/** The retries of a handler, and the policy when it goes on failing. */

import { backoffMs } from '../../machines/backoff.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { KafkaMessage } from '../kafkajs/consumer.ts'
import { call, type HandlerCallOptions } from './handler-call.ts'
import { failureOf } from './handler-error.ts'
import { HandlerFailure } from './handler-failure.ts'
import type { PartitionQueue, QueuedBatch } from './partition-queue.ts'

/** What `onHandlerError` may decide about a message or batch that failed `handlerRetries` times more. */
export type HandlerDecision = 'pause' | 'stop' | 'skip' | 'retry'

const decisions: readonly unknown[] = ['pause', 'stop', 'skip', 'retry'] satisfies HandlerDecision[]

/** What `onHandlerError` gets. */
export interface HandlerErrorContext extends TopicPartition {
  /** Of the message; with `eachBatch`, of the first one that was not resolved. */
  readonly offset: string
  /** What the handler threw last. */
  readonly error: unknown
  /** Calls for this offset in this assignment, all of which failed. */
  readonly attempts: number
  /** The message; undefined with `eachBatch`. */
  readonly message: KafkaMessage | undefined
  /** What `skip` would skip: the message, or all of the batch that was not resolved. */
  readonly messages: readonly KafkaMessage[]
  /** Aborts when the decision should come to an end: the partition goes to another member, or the consumer stops. */
  readonly signal: AbortSignal
}

/**
 * A policy that decides by function: `(context) => HandlerDecision | Promise<HandlerDecision>`. Written like that, TypeScript would take a single
 * literal of an `async` function for any string, as the decision has no `then`. So the first type hints at literals in both; what a function may return says
 * the second, which has two signatures so that no hint is taken from it.
 */
export type HandlerErrorPolicy =
  | ((
      context: HandlerErrorContext,
    ) => Promise<HandlerDecision> | (HandlerDecision & Pick<Promise<HandlerDecision>, 'then'>))
  | {
      (context: HandlerErrorContext): HandlerDecision | Promise<HandlerDecision>
      <_Hidden>(context: HandlerErrorContext): HandlerDecision | Promise<HandlerDecision>
    }

export interface HandlerRetryOptions extends HandlerCallOptions {
  readonly handlerRetries: number
  readonly onHandlerError: HandlerDecision | HandlerErrorPolicy
  /** The wait before the next try is over. */
  readonly onRetry: (queue: PartitionQueue) => void
  /** Where the log ends now; undefined where nobody can say. */
  readonly endOf: (queue: PartitionQueue) => Promise<bigint | undefined>
}

/** The longest wait before the second try doubles with each further one up to the cap; in milliseconds. */
const pace = { baseMs: 250, capMs: 30_000 }

/**
 * Calls the user's function once; where it fails, the partition waits for the next try, or the policy decides. `left` are the messages that are not
 * handled; none is left, and an error comes too late to matter. Resolves with undefined where what is left was neither handled nor skipped.
 */
export async function attempt(
  options: HandlerRetryOptions,
  queue: PartitionQueue,
  queued: QueuedBatch,
  message: KafkaMessage | undefined,
  left: () => readonly KafkaMessage[],
  work: (signal: AbortSignal) => void | Promise<void>,
): Promise<'handled' | 'skipped' | undefined> {
  const { emit, handlerRetries } = options
  const { topic, partition } = queue
  const { assignment } = queued
  const { seeks } = queue.progress
  const goesOn = () => assignment.open && queue.progress.seeks === seeks
  const messages = left()
  const [first] = messages
  if (!first) return undefined
  let failure = queue.failure?.isOf(first, assignment) ? queue.failure : undefined
  // Where the policy could not decide, it is the policy that is asked again: a handler that is done with a message is not called for it.
  if (!failure?.isUndecided) {
    try {
      await call(options, queue, queued, first.offset, messages, work)
      queue.fail(undefined)
      return 'handled'
    } catch (error) {
      queued.thrown = error
      const [next] = left()
      failure = next && queue.failure?.isOf(next, assignment) ? queue.failure : undefined
      const tries = (failure?.attempts ?? 0) + 1
      const about = { topic, partition, offset: (next ?? first).offset }
      emit({ type: 'handler.failed', ...about, attempt: tries, failure: failureOf(error) })
      // A handler that pauses its partition and throws has not failed: it wants the message again when it is resumed, and not before.
      if (!next || !goesOn() || queue.held) return undefined
      failure ??= new HandlerFailure({
        ...{ partition: { topic, partition }, assignment, message: next, emit },
        fetchedEnd: () => queue.end,
        end: () => options.endOf(queue),
      })
      queue.fail(failure)
      failure.tried(error)
      if (tries <= handlerRetries) return rest(options, queue, tries)
    }
  }
  return settle(options, queue, failure, message, left, goesOn)
}

/** Lets the policy decide. */
async function settle(
  options: HandlerRetryOptions,
  queue: PartitionQueue,
  failure: HandlerFailure,
  message: KafkaMessage | undefined,
  left: () => readonly KafkaMessage[],
  goesOn: () => boolean,
): Promise<'skipped' | undefined> {
  const { emit, onHandlerError } = options
  const { topic, partition } = queue
  const { offset, attempts, error, assignment } = failure
  const about = { topic, partition, offset }
  let decision: HandlerDecision | undefined
  if (typeof onHandlerError === 'string') decision = onHandlerError
  else {
    // It may store the message elsewhere first, and take its time for it.
    options.releaseSlot(queue)
    const context = { ...about, error, attempts, message, messages: left(), signal: assignment.signal }
    try {
      const answer: unknown = await onHandlerError(context)
      if (!decisions.includes(answer))
        throw new Error(`it returned ${String(answer)}, expected ${decisions.join(', ')}`)
      decision = answer as HandlerDecision
    } catch (thrown) {
      emit({ type: 'policy.failed', ...about, failure: failureOf(thrown, 'onHandlerError failed: ') })
    }
  }
  if (decision === undefined) failure.asked()
  else failure.isUndecided = false
  if (decision === undefined || decision === 'retry') return goesOn() ? rest(options, queue, failure.rounds) : undefined
  emit({ type: 'handler.gave-up', ...about, decision })
  if (decision === 'skip') {
    queue.fail(undefined)
    return 'skipped'
  }
  queue.hold('handler')
  if (decision === 'pause') failure.paused()
  return undefined
}

function rest(options: HandlerRetryOptions, queue: PartitionQueue, tries: number): undefined {
  queue.rest(backoffMs(tries, pace, Math.random()), () => options.onRetry(queue))
}
