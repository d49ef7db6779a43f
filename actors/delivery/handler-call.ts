/** One call of the user's function, by its deadline; while somebody listens, `relisten:handler` tells of it, and a tracer has its span around it. */

import { handlerChannel } from '../diagnostics/channels.ts'
import { tracing } from '../diagnostics/tracing.ts'
import type { KafkaMessage } from '../kafkajs/consumer.ts'
import { type HandlerTimeoutOptions, timed } from './handler-timeout.ts'
import type { PartitionQueue, QueuedBatch } from './partition-queue.ts'
import { sizeOf } from './traffic.ts'

export interface HandlerCallOptions extends HandlerTimeoutOptions {
  readonly groupId: string
}

/** Calls the user's function for these messages, of which the first is at `offset`. Rejects with what it throws. */
export function call(
  options: HandlerCallOptions,
  queue: PartitionQueue,
  queued: QueuedBatch,
  offset: string,
  messages: readonly KafkaMessage[],
  work: (signal: AbortSignal) => void | Promise<void>,
): Promise<void> {
  const { aroundCall } = tracing
  if (!aroundCall && !handlerChannel.hasSubscribers) return timed(options, queue, queued, offset, work)
  const run = () => timed(options, queue, queued, offset, work)
  const { topic, partition } = queue
  const { groupId } = options
  const told = () => reported({ groupId, topic, partition, offset }, messages, run)
  return aroundCall ? aroundCall({ groupId, topic, partition, messages }, told) : told()
}

async function reported(
  about: { readonly groupId: string; readonly topic: string; readonly partition: number; readonly offset: string },
  messages: readonly KafkaMessage[],
  run: () => Promise<void>,
): Promise<void> {
  const startedAt = performance.now()
  // Before the call: what a handler does to its messages is its own affair.
  const bytes = messages.reduce((sum, message) => sum + sizeOf(message), 0)
  const over = (error: unknown): void => {
    const tookMs = performance.now() - startedAt
    handlerChannel.publish({ ...about, messages: messages.length, bytes, tookMs, error })
  }
  try {
    await run()
    over(undefined)
  } catch (error) {
    over(error)
    throw error
  }
}
