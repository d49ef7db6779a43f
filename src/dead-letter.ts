/** Dead letters: messages whose handler goes on failing are stored in a topic of their own, and skipped once that topic has them. */

import { handlerError } from '../actors/delivery/handler-error.ts'
import type { HandlerDecision, HandlerErrorContext } from '../actors/delivery/handler-retry.ts'
import type { KafkaMessage } from '../actors/kafkajs/consumer.ts'
import { optionError } from './error.ts'

/** What `deadLetter` needs of a producer: KafkaJS's `send`. It is connected and disconnected by whoever made it. */
export interface DeadLetterProducer {
  send(record: {
    topic: string
    acks: number
    messages: Pick<KafkaMessage, 'key' | 'value' | 'headers'>[]
  }): Promise<unknown>
}

/** Options of `deadLetter`. A wrong one throws `invalid-option`. */
export interface DeadLetterOptions {
  /**
   * A connected producer of KafkaJS on `follow`, or anything with its `send`. What it acknowledges is skipped: a stock producer acknowledges some of
   * what it has not written where brokers move or restart. Whoever made it disconnects it.
   */
  readonly producer: DeadLetterProducer
  /** The topic for dead letters. It has to exist, unless brokers create topics. */
  readonly topic: string
  /**
   * How often the handler is called before a message is a dead letter. Replaces `handlerRetries`.
   * @defaultValue `6`
   * @bounds 1 or more
   */
  readonly maxAttempts?: number | undefined
}

/** A policy for `onHandlerError`, with the calls that come before it. */
export type DeadLetterPolicy = ((context: HandlerErrorContext) => Promise<HandlerDecision>) & {
  readonly maxAttempts: number
}

const usualAttempts = 6

/**
 * A policy for `onHandlerError` that sends the message to `topic` and skips it once all in-sync replicas have it (`acks: -1`), one message per `send`. A
 * send that fails is a `policy.failed` and is repeated, without a call of the handler, for as long as it takes. Key, value and headers are what they
 * were; added are `relisten-original-topic`, `-partition`, `-offset`, `-timestamp`, `relisten-error-class`, `relisten-error-message` and `relisten-attempts`
 * as text, and what Spring reads: `kafka_dlt-original-topic`, `-partition` (4 bytes), `-offset` and `-timestamp` (8 bytes, big-endian),
 * `kafka_dlt-exception-fqcn` and `-message`. With `eachBatch` all messages of the batch that were not resolved become dead letters.
 * A message may come twice where a send was not acknowledged, or the process was killed before its commit. Throws `invalid-option`.
 */
export function deadLetter({ producer, topic, maxAttempts = usualAttempts }: DeadLetterOptions): DeadLetterPolicy {
  if (typeof producer?.send !== 'function')
    throw optionError(
      'Expected `producer` of `deadLetter` to have a function `send`',
      'pass a connected producer of KafkaJS on `follow`.',
    )
  if (typeof topic !== 'string' || topic === '')
    throw optionError('Expected `topic` of `deadLetter` to be a non-empty string', 'name the topic for dead letters.')
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1)
    throw optionError(
      `Expected \`maxAttempts\` of \`deadLetter\` to be a whole number of at least 1, got \`${String(maxAttempts)}\``,
      'correct it or leave it out.',
    )
  /** What was acknowledged of a batch whose other messages were not. */
  const sent = new WeakSet<KafkaMessage>()
  const policy = async (context: HandlerErrorContext): Promise<HandlerDecision> => {
    for (const message of context.messages) {
      if (sent.has(message)) continue
      const { key, value, headers } = message
      const letter = { key, value, headers: { ...headers, ...headersOf(context, message) } }
      await producer.send({ topic, acks: -1, messages: [letter] })
      sent.add(message)
    }
    return 'skip'
  }
  return Object.assign(policy, { maxAttempts })
}

function headersOf(context: HandlerErrorContext, { offset, timestamp }: KafkaMessage) {
  const { topic, partition, attempts, error } = context
  const { name, message } = handlerError(error)
  return {
    'relisten-original-topic': topic,
    'relisten-original-partition': String(partition),
    'relisten-original-offset': offset,
    'relisten-original-timestamp': timestamp,
    'relisten-error-class': name,
    'relisten-error-message': message,
    'relisten-attempts': String(attempts),
    'kafka_dlt-original-topic': topic,
    'kafka_dlt-original-partition': int32(partition),
    'kafka_dlt-original-offset': int64(offset),
    'kafka_dlt-original-timestamp': int64(timestamp),
    'kafka_dlt-exception-fqcn': name,
    'kafka_dlt-exception-message': message,
  }
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int64(value: string): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}
