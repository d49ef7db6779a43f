/** A handler: the user's function round one message or batch, with its retries, its deadline and the policy when it gives up. */

import { byTopic, type Fact, type TopicPartition } from '../../machines/fact.ts'
import { messageOf } from '../../machines/failure.ts'
import type { Batch, EachBatchPayload, EachMessagePayload, KafkaMessage } from '../kafkajs/consumer.ts'
import { withoutSecrets } from '../security/secrets.ts'
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

export interface HandlerOptions {
  readonly eachMessage?: ((payload: EachMessagePayload & { signal: AbortSignal }) => Promise<void>) | undefined
  readonly eachBatch?: ((payload: EachBatchPayload & { signal: AbortSignal }) => Promise<void>) | undefined
  /** Marks are committed at most this often, also when a batch handler asks for it more often; in milliseconds. */
  readonly commitIntervalMs: number
  readonly handlerRetries: number
  readonly handlerTimeoutMs: number | undefined
  readonly onHandlerError:
    | 'pause'
    | 'stop'
    | ((context: HandlerErrorContext) => HandlerDecision | Promise<HandlerDecision>)
  readonly emit: (fact: Fact) => void
  readonly pause: (queue: PartitionQueue) => () => void
  readonly commit: () => Promise<void>
  /** Queues with progress the group does not know. */
  readonly uncommitted: () => readonly PartitionQueue[]
  /** The handler is past its deadline: others may have its slot. */
  readonly onOverdue: (queue: PartitionQueue) => void
}

const firstRetryMs = 100
const longestRetryMs = 5000
const sliceMs = 100

export class Handler {
  /** Messages not handed out because this process had handled them already. */
  suppressed = 0
  private readonly options: HandlerOptions
  private committedAt = performance.now()

  constructor(options: HandlerOptions) {
    this.options = options
  }

  /**
   * Hands the batch out from where it stands. `yields` says whether others wait for the slot after a slice of time. Resolves with whether
   * it is done; else it was broken off in order, or the partition is paused until somebody decides.
   */
  async run(queue: PartitionQueue, queued: QueuedBatch, yields: () => boolean): Promise<boolean> {
    return this.options.eachBatch
      ? this.runBatch(queue, queued, this.options.eachBatch)
      : this.runMessages(queue, queued, yields)
  }

  private async runMessages(queue: PartitionQueue, queued: QueuedBatch, yields: () => boolean): Promise<boolean> {
    const { eachMessage } = this.options
    // Stryker disable next-line ConditionalExpression,BooleanLiteral: the options have either this one or `eachBatch`
    if (!eachMessage) return false
    const { batch, assignment } = queued
    const { topic, partition } = queue
    const pause = () => this.options.pause(queue)
    const until = performance.now() + sliceMs
    const { seeks } = queue.progress
    const { messages } = batch
    for (; ; queued.next++) {
      const message = messages[queued.next]
      if (!message) break
      const offset = BigInt(message.offset)
      if (offset < (queue.progress.mark ?? 0n)) {
        this.suppressed++
        continue
      }
      if (!assignment.open || queue.held || queue.progress.seeks !== seeks) {
        // Stryker disable next-line BooleanLiteral: nobody wants what is left of it any more, and it is taken out either way
        return false
      }
      const outcome = await this.attempt(
        queue,
        queued,
        message,
        () => message.offset,
        (signal) => eachMessage({ topic, partition, message, heartbeat, pause, signal }),
      )
      if (!outcome) return false
      this.advance(queue, queued, seeks, offset + 1n)
      if (performance.now() > until && yields()) {
        queued.next++
        return false
      }
    }
    this.advance(queue, queued, seeks, BigInt(batch.lastOffset()) + 1n)
    return true
  }

