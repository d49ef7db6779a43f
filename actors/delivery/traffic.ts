/** The traffic of a consumer: what came in, what was handled, and what waits. */

import type { KafkaMessage } from '../kafkajs/consumer.ts'

/** Since the consumer was created, but for what waits. Bytes are those of keys, values and headers. */
export interface Traffic {
  readonly fetchedMessages: number
  readonly fetchedBytes: number
  readonly handledMessages: number
  /** Counted when all that came with one fetch is handled. */
  readonly handledBytes: number
  /** Messages read again and not handed out again, as this process had handled them. */
  readonly suppressedMessages: number
  /** What waits now or is at work, with what the objects of the messages take; `maxBufferedBytes` limits it. */
  readonly bufferedBytes: number
}

export const noTraffic: Traffic = {
  fetchedMessages: 0,
  fetchedBytes: 0,
  handledMessages: 0,
  handledBytes: 0,
  suppressedMessages: 0,
  bufferedBytes: 0,
}

/** Bytes of its key, value and headers. */
export const sizeOf = ({ key, value, headers = {} }: KafkaMessage): number => {
  const parts = Object.entries(headers).flatMap(([name, values]) => [name, ...[values ?? []].flat()])
  return parts.reduce((sum, part) => sum + part.length, (key?.length ?? 0) + (value?.length ?? 0))
}
