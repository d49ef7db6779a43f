/** The handler: the user's function goes through a batch, message by message or as a whole, and the mark follows what it has handled. */

import { tracing } from '../diagnostics/tracing.ts'
import type { EachBatchPayload, EachMessagePayload, KafkaMessage } from '../kafkajs/consumer.ts'
import { type BatchPayloadOptions, BatchPayloads, heartbeat } from './batch-payload.ts'
import { attempt, type HandlerRetryOptions } from './handler-retry.ts'
import { endOf, type PartitionQueue, type QueuedBatch } from './partition-queue.ts'

export interface HandlerOptions extends HandlerRetryOptions, BatchPayloadOptions {
  readonly eachMessage?: ((payload: EachMessagePayload & { signal: AbortSignal }) => void | Promise<void>) | undefined
  readonly eachBatch?: ((payload: EachBatchPayload & { signal: AbortSignal }) => void | Promise<void>) | undefined
}

/** How long a queue keeps its slot while others wait, looked at between two messages, in milliseconds. */
const sliceMs = 100

export class Handler {
  /** Messages handled. */
  handled = 0
  /** Bytes of the batches that were handled to their end. */
  handledBytes = 0
  /** Messages not handed out because this process had handled them already. */
  suppressed = 0
  private readonly options: HandlerOptions
  private readonly payloads: BatchPayloads

  constructor(options: HandlerOptions) {
    this.options = options
    this.payloads = new BatchPayloads(options)
  }

  /**
   * Hands the batch out from where it stands. `yields` says whether others wait for the slot after a slice of time, or have it. Resolves with whether
   * it is done; else it was broken off in order, or the partition waits: for a next try, or for somebody who decides.
   */
  async run(queue: PartitionQueue, queued: QueuedBatch, yields: () => boolean): Promise<boolean> {
    const { eachBatch, groupId } = this.options
    const run = () => (eachBatch ? this.runBatch(queue, queued, eachBatch) : this.runMessages(queue, queued, yields))
    const { aroundBatch } = tracing
    if (!aroundBatch) return run()
    const { topic, partition } = queue
    const left = () => messagesFrom(queued.batch.messages, queue.progress.mark ?? 0n)
    const messages = left()
    const outcome = () => ({ messages: messages.length - left().length, error: queue.failure?.error })
    return messages.length > 0 ? aroundBatch({ groupId, topic, partition, messages }, run, outcome) : run()
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
      queue.handOut(offset + 1n)
      const outcome = await attempt(
        this.options,
        queue,
        queued,
        message,
        () => [message],
        (signal) => eachMessage({ topic, partition, message, heartbeat, pause, signal }),
      )
      if (!outcome) return false
      if (outcome === 'handled') this.handled++
      this.advance(queue, queued, seeks, offset + 1n)
      if (performance.now() > until && yields()) {
        queued.next++
        return false
      }
    }
    this.advance(queue, queued, seeks, endOf(batch))
    return true
  }

  private async runBatch(
    queue: PartitionQueue,
    queued: QueuedBatch,
    eachBatch: NonNullable<HandlerOptions['eachBatch']>,
  ): Promise<boolean> {
    const { batch, assignment } = queued
    const { seeks } = queue.progress
    const whole = endOf(batch)
    const left = () => messagesFrom(batch.messages, queue.progress.mark ?? 0n)
    const isStale = () => queue.progress.seeks !== seeks
    const brokenOff = () => !assignment.open || isStale()
    // Counted once: what is left out later was handled from this very batch.
    const before = left().length
    if (queued.next === 0) this.suppressed += batch.messages.length - before
    queued.next = batch.messages.length
    queue.handOut(whole)
    /** Nothing beyond the batch: the mark steps over nothing that was not handed out. */
    const resolve = (mark: bigint) => {
      // Stryker disable next-line EqualityOperator: where both are the same it makes no difference which is taken
      this.advance(queue, queued, seeks, mark < whole ? mark : whole)
    }
    const outcome = await attempt(this.options, queue, queued, undefined, left, async (signal) => {
      const { payload, isTold } = this.payloads.of({ queue, queued, left, resolve, isStale }, signal)
      await eachBatch(payload)
      // A normal return has handled the batch, unless the handler knew that it had to end: then only what was resolved counts.
      if (!isTold()) resolve(whole)
      else if (!brokenOff() && left().length > 0)
        throw new Error('the batch handler returned at its signal, before the end')
    })
    this.handled += before - left().length
    if (outcome === 'skipped') resolve(whole)
    if (brokenOff() || left().length > 0) return false
    this.advance(queue, queued, seeks, whole)
    return true
  }

  /** All of the batch below `mark` is handled: the mark moves up to it. */
  private advance(queue: PartitionQueue, queued: QueuedBatch, seeks: number, mark: bigint): void {
    if (!queue.advance(queued, mark, seeks)) return
    // A stale result never commits, but this process knows now that the message is handled.
    const { generation, over } = queued.assignment
    if (over) {
      const { topic, partition } = queue
      this.options.emit({ type: 'result.fenced', topic, partition, generation, offset: String(mark - 1n) })
    }
  }
}

/** Where all of them are handled, only the last is looked at. */
function messagesFrom(messages: KafkaMessage[], mark: bigint): KafkaMessage[] {
  const isLeft = (message: KafkaMessage | undefined) => message !== undefined && BigInt(message.offset) >= mark
  return isLeft(messages.at(-1)) ? messages.slice(messages.findIndex(isLeft)) : []
}