  private async runBatch(
    queue: PartitionQueue,
    queued: QueuedBatch,
    eachBatch: NonNullable<HandlerOptions['eachBatch']>,
  ): Promise<boolean> {
    const { batch, assignment } = queued
    const { seeks } = queue.progress
    const whole = BigInt(batch.lastOffset()) + 1n
    const left = () => messagesFrom(batch.messages, queue.progress.mark ?? 0n)
    const brokenOff = () => !assignment.open || queue.progress.seeks !== seeks
    // Counted once: what is left out later was handled from this very batch.
    if (queued.next === 0) this.suppressed += batch.messages.length - left().length
    queued.next = batch.messages.length
    /** Nothing beyond the batch: the mark steps over nothing that was not handed out. */
    const resolve = (mark: bigint) => {
      // Stryker disable next-line EqualityOperator: where both are the same it makes no difference which is taken
      this.advance(queue, queued, seeks, mark < whole ? mark : whole)
    }
    const outcome = await this.attempt(
      queue,
      queued,
      undefined,
      () => left()[0]?.offset,
      async (signal) => {
        let isToldOfEnd = false
        let isToldOfSignal = false
        const tell = (isBrokenOff: boolean) => {
          isToldOfEnd ||= isBrokenOff
          return isBrokenOff
        }
        const payload: EachBatchPayload = {
          // Read anew for each attempt: what an earlier one resolved is not handed out again.
          batch: view(batch, left()),
          resolveOffset: (offset) => {
            // Stryker disable next-line OptionalChaining: a batch that is handed out has messages
            resolve(String(offset) === batch.messages.at(-1)?.offset ? whole : BigInt(offset) + 1n)
          },
          heartbeat,
          pause: () => this.options.pause(queue),
          commitOffsetsIfNecessary: (offsets) => this.commitIfNecessary(queue, resolve, offsets),
          uncommittedOffsets: () => marksOf(this.options.uncommitted()),
          isRunning: () => !tell(!assignment.open),
          isStale: () => tell(queue.progress.seeks !== seeks),
        }
        const signalled = Object.defineProperty(payload, 'signal', {
          enumerable: true,
          get: () => {
            isToldOfSignal = true
            return signal
          },
        }) as EachBatchPayload & { signal: AbortSignal }
        await eachBatch(signalled)
        // A normal return has handled the batch, unless the handler knew that it had to end: then only what was resolved counts.
        const isTold = isToldOfEnd || (isToldOfSignal && signal.aborted)
        if (!isTold) resolve(whole)
        else if (!brokenOff() && left().length > 0)
          throw new Error('the batch handler returned at its signal, before the end')
      },
    )
    if (outcome === 'skipped') resolve(whole)
    if (brokenOff() || left().length > 0) return false
    this.advance(queue, queued, seeks, whole)
    return true
  }

  /**
   * What `commitOffsetsIfNecessary` of KafkaJS does: without offsets it commits what is due, with them at once. An offset of this partition
   * is the next one to handle, so it resolves what lies before it; marks of others are committed as they are.
   */
  private async commitIfNecessary(
    { topic, partition }: PartitionQueue,
    resolve: (mark: bigint) => void,
    offsets?: Parameters<EachBatchPayload['commitOffsetsIfNecessary']>[0],
  ): Promise<void> {
    const own = offsets?.topics
      ?.find((each) => each.topic === topic)
      ?.partitions.find((each) => each.partition === partition)
    if (own) resolve(BigInt(own.offset))
    const now = performance.now()
    if (!offsets && now - this.committedAt < this.options.commitIntervalMs) return
    this.committedAt = now
    await this.options.commit()
  }

  private advance(queue: PartitionQueue, queued: QueuedBatch, seeks: number, mark: bigint): void {
    if (!queue.advance(queued, mark, seeks)) return
    // A stale result never commits, but this process knows now that the message is handled.
    const { generation, over } = queued.assignment
    if (over) {
      const { topic, partition } = queue
      this.options.emit({ type: 'result.fenced', topic, partition, generation, offset: String(mark - 1n) })
    }
  }

