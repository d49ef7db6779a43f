/** The traffic of a consumer: what came in, what was handled, and what waits. */

/** Since the consumer was created, but for what waits. Bytes are those of keys, values and headers. */
export interface Traffic {
  readonly fetchedMessages: number
  readonly fetchedBytes: number
  readonly handledMessages: number
  /** Messages read again and not handed out again, as this process had handled them. */
  readonly suppressedMessages: number
  /** What waits now or is at work, with what the objects of the messages take; `maxBufferedBytes` limits it. */
  readonly bufferedBytes: number
}

export const noTraffic: Traffic = {
  fetchedMessages: 0,
  fetchedBytes: 0,
  handledMessages: 0,
  suppressedMessages: 0,
  bufferedBytes: 0,
}