  /**
   * Calls the user's function until it succeeds, the assignment ends, the partition is paused or sought elsewhere, or the policy
   * decides. `next` is the first offset that is not handled; undefined when none is left, and then an error comes too late to matter.
   * Resolves with undefined where what is left of it was neither handled nor skipped.
   */
  private async attempt(
    queue: PartitionQueue,
    queued: QueuedBatch,
    message: KafkaMessage | undefined,
    next: () => string | undefined,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<'handled' | 'skipped' | undefined> {
    const { emit, handlerRetries, onHandlerError } = this.options
    const { topic, partition } = queue
    const { seeks } = queue.progress
    const goesOn = () => queued.assignment.open && queue.progress.seeks === seeks
    let offset = next()
    for (let attempt = 1; offset !== undefined; attempt++) {
      try {
        await this.timed(queue, queued, offset, work)
        return 'handled'
      } catch (error) {
        const left = next()
        const failure = { kind: 'handler-failed', message: withoutSecrets(messageOf(error)) } as const
        emit({ type: 'handler.failed', topic, partition, offset: left ?? offset, attempt, failure })
        if (left === undefined || !goesOn()) return undefined
        offset = left
        // A handler that pauses its partition and throws wants the message again when it is resumed, and not before.
        if (attempt > handlerRetries && !queue.held) {
          const context = {
            topic,
            partition,
            offset,
            error,
            attempts: attempt,
            message,
            signal: queued.assignment.signal,
          }
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
        const waitMs = Math.min(longestRetryMs, firstRetryMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2)
        await aborted(queued.assignment.closing, waitMs)
        if (!goesOn() || queue.held) return undefined
      }
    }
    return undefined
  }

  private async timed(
    queue: PartitionQueue,
    queued: QueuedBatch,
    offset: string,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const { handlerTimeoutMs, emit, onOverdue } = this.options
    queue.noteHandOut()
    if (handlerTimeoutMs === undefined) return work(queued.assignment.signal)
    const { signal } = queued.assignment
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
      onOverdue(queue)
    }
    let turn: NodeJS.Immediate | undefined
    const timer = setTimeout(() => {
      // Where another handler held up the loop, what this one waits for may have come already, and is read first.
      turn = setImmediate(overdue)
    }, handlerTimeoutMs)
    try {
      await work(either.signal)
    } finally {
      clearTimeout(timer)
      clearImmediate(turn)
      signal.removeEventListener('abort', follow)
      if (isLate) emit({ type: 'partition.resumed', partitions: byTopic([queue]) })
    }
  }
}

/** Heartbeats go out by themselves while a handler runs; KafkaJS's payload has the function all the same. */
const heartbeat = async (): Promise<void> => {}

/** Marks in the form KafkaJS gives them. */
function marksOf(queues: readonly PartitionQueue[]): ReturnType<EachBatchPayload['uncommittedOffsets']> {
  const topics = [...new Set(queues.map(({ topic }) => topic))].map((topic) => {
    const own = queues.filter((queue) => queue.topic === topic)
    return {
      topic,
      partitions: own.map(({ partition, progress }) => ({ partition, offset: `${progress.uncommitted}` })),
    }
  })
  return { topics }
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

/** Where all of them are handled, only the last is looked at. */
function messagesFrom(messages: KafkaMessage[], mark: bigint): KafkaMessage[] {
  const isLeft = (message: KafkaMessage | undefined) => message !== undefined && BigInt(message.offset) >= mark
  return isLeft(messages.at(-1)) ? messages.slice(messages.findIndex(isLeft)) : []
}

/** The batch with fewer messages in front, as a handler sees it after a part was handled. */
const view = (batch: Batch, messages: KafkaMessage[]): Batch =>
  messages.length === batch.messages.length
    ? batch
    : // Stryker disable next-line OptionalChaining: a batch that is handed out has messages
      Object.create(batch, { messages: { value: messages }, firstOffset: { value: () => messages[0]?.offset ?? null } })

const aborted = (signal: AbortSignal, waitMs: number): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, waitMs)
    signal.addEventListener('abort', done)
  })
